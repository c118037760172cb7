"""Stages of a chain as they are written: what one takes, and every value of the kind that it has to be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import BadInput
from engine.rewards import samples


@dataclass(frozen=True)
class Bar:
    """What a stage's model has to reach: at least ``least`` (0 to 1) on a data set, on all its rows or ``limit`` of them."""

    data: str
    least: float
    limit: int | None = None


@dataclass(frozen=True)
class Stage:
    """One stage. ``model`` and ``data``, and settings that refer to something, may name an earlier stage as ``@name``.

    ``begin`` says what an adapter to start from becomes: "continue" trains it on, "merge" first makes it part of the weights.
    A stage with a ``judge`` (address, judge, principles) makes preference pairs instead of a model, one with a ``sample``
    (keep, rewards, answers) a data set of the model's own answers; each takes what its verb in submit.py takes.
    """

    name: str
    data: str
    method: str = ""
    model: str = ""  # the last model that speaks, where it is empty
    settings: Mapping[str, Any] = field(default_factory=dict)
    begin: str = "continue"
    bar: Bar | None = None
    judge: Mapping[str, Any] | None = None
    sample: Mapping[str, Any] | None = None
    seed: int = 0

    @property
    def makes(self) -> str | None:
        """The shape of the data set that it makes; None where it makes a model."""
        if self.judge is not None:
            return "prompt_completion" if self.judge.get("revise") else "preference"
        return None if self.sample is None else samples.shape(self.sample.get("keep", "all"))

    @property
    def speaks(self) -> bool:
        """Whether it makes a model that later stages can begin with."""
        return self.makes is None and self.method != "reward"


@dataclass(frozen=True)
class Kind:
    """What a value has to be, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TEXT, NUMBER, WHOLE = Kind("text", _text), Kind("a number", _number), Kind("a whole number", _whole)
OBJECT = Kind("an object", lambda value: isinstance(value, Mapping))
YES_OR_NO = Kind("true or false", lambda value: isinstance(value, bool))
LINES = Kind("a list of texts", lambda value: isinstance(value, Sequence) and not _text(value) and all(map(_text, value)))
STAGE = {
    **dict.fromkeys(("name", "data", "method", "model", "begin"), TEXT), "settings": OBJECT, "bar": OBJECT, "judge": OBJECT,
    "sample": OBJECT, "seed": WHOLE,
}  # fmt: skip
BAR = {"data": TEXT, "least": NUMBER, "limit": WHOLE}
SAMPLED = {"limit": WHOLE, "sampling": OBJECT}
JUDGE = {"address": TEXT, "judge": TEXT, "principles": LINES, "revise": YES_OR_NO, **SAMPLED}
SAMPLE = {
    **dict.fromkeys(("keep", "rewards", "reward_model", "reward_code", "judge_address", "judge"), TEXT), "answers": WHOLE,
    "trust_anyway": YES_OR_NO, "least": NUMBER, **SAMPLED,
}  # fmt: skip
PARTS = {"bar": (BAR, {"data", "least"}), "judge": (JUDGE, {"address", "judge"}), "sample": (SAMPLE, set[str]())}
MAY_LACK = {"bar", "judge", "sample", "limit"}  # None stands for nothing in these


def read(stages: Any) -> tuple[Stage, ...]:
    """Stages as they are written in a file. BadInput names what is wrong and what may be written."""
    if not isinstance(stages, Sequence) or isinstance(stages, str) or not stages:
        raise BadInput("A chain is a list of stages, each with a name, a method and data. Give at least one.")
    return tuple(_stage(f"Stage {place}", given) for place, given in enumerate(stages, 1))


def _stage(where: str, given: Any) -> Stage:
    if not isinstance(given, Mapping):
        raise BadInput(f"{where} must be an object with name, method and data, not {given!r}.")
    _check(where, "a stage", given, STAGE, {"name", "data"})
    for part, (kinds, needed) in PARTS.items():
        if given.get(part) is not None:
            _check(f"{where}, {part},", part, given[part], kinds, needed)
    bar = given.get("bar")
    return Stage(**{**given, "bar": Bar(**bar) if bar is not None else None})


def _check(where: str, what: str, given: Mapping[str, Any], kinds: Mapping[str, Kind], needed: set[str]) -> None:
    unknown = [key for key in given if key not in kinds]
    if unknown:
        raise BadInput(f"{where} has {unknown[0]!r}; {what} takes {', '.join(kinds)}.")
    missing = sorted(needed - given.keys())
    if missing:
        raise BadInput(f"{where} lacks {' and '.join(missing)}; it has {', '.join(given) or 'nothing'}.")
    for name, value in given.items():
        if not kinds[name].fits(value) and not (value is None and name in MAY_LACK):
            raise BadInput(f"{where} has {name} {value!r}, which has to be {kinds[name].words}.")

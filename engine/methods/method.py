"""What a training method is: a name, the data it takes, its settings, and a function that trains.

A setting is one dataclass field. The form on the page, the check of what was typed, the stored JSON and the
trainer's configuration all follow from it.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.errors import BadInput
from engine.methods.card import Card


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | Mapping[str, str] = (),
    group: str = "Training",
    refers: str = "",
    lines: int = 1,
) -> Any:
    """A field of a settings dataclass with a sentence of help and the bounds or choices of its value.

    ``choices`` may give each its own sentence. A setting that ``refers`` names something else in the home, or nothing when it
    is empty: a data set of the shape given, as "data:text", or a model for the task given, as "model:reward".
    """
    notes = dict(choices) if isinstance(choices, Mapping) else {}
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "low": low,
            "high": high,
            "choices": tuple(choices),
            "notes": notes,
            "group": group,
            "refers": refers,
            "lines": lines,
        },
    )


@dataclass(frozen=True)
class Setting:
    """One setting as a form or a check needs it."""

    name: str
    kind: type  # bool, int, float or str
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    notes: Mapping[str, str]  # a sentence on each choice, where there is one
    group: str
    refers: str  # "", or what the value names: "data:SHAPE" or "model:TASK", several SHAPEs with | between
    lines: int = 1  # that a form shows of a text

    def parse(self, value: Any) -> Any:
        """``value`` as this setting's type; BadInput says what is allowed when it does not fit."""
        try:
            if self.kind is bool and isinstance(value, str):
                parsed: Any = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
            elif self.kind is int and isinstance(value, float) and value != int(value):
                raise ValueError
            else:
                parsed = self.kind(value)
        except (KeyError, TypeError, ValueError):
            raise BadInput(f"{self.name} takes {self.allowed()}, not {value!r}.") from None
        if self.choices and parsed not in self.choices:
            raise BadInput(f"{self.name} takes {self.allowed()}, not {value!r}.")
        if (self.low is not None and not parsed >= self.low) or (self.high is not None and not parsed <= self.high):
            raise BadInput(f"{self.name} takes {self.allowed()}, not {value!r}.")
        return parsed

    def allowed(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        kind = {int: "a whole number", float: "a number", str: "text"}[self.kind]
        if self.low is not None and self.high is not None:
            return f"{kind} from {self.low:g} to {self.high:g}"
        return kind if self.low is None else f"{kind} of at least {self.low:g}"


def settings_of(cls: type) -> tuple[Setting, ...]:
    """The settings of a settings dataclass, in their order."""
    hints = typing.get_type_hints(cls)
    return tuple(Setting(f.name, hints[f.name], f.default, **f.metadata) for f in dataclasses.fields(cls))


def parse_settings(cls: type, given: Mapping[str, Any]) -> Any:
    """An instance of ``cls`` from what was given, defaults for the rest. BadInput on an unknown name or a value out of bounds."""
    known = {s.name: s for s in settings_of(cls)}
    for name in given:
        if name not in known:
            raise BadInput(f"There is no setting {name!r}. The settings are: {', '.join(known)}.")
    return cls(**{name: known[name].parse(value) for name, value in given.items()})


class Reporter(Protocol):
    """Where a method says what happens. The engine's reporter writes to the database; a script may print.

    ``flush`` stores what was told before. ``checkpoint`` records one that is whole, and then lets go of all but the newest
    ``keep`` (0 keeps all).
    """

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...
    def phase(self, name: str, done: float | None = None) -> None: ...
    def log(self, text: str) -> None: ...
    def sample(self, step: int, prompt: str, text: str) -> None: ...
    def checkpoint(self, step: int, folder: Path, keep: int = 0) -> None: ...
    def flush(self) -> None: ...
    def stop_requested(self) -> bool: ...


@dataclass(frozen=True)
class Library:
    """Where the things lie that settings refer to, by their references: a data set's Parquet file and shape, a model's base and
    adapter, and what asks the judge of a name at an address."""

    data: Callable[[str], tuple[Path, str]]
    model: Callable[[str], tuple[Path, Path | None]]
    judge: Callable[[str, str], Callable[[list[dict[str, str]]], str]] | None = None


@dataclass(frozen=True)
class Training:
    """All that a method needs to train: where the weights and rows are, what was set, where to put the result."""

    settings: Any
    base: Path  # folder or hub id of the model to start from
    adapter: Path | None  # a LoRA adapter on top of the base to continue from
    data: Path  # frozen Parquet file
    shape: str
    seed: int
    dtype: str  # auto, float32 or bfloat16
    folder: Path  # the run's folder; checkpoints and the result go below it
    resume_from: Path | None
    reporter: Reporter
    library: Library


@dataclass(frozen=True)
class Trained:
    """What a method leaves: a folder with an adapter or a whole model, and figures about it."""

    folder: Path
    kind: str  # "adapter" or "model"
    summary: Mapping[str, Any]


# what methods learn from
FAMILIES = {
    "examples": "answers to imitate",
    "text": "plain documents",
    "judgements": "answers that were compared or marked",
    "rewards": "the model's own answers, rewarded",
}


@dataclass(frozen=True)
class Method:
    """One training method. ``METHODS`` in engine/methods/__init__.py lists them all."""

    name: str
    title: str
    short: str
    family: str  # of FAMILIES
    summary: str
    shapes: tuple[str, ...]
    settings: type
    train: Callable[[Training], Trained]
    card: Card
    tools: bool = False  # whether answers drawn while training may call tools

"""Values in the rows of other tools, each read for what it can be, and the votes that come of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from engine import names
from engine.data.shapes import ROLES, UnusableRow
from engine.preferences.pairs import TURNED, NewPair, turned
from storage import db

Row = Mapping[str, Any]
MOST = 1e300  # of a number; JSON can say more
PROMPTS = ("prompt", "instruction", "question", "input", "context")
ANSWERS = (
    ("first", "second"), ("output_1", "output_2"), ("response_1", "response_2"), ("answer_1", "answer_2"), ("answer1", "answer2"),
    ("response_a", "response_b"), ("answer_a", "answer_b"), ("completion_a", "completion_b"), ("response1", "response2"),
    ("left", "right"),
)  # fmt: skip
# what a choice is called elsewhere
CALLED = {
    "first": ("first", "1", "a", "left", "model_a", "model a", "a is better", "chosen"),
    "second": ("second", "2", "b", "right", "model_b", "model b", "b is better", "rejected"),
    "tie": ("tie", "equal", "same", "both", "both good", "draw"),
    "bad": ("bad", "both bad", "both_bad", "tie (bothbad)", "neither", "none"),
    "skip": ("skip", "skipped", "discarded"),
}
WORDS = {word: choice for choice, words in CALLED.items() for word in words}


@dataclass(frozen=True)
class NewVote:
    """A vote as it comes in. ``token`` and ``round`` are None where the file names none."""

    labeller: str
    choice: str
    kind: str = "person"
    strength: int | None = None
    preference: float | None = None
    criteria: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    edited: str | None = None
    seconds: float | None = None
    round: int | None = None
    flipped: bool | None = None
    at: str | None = None
    token: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def swapped(self) -> "NewVote":
        """The same vote where the answers stand in the other order, which it keeps, to go out as it came in."""
        told = turned({name: getattr(self, name) for name in TURNED})
        return replace(self, **told, extra={**self.extra, "swapped": not self.extra.get("swapped", False)})


def text(value: Any, what: str) -> str:
    """The text of a value; UnusableRow where it is none."""
    if isinstance(value, list) and value and isinstance(value[-1], Mapping) and isinstance(value[-1].get("content"), str):
        return value[-1]["content"]
    if not isinstance(value, str):
        raise UnusableRow(f"{what} is {type(value).__name__}, not a text.")
    return value


def turns(value: Any) -> list[dict[str, Any]]:
    """A prompt as turns; UnusableRow where it is none."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise UnusableRow("The prompt is neither a text nor a list of turns.")
    for turn in value:
        if not isinstance(turn, Mapping) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
            raise UnusableRow(f"A turn of the prompt has no role of {', '.join(ROLES)} or no text.")
    return [dict(turn) for turn in value]


def labeller(value: Any, usual: str = "imported") -> str:
    """A name for whoever voted, as near to the value as names may be."""
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("username") or value.get("id")
    return names.made_from(str(value)) if value not in (None, "") else usual


def choice(value: Any) -> str:
    """A choice from whatever word stands for it; UnusableRow where none does."""
    said = word(str(value))
    if said not in WORDS:
        raise UnusableRow(f"{value!r} is no choice. Known are {', '.join(CALLED)}, and the words that other tools have for them.")
    return WORDS[said]


def word(value: str) -> str:
    """A word for a choice without what stands before it, as in "Response 1"."""
    word = value.strip().lower()
    for prefix in ("response", "answer", "output", "completion"):
        word = word.removeprefix(prefix).strip("_ ") or word
    return word


def is_choice(value: Any) -> bool:
    """Whether a value is a word for a choice."""
    return isinstance(value, str) and word(value) in WORDS


def number(value: Any, what: str, low: float = -MOST, high: float = MOST) -> float | None:
    """A number within bounds, or None where there is none; UnusableRow otherwise."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UnusableRow(f"{what} is {str(value)[:40]}, not a number from {low:g} to {high:g}.")
    return float(value)


def moment(value: Any) -> str | None:
    """A time as it is stored, from ISO 8601 or from seconds since 1970 (FastChat's ``tstamp``); None where it is neither."""
    try:
        if isinstance(value, int | float) or re.fullmatch(r"\d{9,10}(\.\d+)?", value.strip()):
            return db.stamp(datetime.fromtimestamp(float(value), UTC))
        return datetime.fromisoformat(value).isoformat() and value
    except (AttributeError, TypeError, ValueError, OverflowError, OSError):
        return None


def shown_before(battle: Mapping[str, Any]) -> bool:
    """Whether a battle of FastChat says that its models were shown before the vote; in a CSV that is a word."""
    return str(battle.get("anony", "")).strip().lower() in ("false", "0", "0.0")


def seconds(moment: str) -> float:
    """A stored time as seconds since 1970; one that names no zone is UTC."""
    told = datetime.fromisoformat(moment)
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()


def general_pair(row: Row, extra: dict[str, Any]) -> NewPair:
    """A prompt and two answers under any of the names that they usually have; UnusableRow where there are none."""
    prompt = next((row[name] for name in PROMPTS if row.get(name) is not None), None)
    answers = answers_of(row)
    if prompt is None or answers is None:
        raise UnusableRow(f"There is no prompt with two answers in it, only {', '.join(map(str, row))}.")
    first, second = (text(row[name], name) for name in answers)
    origin = {}
    for i, (side, letter) in enumerate((("first", "a"), ("second", "b")), 1):
        written = next((row[n] for n in (f"model_{letter}", f"generator_{i}", f"model_{i}") if row.get(n)), None)
        origin[side] = {"name": str(written or "not known")}
    return NewPair(turns(prompt), first, second, origin, extra)


def answers_of(row: Row) -> tuple[str, str] | None:
    """What the two answers of a row are called in it, or None."""
    return next((names for names in ANSWERS if all(name in row for name in names)), None)


def topic(row: Row) -> dict[str, Any]:
    """What a pair keeps of a row's ``topic``, or of its ``category``: nothing where it has none."""
    found = next((row[name] for name in ("topic", "category") if isinstance(row.get(name), str) and row[name].strip()), "")
    return {"topic": found.strip()} if found else {}

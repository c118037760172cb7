"""The same questions asked otherwise: reworded, beside distractors, under hostile instructions, or with no passage that answers them.

What passes the plain questions and not these is simple but brittle.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.deployments.setup import Found
from engine.evaluation import bakeoff_passages as passages
from engine.evaluation import intervals, measure
from engine.evaluation.prompts import Item, Items
from engine.prompting import variants
from storage.records import Interval

ABSENT = "absent"
KINDS = (*variants.KINDS, ABSENT)
UNKNOWN = (
    "not said", "not in the text", "does not say", "not mentioned", "do not know", "don't know", "cannot answer", "can't answer",
)  # fmt: skip
SEED = 0


def measured(asking: "measure.Asking", found: Found, kind: str) -> Interval | None:
    """The share of the questions that ``found`` still answers right when they are asked in the way ``kind``; None where it does not
    apply. With ABSENT the passages that hold the answer are kept from it, and right is to say that there is none."""
    if kind == ABSENT:
        return _absent(asking, found) if found.index is not None else None
    items = [_asked_otherwise(item, kind, place) for place, item in enumerate(asking.read.items)]
    told = replace(asking, read=Items(items, asking.read.own_checks))
    return intervals.of_scores([one.score for one in told.scored(found)])


def _asked_otherwise(item: Item, kind: str, place: int) -> Item:
    last = max(i for i, turn in enumerate(item.messages) if turn["role"] == "user")
    turn = item.messages[last]
    asked = variants.variant(str(turn.get("content") or ""), kind, seed=SEED + place).question
    return replace(item, messages=[*item.messages[:last], {**turn, "content": asked}, *item.messages[last + 1 :]])


def _absent(asking: "measure.Asking", found: Found) -> Interval | None:
    kept = [item for item in asking.read.items if passages.expected(item.check)]
    if not kept:
        return None
    told = replace(asking, read=Items(kept, asking.read.own_checks))
    said = told.scored(found, without=[passages.expected(item.check) for item in kept])
    return intervals.of_scores([float(says_so(found, one.answer, one.more)) for one in said])


def says_so(found: Found, answer: str, more: dict[str, Any]) -> bool:
    """Whether an answer says that the passages do not hold it."""
    wanted: Sequence[str] = (found.body.absent,) if found.body.absent else UNKNOWN
    return bool(more.get("refused")) or any(text.casefold() in answer.casefold() for text in wanted)

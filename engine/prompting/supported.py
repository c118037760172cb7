"""Answers that keep to the passages they were given: each of their claims is looked for there."""

from collections.abc import Mapping
from typing import Any

from engine.evaluation import grounding
from engine.evaluation.scorer import Check

PASSAGES = "__passages__"  # where a row holds the passages that stood before its question


def problem(check: Check, answer: str, row: Mapping[str, Any]) -> str | None:
    """Which claim of an answer no passage supports, in a sentence; None where all are supported."""
    passages = list(row.get(PASSAGES) or ())
    if not passages:
        return "No passage was found, so nothing in the answer can be relied on. Say that it is not known."
    said = grounding.claims(answer)
    lost = next((claim for claim in said if not any(grounding.supported(claim, passage) for passage in passages)), None)
    if said and lost is None:
        return None
    return f"The passages do not say this: {(lost or answer.strip())[:200]!r}. Keep to what stands there, or say that it is not said."


def examine(check: Check) -> str | None:
    """A check of this kind takes nothing, so nothing can be wrong with it."""
    return None

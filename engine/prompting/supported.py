"""Answers that keep to the passages they were given: each of their claims is looked for there, and so are the names in the question."""

from collections.abc import Mapping
from typing import Any

from engine.evaluation import grounding
from engine.evaluation.scorer import Check

PASSAGES, QUESTION = "__passages__", "__question__"  # where a row holds what stood before its question, and the question


def problem(check: Check, answer: str, row: Mapping[str, Any]) -> str | None:
    """What no passage supports, in a sentence; None where all is supported. A passage that does not have the names in the question
    speaks of somebody else, and supports nothing; ``names`` false lets that pass, for answers put together from several passages."""
    passages = list(row.get(PASSAGES) or ())
    if check.get("names", True):
        asked = grounding.names(str(row.get(QUESTION) or ""))
        passages = [passage for passage in passages if grounding.has_names(passage, asked)]
    if not passages:
        return "No passage is about what was asked, so nothing in the answer can be relied on. Say that it is not known."
    said = grounding.claims(answer)
    lost = next((claim for claim in said if not any(grounding.supported(claim, passage) for passage in passages)), None)
    if said and lost is None:
        return None
    return f"The passages do not say this: {(lost or answer.strip())[:200]!r}. Keep to what stands there, or say that it is not said."


def examine(check: Check) -> str | None:
    """What is wrong with a check of this kind, or None."""
    names = check.get("names", True)
    return None if isinstance(names, bool) else f"its names is true or false, not {names!r}"

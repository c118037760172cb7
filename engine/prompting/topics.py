"""Topics that an answer keeps away from, told by what its sentences mean and not by their words."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from engine.evaluation.instructions import sentences
from engine.evaluation.scorer import Check, needs_texts

THRESHOLD = 0.3  # the likeness from which a sentence is about a topic
MOST = 32  # topics of one check


def near(answer: str, topics: tuple[str, ...], threshold: float = THRESHOLD) -> list[tuple[str, str, float]]:
    """The sentences of an answer that are about one of the topics, each with the nearest one and its likeness (0 to 1)."""
    from engine.retrieval import embedding

    said = sentences(answer)
    if not said:
        return []
    likeness = embedding.embed(embedding.built_in(), said) @ _vectors(topics).T
    found = [(sentence, int(row.argmax()), float(row.max())) for sentence, row in zip(said, likeness, strict=True)]
    return [(sentence, topics[place], value) for sentence, place, value in found if value >= threshold]


@lru_cache(maxsize=64)
def _vectors(topics: tuple[str, ...]) -> Any:
    from engine.retrieval import embedding

    return embedding.embed(embedding.built_in(), list(topics))


def problem(check: Check, answer: str, row: Mapping[str, Any]) -> str | None:
    """Why an answer comes too near to a topic, in a sentence; None where it does not."""
    found = near(answer, tuple(map(str, check["value"])), check.get("threshold", THRESHOLD))
    if not found:
        return None
    sentence, topic, _ = max(found, key=lambda each: each[2])
    return f"The answer must not be about {topic!r}, and this sentence is: {sentence[:200]!r}. Leave that out."


def examine(check: Check) -> str | None:
    """What is wrong with a check of this kind, or None."""
    threshold = check.get("threshold", THRESHOLD)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        return f"its threshold must be a number above 0 and at most 1, not {threshold!r}"
    wrong = needs_texts(check)
    if wrong is None and len(check["value"]) > MOST:
        return f"it names {len(check['value'])} topics, and at most {MOST} are taken"
    return wrong

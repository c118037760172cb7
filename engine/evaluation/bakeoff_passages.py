"""How good the passages were that answers were given from, and how the answers rest on them."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from engine.deployments.answering import holds_one
from engine.evaluation import grounding, intervals
from engine.evaluation.measure import Scored, named
from engine.evaluation.prompts import Item
from engine.retrieval.measure import wanted


def figures(scored: Sequence[Scored], items: Sequence[Item], entails: grounding.Entails | None = None) -> dict[str, Any]:
    """Recall and reciprocal rank of the passages shown, the share of answers that rest on them, and of citations that are right."""
    shown = [[passage["text"] for passage in one.more.get("passages", ())] for one in scored]
    asked = [expected(item.check) for item in items]
    known = [(values, texts) for values, texts in zip(asked, shown, strict=True) if values]
    places = [next((n for n, text in enumerate(texts, 1) if holds_one(text, values)), 0) for values, texts in known]
    answered = [(one.answer, texts) for one, texts in zip(scored, shown, strict=True) if not one.more.get("refused")]
    grounded = [grounding.ground(answer, texts, entails) for answer, texts in answered]
    cited = sum(each.citations for each in grounded)
    return {
        "recall": named(intervals.wilson(sum(map(bool, places)), len(places))) if places else None,
        "reciprocal_rank": fmean(1 / place if place else 0.0 for place in places) if places else None,
        "faithful": named(intervals.wilson(sum(each.faithful for each in grounded), len(grounded))) if grounded else None,
        "citations": cited,
        "citations_right": named(intervals.wilson(sum(each.right for each in grounded), cited)) if cited else None,
    }


def expected(check: Mapping[str, Any]) -> list[str]:
    """The texts of which a passage must hold one to answer a question, by its check; none where the check does not tell."""
    told = wanted(check, {}, "")
    return list(told.answers) if told is not None else []

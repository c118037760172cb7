"""Several ways to the same end measured on the same questions: a base, with a prompt, with guards, with passages, and tuned models.

The candidates answer one after another in one run, and everything is compared item by item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

from engine.deployments import setup as setups
from engine.deployments.setup import KINDS, Found, Setup
from engine.errors import BadInput
from engine.evaluation import bakeoff_passages, intervals, measure, robustness, sentences
from engine.evaluation.grounding import Entails
from engine.evaluation.prompts import Items
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.methods.method import Reporter
from storage import models, runs
from storage.home import Home
from storage.records import Dataset, Interval, Model


@dataclass(frozen=True)
class Candidate:
    """One way under the name it has in the comparison."""

    name: str
    found: Found


@dataclass(frozen=True)
class Tried:
    """A candidate with what it came to."""

    candidate: Candidate
    subject: measure.Subject
    variants: Mapping[str, Interval]

    @property
    def scores(self) -> list[float]:
        return [item.score for item in self.subject.items]


def candidates(home: Home, given: Sequence[Mapping[str, Any]]) -> list[Candidate]:
    """The candidates in ``given``, each with a name and a setup. BadInput or NotFound names the one that is off."""
    found: list[Candidate] = []
    for one in given:
        name = str(one.get("name") or "").strip()
        try:
            what = setups.find(home, Setup.checked({key: value for key, value in one.items() if key != "name"}))
        except BadInput as problem:
            raise type(problem)(f"{name or 'A candidate'}: {problem}") from None
        found.append(Candidate(name or what.name, what))
    names = [candidate.name for candidate in found]
    if len(found) < 2 or len(set(names)) < len(names):
        raise BadInput(
            f"A bake-off compares at least two candidates, each under a name of its own, not {', '.join(names) or 'none'}."
        )
    return found


def bake(
    home: Home,
    dataset: Dataset,
    read: Items,
    entered: Sequence[Candidate],
    *,
    sampling: Sampling,
    reporter: Reporter,
    run_id: int,
    limit: int | None = None,
    variants: Sequence[str] = (),
    entails: Entails | None = None,
) -> dict[str, Any] | None:
    """Measure every candidate on the items and compare them; the summary that the run keeps, or None when stopped."""
    asking = measure.Asking(home, dataset, read, sampling, limit, run_id, reporter)
    tried: dict[str, Tried] = {}
    try:
        # those that share weights follow each other, so that these are loaded once
        for candidate in sorted(entered, key=lambda one: one.found.model.id):
            subject = asking.subject(candidate.found, None)
            shaken = {kind: robustness.measured(asking, candidate.found, kind) for kind in variants}
            shaken = {kind: share for kind, share in shaken.items() if share is not None}
            tried[candidate.name] = Tried(candidate, subject, shaken)
    except batch.Stopped:
        return None
    if entails is not None:
        reporter.phase("looking at what the passages support")
    return summary(home, [tried[candidate.name] for candidate in entered], read, entails)


def summary(home: Home, tried: Sequence[Tried], read: Items, entails: Entails | None = None) -> dict[str, Any]:
    """What came of a bake-off, as its run keeps it: each candidate, its difference to the cheapest, and it all in a sentence."""
    cheapest = min(tried, key=lambda one: (KINDS.index(one.candidate.found.kind), _mean(one, "tokens")))
    told = [_told(home, one, cheapest, read, entails) for one in tried]
    scores = {one.candidate.name: one.scores for one in tried}
    return {
        "n": len(read.items),
        "cheapest": cheapest.candidate.name,
        "candidates": told,
        "sentences": sentences.of(told, scores),
        "differences": [
            {"of": a, "to": b, **measure.named(intervals.paired_difference(scores[a], scores[b]))}
            for place, a in enumerate(scores)
            for b in list(scores)[:place]
        ],
    }


def _told(home: Home, one: Tried, cheapest: Tried, read: Items, entails: Entails | None) -> dict[str, Any]:
    found, items = one.candidate.found, one.subject.items
    against = intervals.paired_difference(one.scores, cheapest.scores) if one is not cheapest else None
    return {
        "name": one.candidate.name,
        "kind": found.kind,
        "setup": found.setup.plain(),
        "model_id": found.model.id,
        "fingerprint": one.subject.fingerprint,
        "evaluation_id": one.subject.evaluation.id,
        **measure.named(one.subject.score),
        "difference": measure.named(against) if against is not None else None,
        "tokens": _mean(one, "tokens"),
        "prompt_tokens": _mean(one, "prompt_tokens"),
        "seconds": one.subject.seconds / len(items),
        "tries": _mean(one, "tries", 1),
        "refused": sum(bool(item.more.get("refused")) for item in items),
        "training_seconds": training_seconds(home, found.model),
        "variants": {kind: measure.named(share) for kind, share in one.variants.items()},
        **(bakeoff_passages.figures(items, read.items, entails) if found.index is not None else {}),
    }


def _mean(one: Tried, name: str, nothing: float = 0) -> float:
    return fmean(float(item.more.get(name, nothing)) for item in one.subject.items)


def training_seconds(home: Home, model: Model) -> float:
    """How long a model was trained, with all that it was trained from."""
    total, seen = 0.0, set[int]()
    while model.run_id and model.run_id not in seen:
        seen.add(model.run_id)
        run = runs.get(home, model.run_id)
        if run is None:
            break
        if run.started_at and run.ended_at:
            total += (datetime.fromisoformat(run.ended_at) - datetime.fromisoformat(run.started_at)).total_seconds()
        start = models.get(home, run.request.get("model_id", 0))
        if start is None:
            break
        model = start
    return total

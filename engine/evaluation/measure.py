"""A model's score on a data set, with its interval, every item kept, and the paired difference to another model."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import registry
from engine.errors import BadInput
from engine.evaluation import intervals, prompts, scorers
from engine.evaluation.prompts import Item, Items
from engine.generation import batch
from engine.generation import fingerprint as prints
from engine.generation.answers import MAX_TOKENS, Sampling
from engine.generation.weights import speaking, speaking_dtype
from engine.methods import loading
from engine.methods.method import Reporter
from engine.tools import talk
from engine.tools.talk import Talk
from storage import evaluations
from storage.home import Home
from storage.records import Dataset, Evaluation, Interval, Model

BETWEEN_PHASES = 1.0  # seconds between two notes of progress: each is a row in the database


@dataclass(frozen=True)
class Scored:
    """One item's answer and score."""

    prompt: str
    answer: str
    score: float
    ended: bool  # by the model itself, not cut off at the most tokens an answer may have


@dataclass(frozen=True)
class Subject:
    """One model's result. ``evaluation`` is its row in the database."""

    model: Model
    fingerprint: str
    score: Interval
    items: list[Scored]
    evaluation: Evaluation
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The result as it is printed and kept with the run."""
        return {
            "model": self.model.name,
            "fingerprint": self.fingerprint,
            "evaluation_id": self.evaluation.id,
            **named(self.score),
            "cut": sum(not item.ended for item in self.items),
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class Measured:
    """A model's result, and where another was measured beside it on the same items, that one's and the paired difference."""

    subject: Subject
    against: Subject | None
    difference: Interval | None  # the subject's score minus the other's

    @property
    def score(self) -> Interval:
        return self.subject.score

    @property
    def items(self) -> list[Scored]:
        return self.subject.items

    def summary(self) -> dict[str, Any]:
        """The result as it is printed and kept with the run."""
        summary = self.subject.summary()
        if self.against is not None and self.difference is not None:
            summary["against"] = self.against.summary()
            summary["difference"] = named(self.difference)
        return summary


def named(interval: Interval) -> dict[str, float | int]:
    """An interval as the values of a JSON object."""
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}


def measure(
    home: Home,
    model: str,
    dataset: Dataset,
    *,
    reporter: Reporter,
    limit: int | None = None,
    against: str | None = None,
    max_tokens: int = MAX_TOKENS,
    run_id: int | None = None,
) -> Measured | None:
    """Score ``model`` on ``dataset`` by the rows' own checks, and store the score with every item; None when stopped.

    Answers are drawn greedily. With ``against`` the other model answers the same items first, and the difference is taken
    item by item. BadInput or WrongShape, before any model is loaded, when a row cannot be scored or there is none.
    """
    first, other = registry.find(home, model), registry.find(home, against) if against else None
    if other is not None and other.id == first.id:
        raise BadInput(f"{first.name} cannot be measured against itself. Name another model.")
    sampling = Sampling.checked({"max_tokens": max_tokens})
    reporter.phase("reading")
    read = prompts.read(home, dataset, limit)
    if not read.own_checks:
        reporter.log(f"{dataset.title} has no column check: an answer is right when it is exactly the row's own.")
    asking = Asking(home, dataset, read, sampling, limit, run_id, reporter)
    try:
        beside = asking.subject(other, None) if other else None
        subject = asking.subject(first, beside)
    except batch.Stopped:
        return None
    return Measured(subject, beside, difference(subject.items, beside.items) if beside else None)


def difference(items: list[Scored], beside: list[Scored]) -> Interval:
    """How much better the ``items`` did than those ``beside`` them, which are the same ones answered by another model."""
    return intervals.paired_difference([item.score for item in items], [item.score for item in beside])


@dataclass(frozen=True)
class Asking:
    """All that is the same for each model that is asked."""

    home: Home
    dataset: Dataset
    read: Items
    sampling: Sampling
    limit: int | None
    run_id: int | None
    reporter: Reporter

    def subject(self, model: Model, beside: Subject | None) -> Subject:
        """One model's answers, scored and stored. Its weights are let go again before the next one's are loaded."""
        begun = time.monotonic()
        base, adapter = registry.places(self.home, model)
        fingerprint = prints.fingerprint(base, adapter, prints.template_of(base, adapter).text, model.dtype)
        answers = self.answers(model, base, adapter)
        items = [
            Scored(
                item.prompt,
                answer.transcript if answer.calls else answer.text,
                scorers.score(item.check, answer.text, item.row),
                answer.ended,
            )
            for item, answer in zip(self.read.items, answers, strict=True)
        ]
        score = intervals.of_scores([item.score for item in items])
        cut = sum(not item.ended for item in items)
        if cut:
            self.reporter.log(
                f"{cut} of {len(items)} answers of {model.name} had not ended after {self.sampling.max_tokens} tokens "
                "and were cut off. With a higher max_tokens they could end."
            )
        settings: dict[str, Any] = {
            "fingerprint": fingerprint,
            "dtype": speaking_dtype(),
            "device": loading.device().label,
            "max_tokens": self.sampling.max_tokens,
            "temperature": self.sampling.temperature,
            "limit": self.limit,
            "own_checks": self.read.own_checks,
            "checks": dict(Counter(item.check["kind"] for item in self.read.items)),
            "cut": cut,
        }
        if beside is not None:
            settings["against"] = {"evaluation_id": beside.evaluation.id, **named(difference(items, beside.items))}
        stored = evaluations.insert(
            self.home, model_id=model.id, dataset_id=self.dataset.id, run_id=self.run_id, score=score, settings=settings,
            items=[(item.prompt, item.answer, item.score) for item in items],
        )  # fmt: skip
        return Subject(model, fingerprint, score, items, stored, time.monotonic() - begun)

    def answers(self, model: Model, base: Path, adapter: Path | None) -> list[Talk]:
        """The model's answer to every item, in their order."""
        self.reporter.phase(f"loading {model.name}")
        tokenizer = loading.load_tokenizer(prints.tokenizer_folder(base, adapter))
        names = [f"Row {item.number} of {self.dataset.title}" for item in self.read.items]
        encoded = [_encoded(tokenizer, item, model, name) for item, name in zip(self.read.items, names, strict=True)]
        last = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal last
            if done == total or time.monotonic() - last >= BETWEEN_PHASES:
                last = time.monotonic()
                self.reporter.phase(f"answering with {model.name}", done / total)

        weights = speaking(base, adapter)
        return talk.complete(
            weights, tokenizer, encoded, [{**item.row, "tools": item.tools} for item in self.read.items], self.sampling,
            progress=progress, stop=self.reporter.stop_requested, called=names.__getitem__,
        )  # fmt: skip


def _encoded(tokenizer: Any, item: Item, model: Model, name: str) -> list[int]:
    try:
        ids = batch.encode(tokenizer, item.messages, item.tools)
    except BadInput as problem:
        raise BadInput(f"{name}: {problem}") from problem
    if model.context and len(ids) >= model.context:
        raise BadInput(
            f"{name} has a prompt of {len(ids):,} tokens, and {model.name} takes {model.context:,} together with "
            "its answer. Shorten or leave out such rows, or choose a model with a longer context."
        )
    return ids

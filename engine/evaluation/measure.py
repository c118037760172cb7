"""A score on a data set, of a model or of a deployment, with its interval, every item kept, and the paired difference to another."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import registry
from engine.deployments import answering, freeze, rounds
from engine.deployments.setup import Found
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
    more: dict[str, Any] = field(default_factory=dict)  # tokens, and what a deployment did on the way


@dataclass(frozen=True)
class Subject:
    """The result of one model, with what stood around it. ``evaluation`` is its row in the database."""

    found: Found
    fingerprint: str
    score: Interval
    items: list[Scored]
    evaluation: Evaluation
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The result as it is printed and kept with the run."""
        return {
            "model": self.found.name,
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
    """Score ``model``, or the deployment of that name, on ``dataset`` by the rows' own checks, and store the score with every item; None when stopped.

    Answers are drawn greedily. With ``against`` the other model answers the same items first, and the difference is taken
    item by item. BadInput or WrongShape, before any model is loaded, when a row cannot be scored or there is none.
    """
    first, other = freeze.find(home, model), freeze.find(home, against) if against else None
    if other is not None and other.fingerprint == first.fingerprint:
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


class Held:
    """The weights that answered last: whoever comes next with the same ones need not load them again."""

    def __init__(self) -> None:
        self._place: tuple[Path, Path | None] | None = None
        self._weights: Any = None

    def weights(self, base: Path, adapter: Path | None) -> Any:
        """These weights, loaded once those before them are let go."""
        if self._place != (base, adapter):
            self._weights = self._place = None
            self._weights, self._place = speaking(base, adapter), (base, adapter)
        return self._weights


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
    held: Held = field(default_factory=Held)

    def subject(self, found: Found, beside: Subject | None) -> Subject:
        """One subject's answers, scored and stored. Its weights are let go again before the next one's are loaded."""
        begun, model = time.monotonic(), found.model
        base, adapter = registry.places(self.home, model)
        fingerprint = prints.fingerprint(base, adapter, prints.template_of(base, adapter).text, model.dtype)
        items = self.scored(found)
        score = intervals.of_scores([item.score for item in items])
        cut = sum(not item.ended for item in items)
        if cut:
            self.reporter.log(
                f"{cut} of {len(items)} answers of {found.name} had not ended after {self.sampling.max_tokens} tokens "
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
        if not found.bare:
            settings |= {"setup": found.setup.plain(), "deployment_fingerprint": found.fingerprint}
        if beside is not None:
            settings["against"] = {"evaluation_id": beside.evaluation.id, **named(difference(items, beside.items))}
        stored = evaluations.insert(
            self.home, model_id=model.id, dataset_id=self.dataset.id, run_id=self.run_id, score=score, settings=settings,
            items=[(item.prompt, item.answer, item.score) for item in items], more=[item.more for item in items],
            deployment_id=found.deployment.id if found.deployment is not None else None,
        )  # fmt: skip
        return Subject(found, fingerprint, score, items, stored, time.monotonic() - begun)

    def scored(self, found: Found, without: Sequence[Sequence[str]] = ()) -> list[Scored]:
        """Every item answered and scored, in their order. Passages that hold one of the texts in ``without``, which has some for each
        item, are kept from it."""
        places = registry.places(self.home, found.model)
        return self._bare(found, *places) if found.bare else self._deployed(found, *places, without)

    def _bare(self, found: Found, base: Path, adapter: Path | None) -> list[Scored]:
        """A bare model's answers."""
        self.reporter.phase(f"loading {found.name}")
        tokenizer = loading.load_tokenizer(prints.tokenizer_folder(base, adapter))
        encoded = [_encoded(tokenizer, item, found.model, name) for item, name in zip(self.read.items, self.names, strict=True)]
        said = talk.complete(
            self.held.weights(base, adapter), tokenizer, encoded, [{**item.row, "tools": item.tools} for item in self.read.items],
            self.sampling, progress=self._progress(found), stop=self.reporter.stop_requested, called=self.names.__getitem__,
        )  # fmt: skip
        texts = [answer.transcript if answer.calls else answer.text for answer in said]
        more = [{"tokens": one.tokens, "prompt_tokens": len(ids)} for one, ids in zip(said, encoded, strict=True)]
        return self._scored(texts, [one.text for one in said], [one.ended for one in said], more)

    def _deployed(self, found: Found, base: Path, adapter: Path | None, without: Sequence[Sequence[str]]) -> list[Scored]:
        """The answers of a model with something around it."""
        if any(item.tools for item in self.read.items):
            raise BadInput(
                f"{self.dataset.title} has tools in its rows, and {found.name} answers without. Measure the model alone."
            )
        if found.index is not None:
            self.reporter.phase("looking up passages")
        items = self.read.items
        asked = answering.questions(self.home, found, [item.messages for item in items], [item.row for item in items], without)
        self.reporter.phase(f"loading {found.name}")
        tokenizer = loading.load_tokenizer(prints.tokenizer_folder(base, adapter))
        rounds.answer(
            self.held.weights(base, adapter), tokenizer, asked, self.sampling, progress=self._progress(found),
            stop=self.reporter.stop_requested, called=self.names.__getitem__,
        )  # fmt: skip
        texts = [one.text for one in asked]
        return self._scored(texts, texts, [one.ended for one in asked], [one.summary() for one in asked])

    def _scored(
        self, told: Sequence[str], texts: Sequence[str], ended: Sequence[bool], more: Sequence[dict[str, Any]]
    ) -> list[Scored]:
        each = zip(self.read.items, told, texts, ended, more, strict=True)
        return [Scored(i.prompt, shown, scorers.score(i.check, text, i.row), end, also) for i, shown, text, end, also in each]

    @property
    def names(self) -> list[str]:
        """What each item is called in messages."""
        return [f"Row {item.number} of {self.dataset.title}" for item in self.read.items]

    def _progress(self, found: Found) -> Callable[[int, int], None]:
        last = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal last
            if done == total or time.monotonic() - last >= BETWEEN_PHASES:
                last = time.monotonic()
                self.reporter.phase(f"answering with {found.name}", done / total)

        return progress


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

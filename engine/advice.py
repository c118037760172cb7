"""Advice as it is kept: saved once, found again, with the runs that were begun on it and whether it held."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine import machine
from engine.errors import BadInput, NotFound
from engine.gallery import ROLES
from engine.jobs import submit
from engine.methods import METHODS
from engine.rubric import advise, questions
from engine.rubric.destinations import MODEL, Place
from engine.rubric.facts import UNTRAINED
from engine.rubric.ranking import Advised, Ranked, restored
from engine.rubric.rules import TRAININGS
from storage import advice as stored
from storage import datasets, db, models
from storage.home import Home
from storage.records import Advice, Dataset, Interval, Run

KINDS = ("bakeoff", "train")  # of runs that can be begun on an advice
# the kinds of candidates of a bake-off that are what a way advises
MEASURED_BY = {"prompting": ("prompt", "guards"), "retrieval": ("retrieval",), **dict.fromkeys(TRAININGS, ("tuned", "combined"))}
CALLED = {
    "base": "the bare model",
    "prompt": "prompting",
    "guards": "prompting with validators",
    "retrieval": "retrieval",
    "tuned": "training",
    "combined": "training with what stands around it",
}
BASE, SAMPLES, HELD_OUT = "pocket", "pocket-", "-held-out"
CHOSEN = ("demonstrations", "preferences", "checked", "documents")  # roles of the gallery whose samples stand for own data
Word = Literal["held", "did not hold", "open", "not measured yet"]


@dataclass(frozen=True)
class Held:
    """Whether an advice held, in a word and a plain sentence, and the run that says so."""

    word: Word
    sentence: str
    run_id: int | None = None


@dataclass(frozen=True)
class Candidate:
    """What a bake-off measured of one candidate."""

    name: str
    kind: str
    score: Interval

    @property
    def told(self) -> str:
        return f"{self.score.value:.2f} ({self.score.low:.2f} to {self.score.high:.2f})"


def save(
    home: Home, answers: Mapping[str, Any], token: str | None = None, measured: Mapping[str, Interval] | None = None
) -> Advice:
    """Keep the advice on these answers; the same token twice keeps it once. BadInput where the answers are not complete."""
    given = questions.complete(answers)
    body = dataclasses.asdict(advise(given, measured))
    return stored.insert(home, rubric=questions.fingerprint(), answers=given, body=body, token=token)


def every(home: Home, limit: int = 50) -> list[Advice]:
    """The advice that was kept, the newest first."""
    return stored.page(home, limit)


def find(home: Home, reference: str | int) -> Advice:
    """By its number, with or without #; NotFound says which there are."""
    number = db.number(str(reference).removeprefix("#"))
    found = stored.get(home, number) if number is not None else None
    if found is None:
        there = ", ".join(f"#{advice.id}" for advice in reversed(every(home)))
        raise NotFound(f"There is no advice {reference!r}. There is: {there or 'none yet; `rubric ask` begins'}.")
    return found


def hang(home: Home, advice_id: int, run_id: int) -> None:
    """Hang a bake-off or a training on the advice that it was begun on. BadInput for a run of another kind."""
    advice, run = find(home, advice_id), submit.find(home, run_id)
    if run.kind not in KINDS:
        raise BadInput(f"Run {run.id} is of the kind {run.kind}. Only a bake-off or a training can hang on an advice.")
    stored.hang(home, advice.id, run.id)


def given(advice: Advice) -> Advised:
    """What was advised, as it was kept."""
    return restored(advice.body)


def runs_of(home: Home, advice: Advice) -> list[Run]:
    """The runs that were begun on it, the newest first."""
    return stored.runs_of(home, advice.id)


def candidates(run: Run) -> list[Candidate]:
    """What a bake-off has measured, as its summary tells it."""
    return [
        Candidate(str(one["name"]), str(one["kind"]), Interval(one["value"], one["low"], one["high"], one["n"]))
        for one in run.summary.get("candidates", ())
    ]


def measured(home: Home, advice: Advice) -> dict[str, Interval]:
    """The best of each kind in the newest bake-off of the advice, as ``advise`` takes it; empty where none has ended well."""
    run = _bakeoff(home, advice)
    found: dict[str, Interval] = {}
    for one in candidates(run) if run else ():
        if one.kind not in found or one.score.value > found[one.kind].value:
            found[one.kind] = one.score
    return found


def _bakeoff(home: Home, advice: Advice) -> Run | None:
    ended = (run for run in runs_of(home, advice) if run.kind == "bakeoff" and run.status == "succeeded")
    return next((run for run in ended if run.summary.get("candidates")), None)


def held(home: Home, advice: Advice) -> Held:
    """Whether the first way of an advice held against all that its newest bake-off measured.

    A way held where nothing measured is clearly better and, if it trains, where it is clearly better than all that does not:
    clearly means that the intervals do not overlap.
    """
    run = _bakeoff(home, advice)
    if run is None:
        return Held("not measured yet", "Not measured yet: no bake-off has been run on this advice.")
    found = candidates(run)
    first = advice.body["ways"][0]
    its = [one for one in found if one.kind in MEASURED_BY[first["id"]]]
    if not its:
        return Held(
            "not measured yet", f"Not measured yet: the bake-off of run {run.id} had no candidate for {first['title']}.", run.id
        )
    best = max(its, key=lambda one: one.score.value)
    rest = [one for one in found if one not in its]
    word, sentence = (
        _trained(best, rest) if first["id"] in TRAININGS else _untrained(first["title"], best, rest, advice.answers["needed"])
    )
    return Held(word, f"{sentence} (run {run.id}, n = {best.score.n})", run.id)


def _trained(best: Candidate, rest: list[Candidate]) -> tuple[Word, str]:
    cheaper = max((one for one in rest if one.kind in UNTRAINED), key=lambda one: one.score.value, default=None)
    if cheaper is None:
        return "open", f"Open: training reached {best.told}, but nothing cheaper was measured beside it."
    both = f"training reached {best.told}, {CALLED[cheaper.kind]} {cheaper.told}"
    if best.score.low > cheaper.score.high:
        return "held", f"It held: {both}."
    if cheaper.score.low > best.score.high:
        return "did not hold", f"It did not hold: {both}. Do not train."
    return "did not hold", f"It did not hold: {both}, and the intervals overlap, so the cheaper way would have done."


def _untrained(title: str, best: Candidate, rest: list[Candidate], needed: float) -> tuple[Word, str]:
    other = max(rest, key=lambda one: one.score.value, default=None)
    reached = f"{title} reached {best.told}"
    if other is not None and other.score.low > best.score.high:
        return "did not hold", f"It did not hold: {reached}, and {CALLED[other.kind]} is clearly better with {other.told}."
    if 100 * best.score.value >= needed:
        return "held", f"It held: {reached}, and the bar was {needed / 100:.2f}."
    beside = f", and {CALLED[other.kind]} with {other.told} is not clearly better" if other is not None else ""
    return "open", f"Open: {reached}{beside}, but the bar of {needed / 100:.2f} is not reached yet."


def hardware(home: Home) -> str:
    """The answer to the question for the hardware that this machine gives itself."""
    here = machine.look(home)
    bounds = (("small", 12.5), ("medium", 41))  # gigabytes, with what a card of that name has beyond its name
    return next((id for id, most in bounds if here.memory <= most * 1e9), "large") if here.gpu else "cpu"


def filled(home: Home, way: Ranked) -> Place:
    """Where a way leads, with the model and the data of this home filled in where it trains: the newest data set of a fitting
    shape, your own before the samples, and the Pocket base or else the newest model."""
    place = way.place
    model = next(iter(sorted(models.all(home, "language"), key=lambda one: one.name != BASE)), None)
    if place.page != "train":
        known = model.name if model is not None else MODEL
        return replace(place, command=tuple(word.replace(f"={MODEL}", f"={known}") for word in place.command))
    method = METHODS.get(place.query.get("method", ""))
    data = _data(home, method.shapes) if method else None
    query, command = dict(place.query), list(place.command)
    if model is not None:
        query["model"], command = model.name, [*command, "--model", model.name]
    if data is not None:
        query["data"], command = data.title, [*command, "--data", data.title]
    if way.road:
        command += ["--name", way.road]
    return replace(place, query=query, command=tuple(command))


def _data(home: Home, shapes: tuple[str, ...]) -> Dataset | None:
    """The newest data set of the first of these shapes that there is; never one that is held out, a sample only by its role."""
    usual = {role.default for role in ROLES.values()}
    fitting = [
        one
        for one in datasets.all(home)  # the newest first
        if one.shape in shapes and not one.name.endswith(HELD_OUT) and (one.name in usual or not one.name.startswith(SAMPLES))
    ]
    return next(iter(sorted(fitting, key=lambda one: _preferred(one, shapes))), None)


def _preferred(one: Dataset, shapes: tuple[str, ...]) -> tuple[bool, int, bool]:
    """Own data before samples; of the samples the one whose answers can be checked before the others of its shape."""
    chosen = {ROLES[role].default for role in CHOSEN}
    return one.name.startswith(SAMPLES), shapes.index(one.shape), one.name not in chosen

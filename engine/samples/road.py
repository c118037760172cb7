"""The road from data to a measured model: what of it is done, what is next, and the next step of it on the Pocket lab."""

from dataclasses import dataclass
from typing import Literal

from engine.errors import NotFound
from engine.jobs import submit, supervisor
from storage import datasets, evaluations, events, models, runs
from storage.home import Home
from storage.records import LIVE, Dataset, Model, Run

BASE, DATA, HELD_OUT, TUNED = "pocket", "pocket-instructions", "pocket-instructions-held-out", "pocket-sft"
State = Literal["done", "ready", "live", "next", "later"]


@dataclass(frozen=True)
class Station:
    """One station of the road with its state and the fact that the state rests on."""

    name: str
    state: State
    fact: str


@dataclass(frozen=True)
class Offer:
    """The step that one press of the road's button takes, and what it will do."""

    verb: str
    about: str


def stations(home: Home) -> list[Station]:
    """The five stations in order. Exactly one is next, unless all is done or under way."""
    recent = runs.page(home, 200)
    trainings = [run for run in recent if run.kind == "train"]
    tuned = [m for m in models.all(home, "language") if m.run_id is not None]
    found = [
        _data(datasets.all(home)),
        _train(trainings, tuned),
        _watch(home, trainings),
        _chat(tuned),
        _measure(home, [run for run in recent if run.kind == "measure"], tuned),
    ]
    first = next((i for i, s in enumerate(found) if s.state == "later"), None)
    waits = any(s.state == "live" for s in found[:first])
    if first is not None and not waits:
        found[first] = Station(found[first].name, "next", found[first].fact)
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _data(found: list[Dataset]) -> Station:
    if not found:
        return Station("data", "later", "No data yet")
    return Station("data", "done", f"{_count(len({d.name for d in found}), 'data set')} frozen")


def _train(trainings: list[Run], tuned: list[Model]) -> Station:
    if any(run.status in LIVE for run in trainings):
        return Station("train", "live", "A training is under way")
    if tuned:
        return Station("train", "done", f"{_count(len(tuned), 'model')} trained")
    return Station("train", "later", "Nothing trained yet")


def _watch(home: Home, trainings: list[Run]) -> Station:
    running = next((run for run in trainings if run.status == "running"), None)
    if running is not None:
        step, loss = events.latest(home, running.id).get("loss", (0, None))
        return Station("watch", "live", "Starting" if loss is None else f"Step {step:,}, loss {loss:.2f}")
    ended = next((run for run in trainings if run.status == "succeeded"), None)
    if ended is None:
        return Station("watch", "later", "No curve yet")
    curve = events.curve(home, ended.id, "loss", 200)
    return Station("watch", "done", f"Loss {curve[0][1]:.2f} to {curve[-1][1]:.2f}" if curve else "A training has ended")


def _chat(tuned: list[Model]) -> Station:
    if not tuned:
        return Station("chat", "later", "Nothing to compare yet")
    return Station("chat", "ready", f"{tuned[0].name} answers beside its base")


def _measure(home: Home, measuring: list[Run], tuned: list[Model]) -> Station:
    if any(run.status in LIVE for run in measuring):
        return Station("measure", "live", "A measurement is under way")
    for model in tuned:
        newest = next(iter(evaluations.of_model(home, model.id)), None)
        if newest is not None:
            share, low, high = (100 * part for part in (newest.value, newest.low, newest.high))
            return Station("measure", "done", f"{model.name}: {share:.0f} % ({low:.0f} to {high:.0f}, n = {newest.n:,})")
    return Station("measure", "later", "The tuned model is not measured yet" if tuned else "Nothing measured yet")


def _tuned(home: Home) -> Model | None:
    """The newest model that was trained from Pocket on the sample instructions."""
    base = models.find(home, BASE)
    for model in models.all(home):
        run = runs.get(home, model.run_id) if model.run_id else None
        if base and run and run.kind == "train" and run.request.get("model_id") == base.id:
            data = datasets.get(home, run.request.get("dataset_id", 0))
            if data is not None and data.name == DATA:
                return model
    return None


def offer(home: Home) -> Offer | None:
    """What the road's button would do now; None while a step of it is under way, when all is done, or without the lab."""
    if models.find(home, BASE) is None or datasets.find(home, DATA) is None:
        return None
    if runs.in_status(home, *LIVE):
        return None
    model = _tuned(home)
    if model is None:
        return Offer(
            "Train Pocket",
            "Teach the small model that ships with Temper to follow instructions: a few minutes on a laptop.",
        )
    if datasets.find(home, HELD_OUT) is not None and not evaluations.of_model(home, model.id):
        return Offer(f"Measure {model.name}", "Ask it and its base instructions that neither has seen, and count what is right.")
    return None


def walk(home: Home, token: str | None = None) -> Run:
    """Take the next step of the road on the Pocket lab; NotFound when there is none to take."""
    if offer(home) is None:
        raise NotFound("There is no step to take now: a run is under way, or the road has been walked. Runs shows both.")
    supervisor.ensure(home)  # first, so that an error means that nothing was queued
    model = _tuned(home)
    if model is None:
        return submit.train(home, method="sft", model=BASE, dataset=DATA, settings={}, name=TUNED, token=token)
    return submit.measure(home, model=f"#{model.id}", dataset=HELD_OUT, against=BASE, token=token)

"""What trainings have cost: seconds of the runs of a method on this machine, else what the Pocket lab took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from engine.methods import METHODS
from engine.rubric import sources
from storage import events, models, runs
from storage.home import Home
from storage.records import Run

LOOKED_AT = 200  # newest runs
ALIKE = 4  # times as many weights, or as few, count as a similar size


@dataclass(frozen=True)
class Cost:
    """Seconds that a training of a method took, and where that is known from; ``runs`` is 0 where none of them was here."""

    method: str
    seconds: float | None
    low: float | None
    high: float | None
    runs: int
    basis: str


def costs(home: Home, methods: Sequence[str] | None = None, parameters: int | None = None) -> Mapping[str, Cost]:
    """The cost of each method by runs that succeeded here, of models of a similar size to ``parameters`` where it is given."""
    found: dict[str, list[float]] = {}
    for run in runs.page(home, LOOKED_AT):
        if run.kind == "train" and run.status == "succeeded" and _alike(home, run, parameters):
            found.setdefault(run.request["method"], []).append(_seconds(home, run))
    return {method: _cost(method, found.get(method, [])) for method in (methods or METHODS)}


def _alike(home: Home, run: Run, parameters: int | None) -> bool:
    model = models.get(home, run.request["model_id"])
    if parameters is None or model is None:
        return parameters is None
    base = models.get(home, model.base_id) if model.base_id else None
    weights = model.parameters + (base.parameters if base else 0)
    return parameters / ALIKE <= weights <= parameters * ALIKE


def _seconds(home: Home, run: Run) -> float:
    """What it trained, else from its beginning to its end."""
    latest = events.latest(home, run.id)
    if "training_seconds" in latest:
        return latest["training_seconds"][1]
    began, ended = (datetime.fromisoformat(at or run.created_at) for at in (run.started_at, run.ended_at))
    return (ended - began).total_seconds()


def _cost(method: str, seconds: list[float]) -> Cost:
    if seconds:
        several = f"{len(seconds)} runs" if len(seconds) > 1 else "one run"
        return Cost(
            method, median(seconds), min(seconds), max(seconds), len(seconds), f"from {several} of {METHODS[method].short} here"
        )
    lab = sources.seconds(method)
    basis = f"never run here yet: the Pocket lab took {lab:,.0f} s on two CPU cores" if lab else "never run here yet"
    return Cost(method, lab, lab, lab, 0, basis)

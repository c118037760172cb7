"""Whether a chain can be walked to its end, as far as it can be said before its first step."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine import names, registry
from engine.data import curate
from engine.errors import BadInput, NotFound, TemperError, WrongShape
from engine.evaluation import prompts
from engine.jobs import drawing, rewarded, submit
from engine.jobs.stages import Stage
from engine.jobs.standing import SCORER, START
from engine.methods.method import Method, settings_of
from storage.home import Home
from storage.records import Dataset, Model

BEGINNINGS = ("continue", "merge")


@dataclass(frozen=True)
class Walked:
    """The stages that were looked at, and for each that trains what stands for its model: one of its kind and context, numbered 0."""

    start: Model
    stages: dict[str, Stage] = field(default_factory=dict)
    leaves: dict[str, Model] = field(default_factory=dict)

    def stage(self, reference: str) -> Stage:
        """The stage ``@name``; NotFound where none of that name was looked at."""
        if reference[1:] not in self.stages:
            raise NotFound(f"{reference} names no earlier stage. Those are: {', '.join(self.stages) or 'none'}.")
        return self.stages[reference[1:]]


def check(home: Home, model: str, stages: Sequence[Stage]) -> None:
    """Whether the whole road can be walked, before its first step. BadInput, NotFound or WrongShape names the stage."""
    walked = Walked(registry.registered(home, model))
    for stage in stages:
        try:
            names.check(stage.name, "a stage")
            if stage.name in walked.stages or stage.name == START:
                raise BadInput(f"There are two stages {stage.name!r}. Give each a name of its own.")
            _check_one(home, stage, walked)
        except TemperError as problem:
            raise type(problem)(f"Stage {stage.name}: {problem}") from None
        walked.stages[stage.name] = stage


def _check_one(home: Home, stage: Stage, walked: Walked) -> None:
    """What launching the stage would refuse, as far as it can be said before the stages before it have run."""
    _one_work(stage)
    if stage.begin not in BEGINNINGS:
        raise BadInput(f"begin takes {' or '.join(BEGINNINGS)}, not {stage.begin!r}.")
    submit.check_seed(stage.seed)
    start = _start(home, stage, walked)
    if stage.bar is not None:
        if not stage.speaks:
            raise BadInput("Only a model that speaks can be measured. Leave the bar out.")
        if not 0 <= stage.bar.least <= 1:
            raise BadInput(f"A bar is a share from 0 to 1, not {stage.bar.least}.")
        submit.check_measured(curate.find(home, stage.bar.data), home, limit=stage.bar.limit)
    method = None if stage.makes else submit.method_named(stage.method)
    data = None if stage.data.startswith("@") else curate.find(home, stage.data)
    if data is None:
        _check_made(stage, method, walked)
    given, later = _referring(stage, walked)
    if stage.judge is not None:
        drawing.judged(data, **stage.judge)
    elif stage.sample is not None:
        drawing.sampled(home, data, **{**given, **dict.fromkeys(later, rewarded.LATER)})
    elif method is not None:
        tuning = _check_training(home, method, data or _to_come(stage, walked), given, later, start)
        walked.leaves[stage.name] = replace(start, id=0, name=f"@{stage.name}", kind="model" if tuning == "full" else "adapter")


def _one_work(stage: Stage) -> None:
    """BadInput unless a stage says one kind of work and nothing that another kind would need."""
    said = [
        kind
        for kind, there in (("method", stage.method), ("judge", stage.judge), ("sample", stage.sample))
        if there not in ("", None)
    ]
    if len(said) != 1:
        has = f"has {' and '.join(said)}: make a stage of each" if said else "has none of them: add one"
        raise BadInput(f"A stage does one kind of work, by a method, a judge or a sample, and this one {has}.")
    idle = [name for name, there in (("settings", stage.settings), ("seed", stage.seed)) if there]
    if stage.makes and idle:
        raise BadInput(f"A stage with a {said[0]} trains nothing, so nothing would use its {' and '.join(idle)}. Leave that out.")


def _start(home: Home, stage: Stage, walked: Walked) -> Model:
    """The model that a stage begins with, or what stands for it. WrongShape where that does not speak."""
    found = walked.start
    if stage.model.startswith("@"):
        if not walked.stage(stage.model).speaks:
            raise WrongShape(f"{stage.model} makes no model that speaks. Begin with one that does.")
        found = walked.leaves[stage.model[1:]]
    elif stage.model and stage.model != START:
        found = registry.registered(home, stage.model)
    elif not stage.model:
        found = next((walked.leaves[name] for name in reversed(walked.stages) if walked.stages[name].speaks), found)
    return replace(found, kind="model", base_id=None) if stage.begin == "merge" else found


def _check_made(stage: Stage, method: Method | None, walked: Walked) -> None:
    """WrongShape where the data that an earlier stage makes is none for this one."""
    shape = walked.stage(stage.data).makes
    if shape is None:
        raise WrongShape(f"{stage.data} makes a model, no data.")
    if shape not in (method.shapes if method else prompts.SHAPES):
        raise WrongShape(f"{method.title if method else 'Sampling'} takes no {shape} data, which is what {stage.data} makes.")


def _to_come(stage: Stage, walked: Walked) -> Dataset:
    """What stands for the data that an earlier stage makes: of its shape, and with as many rows as may be asked for."""
    shape = str(walked.stage(stage.data).makes)
    return Dataset(
        id=0, name=stage.data, version=1, shape=shape, rows=sys.maxsize, sha256="", parent_id=None, steps=[], problems=[], bytes=0,
        created_at="",
    )  # fmt: skip


def _referring(stage: Stage, walked: Walked) -> tuple[dict[str, Any], set[str]]:
    """What a stage is given, and the names in it that stand for what an earlier stage makes, of which each fits its place."""
    given = dict(stage.settings if stage.sample is None else stage.sample)
    refers = {SCORER: "model:reward"} if stage.sample is not None else {}
    if not stage.makes:
        refers |= {s.name: s.refers for s in settings_of(submit.method_named(stage.method).settings) if s.refers}
    later = {name for name, value in given.items() if isinstance(value, str) and value.startswith("@")}
    for name in later:
        earlier, (kind, _, wanted) = walked.stage(given[name]), refers.get(name, "").partition(":")
        made = (
            earlier.makes if kind == "data" else "reward" if earlier.method == "reward" else None if earlier.makes else "language"
        )
        if made not in wanted.split("|"):
            raise WrongShape(
                f"{name} takes {f'a {wanted} ' + ('data set' if kind == 'data' else 'model') if kind else 'no stage'}, "
                f"and {given[name]} makes {made or 'data'}."
            )
    return given, later


def _check_training(home: Home, method: Method, data: Dataset, given: Mapping[str, Any], later: set[str], start: Model) -> str:
    """How the weights are tuned, full or by an adapter. Raises what launching the training would."""
    known = {k: "" if k in later else v for k, v in given.items()}
    # an adapter that is still to be made has no folder whose rank could be read
    stored = submit.check(method, data, known, start if start.id else replace(start, kind="model"))
    if stored.get("fresh") and start.kind == "adapter":
        raise BadInput(
            f"Random weights (fresh) leave nothing of the adapter {start.name}. Start from its base, or set fresh to false."
        )
    stored = submit.pinned(home, method, stored)
    if "rewards" in stored:
        known_data = data if data.id else None
        rewarded.check(home, known_data, stored | dict.fromkeys(later & {SCORER}, rewarded.LATER), method)
    return str(stored["tuning"])

"""Chains: stages on one road, each a run of its own that goes on from what an earlier stage made.

A stage may have a bar: its model is measured, and the road is held where it does not reach it. Nothing is remembered but what
was asked for and whether it goes on: where a chain stands follows from its runs, so an engine that was killed goes on where it
was, and a run that is resumed takes its chain along.
"""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine import names, registry
from engine.data import curate
from engine.errors import BadInput, NotFound, TemperError, TryLater, WrongShape
from engine.evaluation import prompts
from engine.jobs import rewarded, submit
from engine.jobs.stages import Stage, read
from engine.methods.method import Method, settings_of
from storage import chains, db
from storage.home import Home
from storage.records import LIVE, Chain, Dataset, Run

START = "start"  # names the model that a chain begins with
BEGINNINGS = ("continue", "merge")
WORK, MERGE, BAR = "work", "merge", "bar"


@dataclass(frozen=True)
class Standing:
    """Where a stage stands: its runs as far as they were queued, and in a word what is so."""

    stage: Stage
    work: Run | None
    merge: Run | None
    bar: Run | None
    word: str  # waiting, live, ended (badly), below (its bar), done


def check(home: Home, model: str, stages: Sequence[Stage]) -> None:
    """Whether the whole road can be walked, before its first step. BadInput, NotFound or WrongShape names the stage."""
    start = registry.registered(home, model)
    seen: dict[str, Stage] = {}
    for stage in stages:
        try:
            names.check(stage.name, "a stage")
            if stage.name in seen or stage.name == START:
                raise BadInput(f"There are two stages {stage.name!r}. Give each a name of its own.")
            _check_one(home, stage, seen, f"#{start.id}")
        except TemperError as problem:
            raise type(problem)(f"Stage {stage.name}: {problem}") from None
        seen[stage.name] = stage


def _check_one(home: Home, stage: Stage, seen: Mapping[str, Stage], start: str) -> None:
    """What launching the stage would refuse, as far as it can be said before the stages before it have run."""
    if stage.begin not in BEGINNINGS:
        raise BadInput(f"begin takes {' or '.join(BEGINNINGS)}, not {stage.begin!r}.")
    submit.check_seed(stage.seed)
    if stage.model.startswith("@"):
        if not _earlier(seen, stage.model).speaks:
            raise WrongShape(f"{stage.model} makes no model that speaks. Begin with one that does.")
    elif stage.model and stage.model != START:
        registry.registered(home, stage.model)
    if stage.bar is not None:
        if not stage.speaks:
            raise BadInput("Only a model that speaks can be measured. Leave the bar out.")
        if not 0 <= stage.bar.least <= 1:
            raise BadInput(f"A bar is a share from 0 to 1, not {stage.bar.least}.")
        submit.check_measured(curate.find(home, stage.bar.data), home, limit=stage.bar.limit)
    method = None if stage.makes else submit.method_named(stage.method)
    if stage.data.startswith("@"):
        made = _earlier(seen, stage.data).makes
        if made is None:
            raise WrongShape(f"{stage.data} makes a model, no data.")
        if made not in (method.shapes if method else prompts.SHAPES):
            raise WrongShape(f"{method.title if method else 'Sampling'} takes no {made} data, which is what {stage.data} makes.")
        data = None
    else:
        data = curate.find(home, stage.data)
    given, later = _referring(stage, seen)
    if stage.judge is not None:
        submit.judged(data, **stage.judge)
    elif stage.sample is not None:
        submit.sampled(home, data, **{**given, **dict.fromkeys(later, rewarded.LATER)})
    elif method is not None and data is not None:
        _check_training(home, method, data, given, later)


def _earlier(seen: Mapping[str, Stage], reference: str) -> Stage:
    if reference[1:] not in seen:
        raise NotFound(f"{reference} names no earlier stage. Those are: {', '.join(seen) or 'none'}.")
    return seen[reference[1:]]


def _referring(stage: Stage, seen: Mapping[str, Stage]) -> tuple[dict[str, Any], set[str]]:
    """What a stage is given, and the names in it that stand for what an earlier stage makes, of which each fits its place."""
    given = dict(stage.settings if stage.sample is None else stage.sample)
    refers = {"reward_model": "model:reward"} if stage.sample is not None else {}
    if not stage.makes:
        refers |= {s.name: s.refers for s in settings_of(submit.method_named(stage.method).settings) if s.refers}
    later = {name for name, value in given.items() if isinstance(value, str) and value.startswith("@")}
    for name in later:
        earlier, (kind, _, wanted) = _earlier(seen, given[name]), refers.get(name, "").partition(":")
        made = (
            earlier.makes if kind == "data" else "reward" if earlier.method == "reward" else None if earlier.makes else "language"
        )
        if made not in wanted.split("|"):
            raise WrongShape(
                f"{name} takes {f'a {wanted} ' + ('data set' if kind == 'data' else 'model') if kind else 'no stage'}, "
                f"and {given[name]} makes {made or 'data'}."
            )
    return given, later


def _check_training(home: Home, method: Method, data: Dataset, given: Mapping[str, Any], later: set[str]) -> None:
    stored = submit.check(method, data, {k: "" if k in later else v for k, v in given.items()})
    stored = submit.pinned(home, method, stored)
    if "rewards" in stored:
        rewarded.check(home, data, stored | dict.fromkeys(later & {"reward_model"}, rewarded.LATER), method)


def begin(home: Home, name: str, model: str, stages: Sequence[Stage], token: str | None = None) -> Chain:
    """Store a chain that the engine then walks. Nothing is stored when anything about it is wrong."""
    check(home, model, stages)
    request = {
        "model_id": registry.registered(home, model).id,
        "stages": [
            {**vars(stage), "settings": dict(stage.settings), "bar": vars(stage.bar) if stage.bar else None,
             "judge": dict(stage.judge) if stage.judge else None, "sample": dict(stage.sample) if stage.sample else None}
            for stage in stages
        ],
    }  # fmt: skip
    return chains.insert(home, names.check(name, "a chain"), request, token)


def standings(home: Home, chain: Chain) -> list[Standing]:
    """Where each stage of a chain stands, in its order."""
    found = []
    for place, stage in enumerate(read(chain.request["stages"])):
        work, merge, bar = (chains.run_of(home, chain.id, place, part) for part in (WORK, MERGE, BAR))
        found.append(Standing(stage, work, merge, bar, _word(chain, stage, (merge, work, bar))))
    return found


def _word(chain: Chain, stage: Stage, those: tuple[Run | None, Run | None, Run | None]) -> str:
    _, work, bar = those
    there = [run for run in those if run is not None]
    if any(run.status in LIVE for run in there):
        return "live"
    if any(run.status != "succeeded" for run in there):
        return "ended"
    if work is None:
        return "waiting"
    if stage.bar is None or stage.name in chain.waived:
        return "done"
    if bar is None:
        return "waiting"
    return "done" if bar.summary["value"] >= stage.bar.least else "below"


def advance(home: Home) -> None:
    """Queue what comes next in every chain that goes on. Only the engine calls this."""
    for chain in chains.live(home):
        try:
            _advance(home, chain)
        except TemperError as problem:
            chains.move(home, chain.id, "live", "held", str(problem))
        except Exception as problem:  # one chain must not keep the engine from all that is queued
            traceback.print_exc()
            chains.move(home, chain.id, "live", "held", f"A fault in the program, which the engine's log tells: {problem!r}")


def _advance(home: Home, chain: Chain) -> None:
    standing = standings(home, chain)
    for place, each in enumerate(standing):
        if each.word == "done":
            continue
        if each.word == "below":
            assert each.stage.bar is not None and each.bar is not None
            value, low, high = (each.bar.summary[key] for key in ("value", "low", "high"))
            reason = (
                f"{each.stage.name} reaches {value:.1%} ({low:.1%} to {high:.1%}) on {each.stage.bar.data}, and the bar is "
                f"{each.stage.bar.least:.1%}. Run that stage again with changes, or go on all the same."
            )
            chains.move(home, chain.id, "live", "held", reason)
        elif each.word == "waiting":
            _queue(home, chain, standing, place)
        return  # one stage at a time; one that ended badly waits for its run to be resumed
    chains.move(home, chain.id, "live", "done")


def _queue(home: Home, chain: Chain, standing: Sequence[Standing], place: int) -> None:
    """Queue the next part of a stage: the merge it begins with, its own work, or what measures it."""
    stage, token = standing[place].stage, chains.token
    if standing[place].work is not None:
        assert stage.bar is not None
        made = _made(standing[place].work)
        submit.measure(home, model=made, dataset=stage.bar.data, limit=stage.bar.limit, token=token(chain.id, place, BAR))
        return
    model = _model(chain, standing, place)
    if stage.begin == "merge" and standing[place].merge is not None:
        model = _made(standing[place].merge)
    elif stage.begin == "merge" and registry.find(home, model).kind == "adapter":
        name = names.made_from(f"{chain.name}-{stage.name}-start")
        folder = home.models / f"{name}-{chain.id}-{place}"
        submit.export(home, model=model, folder=str(folder), merged=True, register=name, token=token(chain.id, place, MERGE))
        return
    name = names.made_from(f"{chain.name}-{stage.name}")
    data = _data(standing, stage.data) if stage.data.startswith("@") else stage.data
    if stage.judge is not None:
        submit.judge(home, model=model, dataset=data, name=name, token=token(chain.id, place, WORK), **stage.judge)
        return
    if stage.sample is not None:
        given = _resolved(standing, stage.sample)
        submit.sample(home, model=model, dataset=data, name=name, token=token(chain.id, place, WORK), **given)
        return
    submit.train(
        home, method=stage.method, model=model, dataset=data, settings=_resolved(standing, stage.settings), name=name, seed=stage.seed,
        token=token(chain.id, place, WORK), parent_id=_parent(standing, place),
    )  # fmt: skip


def _made(run: Run | None) -> str:
    if run is None or "model_id" not in run.summary:
        raise NotFound("What this stage begins with was never made.")
    return f"#{run.summary['model_id']}"


def _model(chain: Chain, standing: Sequence[Standing], place: int) -> str:
    """The model that a stage begins with: the one it names, else the last that speaks."""
    named = standing[place].stage.model
    if named.startswith("@"):
        return _of(standing, named)
    if named and named != START:
        return named
    if not named:
        for each in reversed(standing[:place]):
            if each.stage.speaks:
                return _made(each.work)
    return f"#{chain.request['model_id']}"


def _of(standing: Sequence[Standing], reference: str) -> str:
    return _made(next(each.work for each in standing if each.stage.name == reference[1:]))


def _resolved(standing: Sequence[Standing], given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _of(standing, v) if isinstance(v, str) and v.startswith("@") else v for k, v in given.items()}


def _data(standing: Sequence[Standing], reference: str) -> str:
    work = next(each.work for each in standing if each.stage.name == reference[1:])
    assert work is not None
    return f"#{work.summary['dataset_id']}"


def _parent(standing: Sequence[Standing], place: int) -> int | None:
    return next((each.work.id for each in reversed(standing[:place]) if each.work is not None), None)


def again(home: Home, chain: Chain, first: str, settings: Mapping[str, Any], token: str | None = None) -> Chain:
    """Begin a new chain with the stage ``first`` of an old one, with some of its settings changed; what the stages before it have
    made is taken as it is. NotFound when there is no such stage, BadInput when one before it has made nothing yet."""
    standing = standings(home, chain)
    place = next((i for i, each in enumerate(standing) if each.stage.name == first), None)
    if place is None:
        raise NotFound(f"{chain.name} has no stage {first!r}. It has: {', '.join(each.stage.name for each in standing)}.")
    unfinished = next(
        (each.stage.name for each in standing[:place] if each.work is None or each.work.status != "succeeded"), None
    )
    if unfinished:
        raise BadInput(f"The stage {unfinished} before {first} has not made anything yet. Begin again with {unfinished}.")
    made = {
        f"@{each.stage.name}": (_data if each.stage.makes else _of)(standing, f"@{each.stage.name}") for each in standing[:place]
    }
    made[START] = f"#{chain.request['model_id']}"
    rest = [each.stage for each in standing[place:]]
    if settings and rest[0].makes:
        raise BadInput(
            f"The stage {first} trains nothing, so it has no settings to change: {', '.join(settings)}. Write the road anew."
        )
    rest[0] = replace(rest[0], settings={**rest[0].settings, **settings})
    stages = [
        replace(
            stage, model=made.get(stage.model, stage.model), data=made.get(stage.data, stage.data),
            settings={k: made.get(v, v) if isinstance(v, str) else v for k, v in stage.settings.items()},
            sample={k: made.get(v, v) if isinstance(v, str) else v for k, v in stage.sample.items()} if stage.sample else None,
        )
        for stage in rest
    ]  # fmt: skip
    name = names.made_from(f"{chain.name}-from-{first}")
    # stages that name no model take the last that speaks, which may stand before ``first`` even where that one names its own
    spoke = next((_made(each.work) for each in reversed(standing[:place]) if each.stage.speaks), f"#{chain.request['model_id']}")
    return begin(home, name, spoke, stages, token)


def find(home: Home, reference: str) -> Chain:
    """The chain of that number or, newest first, of that name; NotFound otherwise."""
    number = db.number(reference.removeprefix("#"))
    found = (
        chains.get(home, number)
        if number is not None
        else next((c for c in chains.page(home, 1000) if c.name == reference), None)
    )
    if found is None:
        raise NotFound(f"There is no chain {reference!r}. `chain list` shows those that there are.")
    return found


def stop(home: Home, chain: Chain) -> None:
    """Let a chain queue nothing more, and ask its live run to stop. TryLater when it does not go on anyway."""
    if not chains.move(home, chain.id, "live", "stopped", "Stopped on request."):
        raise TryLater(f"The chain {chain.name} is {chain.status}: only one that goes on can be stopped.")
    for each in standings(home, chain):
        for run in (each.merge, each.work, each.bar):
            if run is not None and run.status in LIVE:
                submit.stop(home, run.id)


def resume(home: Home, chain: Chain, waive: bool = False) -> None:
    """Let a chain go on: a run of it that ended badly is resumed. With ``waive`` the bar that holds it need not be met."""
    if chain.status == "done":
        raise TryLater(f"The chain {chain.name} is done.")
    standing = standings(home, chain)
    if waive and not any(each.word == "below" for each in standing):
        raise BadInput(f"No bar holds {chain.name}, so none can be waived. Begin again from the stage in the way, with changes.")
    for each in standing:
        if each.word == "below":
            if not waive:
                raise BadInput(f"{chain.reason} To go on all the same, say so.")
            chains.waive(home, chain.id, each.stage.name)
        for run in (each.merge, each.work, each.bar):
            if run is not None and run.status not in (*LIVE, "succeeded"):
                submit.resume(home, run.id)
    if chain.status != "live":
        chains.move(home, chain.id, chain.status, "live")

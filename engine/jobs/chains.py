"""Chains: stages on one road, each a run of its own that goes on from what an earlier stage made.

A stage may have a bar: its model is measured, and the road is held where it does not reach it. Nothing is remembered but what
was asked for and whether it goes on: where a chain stands follows from its runs, so an engine that was killed goes on where it
was, and a run that is resumed takes its chain along. Whether a road can be walked at all is said by walkable.py, where it stands by
standing.py.
"""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine import names, registry
from engine.data import curate
from engine.errors import BadInput, NotFound, TemperError, TryLater
from engine.jobs import submit
from engine.jobs.stages import Stage
from engine.jobs.standing import (
    BAR,
    MERGE,
    START,
    WORK,
    Standing,
    begins_with,
    data_made,
    made,
    model_made,
    parent_of,
    resolved,
    standings,
    unmet,
)
from engine.jobs.walkable import check
from storage import chains, db
from storage.home import Home
from storage.records import LIVE, Chain


@dataclass(frozen=True)
class Origin:
    """Where a chain comes from that goes on from another: that one's name, the run it comes after, and the bars it is begun in spite of."""

    road: str | None = None
    parent_id: int | None = None
    waived: tuple[str, ...] = ()


def begin(
    home: Home, name: str, model: str, stages: Sequence[Stage], token: str | None = None, origin: Origin = Origin()
) -> Chain:
    """Store a chain that the engine then walks. Nothing is stored when anything about it is wrong."""
    name = names.check(name, "a chain")
    check(home, model, stages)
    for stage in stages:
        if stage.makes:
            curate.check_version(home, _name(name, stage), stage.makes)
    request = {
        "model_id": registry.registered(home, model).id,
        "road": origin.road or name,
        "parent_id": origin.parent_id,
        "stages": [
            {**vars(stage), "settings": dict(stage.settings), "bar": vars(stage.bar) if stage.bar else None,
             "judge": dict(stage.judge) if stage.judge else None, "sample": dict(stage.sample) if stage.sample is not None else None}
            for stage in stages
        ],
    }  # fmt: skip
    return chains.insert(home, name, request, token, origin.waived)


def _name(chain: str, stage: Stage) -> str:
    """What the model or the data set is called that a stage makes."""
    return names.made_from(chain, f"-{stage.name}")


def advance(home: Home) -> None:
    """Queue what comes next in every chain that goes on. Only the engine calls this."""
    for chain in chains.live(home):
        try:
            _advance(home, chain)
        except TemperError as problem:
            chains.move(home, chain.id, "live", "held", str(problem), "input" if isinstance(problem, BadInput) else "other")
        except Exception as problem:  # one chain must not keep the engine from all that is queued
            traceback.print_exc()
            told = f"A fault in the program, which the engine's log tells: {problem!r}"
            chains.move(home, chain.id, "live", "held", told, "other")


def _advance(home: Home, chain: Chain) -> None:
    standing = standings(home, chain)
    for place, each in enumerate(standing):
        if each.word == "done":
            continue
        if each.word == "below":
            reason = f"{unmet(each)} Run that stage again with changes, or go on all the same."
            chains.move(home, chain.id, "live", "held", reason, "bar")
        elif each.word == "waiting":
            _queue(home, chain, standing, place)
        return  # one stage at a time; one that ended badly waits for its run to be resumed
    chains.move(home, chain.id, "live", "done")


def _queue(home: Home, chain: Chain, standing: Sequence[Standing], place: int) -> None:
    """Queue the next part of a stage: the merge it begins with, its own work, or what measures it."""
    stage, work, merge = standing[place].stage, standing[place].work, standing[place].merge
    if work is not None:
        assert stage.bar is not None
        submit.measure(
            home, model=made(work), dataset=stage.bar.data, limit=stage.bar.limit, parent_id=work.id,
            token=chains.token(chain.id, place, BAR),
        )  # fmt: skip
        return
    model, parent_id = begins_with(chain, standing, place), parent_of(chain, standing, place)
    if stage.begin == "merge" and merge is not None:
        model, parent_id = made(merge), merge.id
    elif stage.begin == "merge" and registry.find(home, model).kind == "adapter":
        name = names.made_from(chain.name, f"-{stage.name}-start")
        folder = str(home.models / f"{name}-{chain.id}-{place}")
        token = chains.token(chain.id, place, MERGE)
        submit.export(home, model=model, folder=folder, merged=True, register=name, token=token, parent_id=parent_id)
        return
    common: dict[str, Any] = {
        "model": model, "dataset": data_made(standing, stage.data) if stage.data.startswith("@") else stage.data,
        "name": _name(chain.name, stage), "token": chains.token(chain.id, place, WORK), "parent_id": parent_id,
    }  # fmt: skip
    if stage.judge is not None:
        submit.judge(home, **common, **stage.judge)
    elif stage.sample is not None:
        submit.sample(home, **common, **resolved(standing, stage.sample))
    else:
        submit.train(home, method=stage.method, settings=resolved(standing, stage.settings), seed=stage.seed, **common)


def again(
    home: Home, chain: Chain, first: str, settings: Mapping[str, Any], token: str | None = None, waive: bool = False
) -> Chain:
    """Begin a new chain with the stage ``first`` of an old one, with some of its settings changed; what the stages before it have
    made is taken as it is, with ``waive`` also where one has not reached its bar.

    NotFound when there is no such stage, BadInput when one before it has made nothing yet or has a bar in the way.
    """
    standing = standings(home, chain)
    place = next((i for i, each in enumerate(standing) if each.stage.name == first), None)
    if place is None:
        raise NotFound(f"{chain.name} has no stage {first!r}. It has: {', '.join(each.stage.name for each in standing)}.")
    before, rest = standing[:place], [each.stage for each in standing[place:]]
    waived = _waived(chain, standing, place, waive)
    if settings and rest[0].makes:
        raise BadInput(
            f"The stage {first} trains nothing, so it has no settings to change: {', '.join(settings)}. Write the road anew."
        )
    rest[0] = replace(rest[0], settings={**rest[0].settings, **settings})
    named = {
        f"@{each.stage.name}": (data_made if each.stage.makes else model_made)(before, f"@{each.stage.name}") for each in before
    }
    start = f"#{chain.request['model_id']}"
    road = str(chain.request.get("road") or chain.name)
    # stages that name no model take the last that speaks, which may stand before ``first`` even where that one names its own
    spoke = next((made(each.work) for each in reversed(before) if each.stage.speaks), start)
    origin = Origin(road, parent_of(chain, standing, place), waived)
    stages = [_from_made(stage, named, start) for stage in rest]
    return begin(home, names.made_from(road, f"-from-{first}"), spoke, stages, token, origin)


def _from_made(stage: Stage, named: Mapping[str, str], start: str) -> Stage:
    """A stage with the #id of what earlier stages made in place of their names, and of the model that ``start`` names."""

    def given(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: named.get(value, value) if isinstance(value, str) else value for key, value in values.items()}

    return replace(
        stage, model=start if stage.model == START else named.get(stage.model, stage.model), data=named.get(stage.data, stage.data),
        settings=given(stage.settings), sample=given(stage.sample) if stage.sample is not None else None,
    )  # fmt: skip


def _waived(chain: Chain, standing: Sequence[Standing], place: int, waive: bool) -> tuple[str, ...]:
    """The stages before that at ``place`` whose bars need not be met. BadInput when one of them has made nothing, or when its bar is in
    the way and ``waive`` does not say that it may be."""
    before, first = standing[:place], standing[place].stage.name
    unfinished = next((each.stage.name for each in before if each.work is None or each.work.status != "succeeded"), None)
    if unfinished:
        raise BadInput(f"The stage {unfinished} before {first} has not made anything yet. Begin again with {unfinished}.")
    barred = [each for each in before if each.word != "done"]
    if barred and not waive:
        raise BadInput(f"{unmet(barred[0])} Begin again with {barred[0].stage.name}. To go on from it all the same, say so.")
    if waive and not barred:
        raise BadInput(f"No bar before {first} is in the way, so none can be waived. Begin again without that.")
    anew = {each.stage.name for each in standing[place:]}  # these are measured anew
    return (*(name for name in chain.waived if name not in anew), *(each.stage.name for each in barred))


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
    """Let a chain queue nothing more, and ask its live run to stop. TryLater when it is stopped or done anyway."""
    if not any(chains.move(home, chain.id, before, "stopped", "Stopped on request.") for before in ("live", "held")):
        raise TryLater(f"The chain {chain.name} is {chain.status}: only one that goes on or is held can be stopped.")
    for run in (run for each in standings(home, chain) for run in each.runs if run.status in LIVE):
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
                raise BadInput(f"{unmet(each)} Run that stage again with changes. To go on all the same, say so.")
            chains.waive(home, chain.id, each.stage.name)
        for run in each.runs:
            if run.status not in (*LIVE, "succeeded"):
                submit.resume(home, run.id)
    if chain.status != "live":
        chains.move(home, chain.id, chain.status, "live")

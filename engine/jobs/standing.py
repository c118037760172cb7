"""Where a chain stands: which runs its stages have, what these made, and what the next one begins with.

All of it follows from the chain and the tokens of its runs. What queues and moves chains is chains.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import NotFound
from engine.jobs.stages import Stage, read
from storage import chains, models
from storage.home import Home
from storage.records import LIVE, Chain, Run

START = "start"  # names the model that a chain begins with
WORK, MERGE, BAR = "work", "merge", "bar"
SCORER = "reward_model"  # what names a model in the settings of a stage and in a sample


@dataclass(frozen=True)
class Standing:
    """Where a stage stands: its runs as far as they were queued, and in a word what is so."""

    stage: Stage
    work: Run | None
    merge: Run | None
    bar: Run | None
    word: str  # waiting, live, ended (badly), below (its bar), done

    @property
    def runs(self) -> list[Run]:
        """Those of its runs that were queued, in the order of queueing."""
        return [run for run in (self.merge, self.work, self.bar) if run is not None]


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


def unmet(each: Standing) -> str:
    """In a sentence, that a stage which has made its model has not reached its bar."""
    assert each.stage.bar is not None
    if each.word != "below" or each.bar is None:
        return f"The bar of {each.stage.name}, {each.stage.bar.least:.1%} on {each.stage.bar.data}, has not been measured yet."
    value, low, high = (each.bar.summary[key] for key in ("value", "low", "high"))
    return (
        f"{each.stage.name} reaches {value:.1%} ({low:.1%} to {high:.1%}) on {each.stage.bar.data}, and the bar is "
        f"{each.stage.bar.least:.1%}."
    )


def made(run: Run | None) -> str:
    """The #id of the model that a run made; NotFound where it made none."""
    if run is None or "model_id" not in run.summary:
        raise NotFound("What this stage begins with was never made.")
    return f"#{run.summary['model_id']}"


def begins_with(chain: Chain, standing: Sequence[Standing], place: int) -> str:
    """The model that a stage begins with: the one it names, else the last that speaks."""
    named = standing[place].stage.model
    if named.startswith("@"):
        return model_made(standing, named)
    if named and named != START:
        return named
    if not named:
        for each in reversed(standing[:place]):
            if each.stage.speaks:
                return made(each.work)
    return f"#{chain.request['model_id']}"


def model_made(standing: Sequence[Standing], reference: str) -> str:
    """The #id of the model that the stage ``@name`` made."""
    return made(next(each.work for each in standing if each.stage.name == reference[1:]))


def data_made(standing: Sequence[Standing], reference: str) -> str:
    """The #id of the data set that the stage ``@name`` made."""
    work = next(each.work for each in standing if each.stage.name == reference[1:])
    assert work is not None
    return f"#{work.summary['dataset_id']}"


def resolved(standing: Sequence[Standing], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage is given, with the #id of the model in place of each stage that made one."""
    return {k: model_made(standing, v) if isinstance(v, str) and v.startswith("@") else v for k, v in given.items()}


def parent_of(chain: Chain, standing: Sequence[Standing], place: int) -> int | None:
    """The run that a stage comes after: that of the stage before it, or what the whole chain goes on from."""
    before = (each.work.id for each in reversed(standing[:place]) if each.work is not None)
    return next(before, chain.request.get("parent_id"))


def needed(home: Home, chain: Chain) -> set[int]:
    """The numbers of the models that a chain cannot do without on the rest of its way."""
    standing, found = standings(home, chain), set[int]()
    for place, each in enumerate(standing):
        if each.word == "done":
            continue
        for run in each.runs:  # one that ended badly may be resumed, and begins with what it was asked for
            found |= used(run.request)
            found.add(int(run.summary.get("model_id", 0)))
        given = each.stage.settings if each.stage.sample is None else each.stage.sample
        scorer = str(given.get(SCORER) or "")
        found |= _there(home, lambda place=place: begins_with(chain, standing, place))
        found |= _there(home, lambda scorer=scorer: model_made(standing, scorer) if scorer.startswith("@") else scorer)
    return found - {0}


def _there(home: Home, named: Callable[[], str]) -> set[int]:
    """The number of the model that is named; nothing where it is none, is not made yet or is gone."""
    try:
        known = models.find(home, named())
    except NotFound:
        return set()
    return {known.id} if known is not None else set()


def used(request: Mapping[str, Any]) -> set[int]:
    """The numbers of the models that a run works with, by its request."""
    named = [request.get("model_id"), request.get("against_id"), *(voice["model_id"] for voice in request.get("voices", ()))]
    scorers = (request.get(SCORER), request.get("settings", {}).get(SCORER))
    candidates = (one.get("model") for one in request.get("candidates", ()))
    references = [str(given)[1:] for given in (*scorers, *candidates) if str(given or "").startswith("#")]
    return {int(number) for number in (*named, *references) if number and str(number).isdecimal()}

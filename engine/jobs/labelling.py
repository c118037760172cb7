"""Runs for labelling: models write pairs, a judge votes, a reward model says which pairs to label first. The verbs, and the work."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine import names, registry
from engine.data import curate
from engine.errors import BadInput, NotFound, WrongShape
from engine.evaluation import prompts
from engine.evaluation.judge import PRINCIPLES, Judge
from engine.jobs import rewarded
from engine.jobs.reporter import RunReporter
from engine.methods.method import Library
from engine.preferences import judging, order, pairs, projects
from engine.preferences.sampling import draw, voices
from engine.preferences.sampling import read as voice_of
from engine.rewards import recipe, sources
from engine.rewards.table import Answer
from storage import datasets, files, preferences, runs
from storage import models as registered
from storage.home import Home
from storage.records import Project, Run

BLOCK = 32  # pairs that a reward model looks at between two looks at whether a stop was asked for


def sample(
    home: Home,
    *,
    project: str,
    models: Sequence[str],
    dataset: str,
    sampling: Sequence[Mapping[str, Any]] = ({},),
    systems: Sequence[str] = ("",),
    limit: int | None = None,
    token: str | None = None,
) -> Run:
    """Queue the writing of pairs for a project, which is made where there is none: one or two models answer the prompts of a data set.

    ``sampling`` and ``systems`` hold one entry for both answers, or one for each. BadInput, NotFound or WrongShape where that cannot be.
    """
    data = curate.find(home, dataset)
    prompts.check_shape(data)
    if limit is not None and limit < 1:
        raise BadInput(f"limit takes a whole number of at least 1, not {limit}.")
    asked = voices(home, models, sampling, systems)
    chosen = projects.find_or_create(home, project)
    request = {
        "project_id": chosen.id, "dataset_id": data.id, "model_id": asked[0].model.id,
        "voices": [voice.stored() for voice in asked], "limit": min(limit, data.rows) if limit else None,
    }  # fmt: skip
    return runs.insert(home, kind="pairs", name=names.made_from(f"pairs for {chosen.name}"), request=request, token=token)


def judge(
    home: Home,
    *,
    project: str,
    address: str,
    judge: str,
    principles: Sequence[str] = (),
    limit: int | None = None,
    token: str | None = None,
) -> Run:
    """Queue the votes of a judge on a project's pairs, beside those of people."""
    chosen, name = projects.find(home, project), names.check(judge, "a judge")
    rewarded.check_address(address)
    if limit is not None and limit < 1:
        raise BadInput(f"limit takes a whole number of at least 1, not {limit}.")
    if not judging.open_for(home, chosen, name, 1):
        raise BadInput(f"There is no pair in {chosen.name} that {name} has not judged. Add pairs first.")
    lines = [line.strip() for line in principles if line.strip()] or list(PRINCIPLES)
    request = {"project_id": chosen.id, "address": address, "judge": name, "principles": lines, "limit": limit}
    return runs.insert(home, kind="label", name=names.made_from(f"{name} on {chosen.name}"), request=request, token=token)


def rank(
    home: Home, *, project: str, model: str, control: float = order.CONTROL, share: float = order.SHARE, token: str | None = None
) -> Run:
    """Queue the ordering of a project's pairs by how unsure a reward model is of each."""
    chosen, subject = projects.find(home, project), registry.find(home, model)
    order.check_shares(control, share)
    if subject.task != "reward":
        raise WrongShape(f"{subject.name} is no reward model. Train one with the method reward, or name another.")
    if not order.waiting(home, chosen):
        raise BadInput(f"No pair of {chosen.name} waits to be labelled. Add pairs first.")
    request = {"project_id": chosen.id, "model_id": subject.id, "control": control, "share": share}
    return runs.insert(
        home, kind="order", name=names.made_from(f"{subject.name} orders {chosen.name}"), request=request, token=token
    )


def rank_by_judges(home: Home, project: Project, control: float = order.CONTROL, share: float = order.SHARE) -> dict[str, int]:
    """Order a project's pairs by how much its judges disagree with each other, or with themselves when the answers are swapped."""
    return order.arrange(
        home, project, order.by_judges(preferences.votes(home, project.id)), "the judges", control=control, share=share
    )


def _project(home: Home, run: Run) -> Project:
    found = preferences.project(home, int(run.request["project_id"]))
    if found is None:
        raise NotFound(f"The project #{run.request['project_id']} is no longer there.")
    return found


def write_pairs(home: Home, run: Run, reporter: RunReporter) -> dict[str, Any] | None:
    """The work of ``sample``; None when stopped."""
    request, project = run.request, _project(home, run)
    data = datasets.get(home, request["dataset_id"])
    first, second = (voice_of(home, voice) for voice in request["voices"])
    if data is None:
        raise NotFound(f"The data set #{request['dataset_id']} is no longer there.")
    drawn = draw(home, (first, second), data, request["limit"], home.run(run.id), reporter, run.id)
    if drawn is None:
        return None
    made, alike = drawn
    placed = pairs.add(home, project, made)
    for pair in made[:8]:
        reporter.sample(0, str(pair.prompt[-1]["content"]), f"{pair.first}\n\n{pair.second}")
    new = sum(each.new for each in placed)
    return {"project": project.name, "project_id": project.id, "pairs": new, "known": len(placed) - new, "alike": alike}


def vote(home: Home, run: Run, reporter: RunReporter, key: str) -> dict[str, Any] | None:
    """The work of ``judge``, with the judge's key; None when stopped."""
    request, project = run.request, _project(home, run)
    named = Judge(request["address"], request["judge"], key)
    open_pairs = _same_pairs(home, run, project, request)
    counts = judging.label(home, project, open_pairs, named, request["principles"], home.run(run.id), reporter)
    return counts and {"project": project.name, "project_id": project.id, **counts}


def _same_pairs(home: Home, run: Run, project: Project, request: Mapping[str, Any]) -> list[Any]:
    """The pairs that this run judges: chosen once, so that a run that goes on means the same ones by their places."""
    place = home.run(run.id) / "pairs.json"
    if not place.exists():
        chosen = judging.open_for(home, project, request["judge"], request["limit"])
        files.write_text(place, json.dumps([pair.id for pair in chosen]))
    there = {pair.id: pair for pair in preferences.pairs(home, project.id)}
    return [there[i] for i in json.loads(place.read_text(encoding="utf-8")) if i in there]


def arrange(home: Home, run: Run, reporter: RunReporter, library: Library, device: str) -> dict[str, Any] | None:
    """The work of ``rank``; None when stopped."""
    request, project = run.request, _project(home, run)
    model = registered.get(home, request["model_id"])
    if model is None:
        raise NotFound(f"The reward model #{request['model_id']} is no longer there.")
    parts = recipe.parse("model", sources.context({"reward_model": f"#{model.id}"}, library, device))
    there, margins = order.waiting(home, project), dict[int, float]()
    for begin in range(0, len(there), BLOCK):
        if reporter.stop_requested():
            return None
        reporter.phase("scoring", begin / len(there))
        block = there[begin : begin + BLOCK]
        answers = [Answer({"prompt": pair.prompt}, text, 0, True) for pair in block for text in (pair.first, pair.second)]
        told = parts[0].score(answers)
        for i, pair in enumerate(block):
            first, second = told[2 * i : 2 * i + 2]
            if first is not None and second is not None:
                margins[pair.id] = first - second
    guesses = {pair_id: order.by_margin(margin) for pair_id, margin in margins.items()}
    put = order.arrange(home, project, guesses, model.name, control=request["control"], share=request["share"])
    return {"project": project.name, "project_id": project.id, "scored": len(margins), **put}

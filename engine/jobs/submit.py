"""The verbs that pages and the command line use on runs: train, measure, stop, resume, again, reorder."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from engine import hub, names, registry
from engine.data import curate
from engine.deployments import freeze
from engine.errors import BadInput, NotFound, TryLater, WrongShape
from engine.evaluation import prompts
from engine.jobs import drawing, rewarded, room
from engine.methods import METHODS, loading, rollouts
from engine.methods.arguments import held_out
from engine.methods.method import Method, parse_settings, settings_of
from engine.rewards import samples
from storage import datasets, db, files, models, runs
from storage.home import Home
from storage.records import LIVE, Dataset, Model, Recipe, Run

LARGEST_SEED = 2**32 - 1


def method_named(name: str) -> Method:
    """The training method of that name; NotFound names what there is."""
    if name not in METHODS:
        raise NotFound(f"There is no method {name!r}. The methods are: {', '.join(METHODS)}.")
    return METHODS[name]


def check(method: Method, dataset: Dataset, settings: Mapping[str, Any], start: Model | None = None) -> dict[str, Any]:
    """The settings as they will be stored; WrongShape or BadInput when the method cannot work with what is given.

    A LoRA run that starts from an adapter continues that one, so its rank, scale and dropout are stored.
    """
    if dataset.shape not in method.shapes:
        raise WrongShape(
            f"{method.title} takes data of the shape {' or '.join(method.shapes)}, but {dataset.title} holds {dataset.shape}. "
            "Choose another data set or another method."
        )
    values = parse_settings(method.settings, fitting(method, settings, start))
    if isinstance(values, rollouts.RolloutSettings):
        rollouts.check_enough(values, dataset.rows - held_out(values, dataset.rows))
    stored = dataclasses.asdict(values)
    if start is not None and 0 < start.context < stored["max_length"]:
        raise BadInput(
            f"max_length is {stored['max_length']:,}, and {start.name} takes {start.context:,} tokens. Set it to at most that."
        )
    if start is not None and "max_answer" in stored and 0 < start.context < stored["max_answer"] + rollouts.LEAST_PROMPT:
        raise BadInput(
            f"max_answer is {stored['max_answer']:,}, and {start.name} takes {start.context:,} tokens, the prompt among them. Lower it."
        )
    if stored["tuning"] == "qlora":
        loading.check_four_bits()
    if stored.get("generator") == "vllm":
        rollouts.check_generator("vllm")
    if stored.get("fresh") and stored["tuning"] != "full":
        raise BadInput("Random weights (fresh) have to be trained in full. Set tuning to full, or fresh to false.")
    if start is None or start.kind != "adapter":
        return stored
    if stored.get("fresh"):
        raise BadInput(
            f"Random weights (fresh) leave nothing of the adapter {start.name}. Start from its base, or set fresh to false."
        )
    return stored | (registry.lora_settings(start) if stored["tuning"] != "full" else {})


def pinned(home: Home, method: Method, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with each reference as the #id of what it names; NotFound or WrongShape when that is not there or does not fit."""
    stored = dict(settings)
    for setting in settings_of(method.settings):
        if setting.refers:
            stored |= rewarded.referred(home, stored, setting.name, setting.refers)
    return stored


def fitting(method: Method, settings: Mapping[str, Any], start: Model | None) -> dict[str, Any]:
    """The settings with ``max_length``, where it is at its default, at most what the model to start from takes; of prompts that it
    answers itself, what leaves room for the answer."""
    known = {s.name: s for s in settings_of(method.settings)}
    default = known["max_length"].default
    if start is None or not start.context or settings.get("max_length", default) != default:
        return dict(settings)
    room = start.context - rollouts.longest_answer(known, settings)
    most = room if room >= rollouts.LEAST_PROMPT else start.context  # where that is too little, the check says so
    return {**settings, "max_length": most} if most < default else dict(settings)


def checked(home: Home, method: Method, data: Dataset, settings: Mapping[str, Any], start: Model) -> dict[str, Any]:
    """The settings as they will be stored, looked at from all sides; raises as ``check``, ``pinned`` and ``rewarded.check`` do."""
    stored = pinned(home, method, check(method, data, settings, start))
    rewarded.check(home, data, stored, method)
    return stored


def check_seed(seed: int) -> None:
    """BadInput where a seed is none."""
    if not 0 <= seed <= LARGEST_SEED:
        raise BadInput(f"seed takes a whole number from 0 to {LARGEST_SEED}, not {seed}.")


def train(
    home: Home,
    *,
    method: str,
    model: str,
    dataset: str,
    settings: Mapping[str, Any],
    name: str | None = None,
    seed: int = 0,
    dtype: str = "auto",
    token: str | None = None,
    parent_id: int | None = None,
) -> Run:
    """Queue a training run. Nothing is stored when anything about it is wrong; the same token queues only one."""
    chosen, start, data = method_named(method), registry.registered(home, model), curate.find(home, dataset)
    if dtype not in ("auto", "float32", "bfloat16"):
        raise BadInput(f"dtype takes auto, float32 or bfloat16, not {dtype!r}.")
    check_seed(seed)
    stored = checked(home, chosen, data, settings, start)
    name = names.check(name, "a run") if name else names.made_from(f"{start.name}-{chosen.name}-{data.name}")
    free = shutil.disk_usage(home.root).free
    needed = room.needed(registry.base_of(home, start), start, stored)
    if free < needed:
        raise BadInput(
            f"The disk has {free / 1e9:.1f} GB free, and this run may need {needed / 1e9:.1f} GB. "
            "Free some space first, or keep fewer checkpoints."
        )
    recipe = Recipe(chosen.name, start.id, data.id, stored, seed, dtype)
    return runs.insert(home, kind="train", name=name, request=dataclasses.asdict(recipe), token=token, parent_id=parent_id)


def measure(
    home: Home,
    *,
    model: str,
    dataset: str,
    against: str | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    token: str | None = None,
    parent_id: int | None = None,
) -> Run:
    """Queue a measurement of a model or a deployment on a data set, and of another beside it; an answer ends after ``max_tokens``."""
    subject, data = freeze.kept(home, model), curate.find(home, dataset)
    other = freeze.kept(home, against) if against else None
    if other is not None and other.fingerprint == subject.fingerprint:
        raise BadInput(f"{subject.name} cannot be measured against itself. Name another model.")
    check_measured(data, home, limit=limit, max_tokens=max_tokens)
    request = {
        "model_id": subject.model.id,
        "dataset_id": data.id,
        "against_id": other.model.id if other else None,
        "subject": subject.reference,
        "against": other.reference if other else None,
        "limit": limit,
        "max_tokens": max_tokens,
    }
    name = f"{subject.name} on {data.title}"
    return runs.insert(home, kind="measure", name=name, request=request, token=token, parent_id=parent_id)


def check_measured(data: Dataset, home: Home, **numbers: int | None) -> None:
    """WrongShape or BadInput where answers to a data set cannot be scored, or one of the numbers is none to count by."""
    prompts.check_scored(home, data)
    for what, number in numbers.items():
        if number is not None and number < 1:
            raise BadInput(f"{what} takes a whole number of at least 1, not {number}.")


def judge(
    home: Home,
    *,
    model: str,
    dataset: str,
    name: str,
    token: str | None = None,
    parent_id: int | None = None,
    **how: Any,
) -> Run:
    """Queue the making of preference pairs ``name``: two answers of a model to each prompt, compared by the judge at ``address``.

    With ``revise`` the judge criticises one answer to each prompt and rewrites it, and demonstrations are made. ``how`` is what
    ``drawing.judged`` takes and refuses.
    """
    subject, data = registry.registered(home, model), curate.find(home, dataset)
    request = {"model_id": subject.id, "dataset_id": data.id, **drawing.judged(data, **how)}
    curate.check_version(home, name, "prompt_completion" if request["revise"] else "preference")
    name = names.check(name, "a data set")
    return runs.insert(home, kind="judge", name=name, request=request, token=token, parent_id=parent_id)


def sample(
    home: Home,
    *,
    model: str,
    dataset: str,
    name: str,
    token: str | None = None,
    parent_id: int | None = None,
    **how: Any,
) -> Run:
    """Queue the making of the data set ``name`` from several answers of a model to each prompt, of which some are kept. ``how`` is
    what ``drawing.sampled`` takes and refuses."""
    subject, data = registry.registered(home, model), curate.find(home, dataset)
    request = {"model_id": subject.id, "dataset_id": data.id, **drawing.sampled(home, data, **how)}
    curate.check_version(home, name, samples.shape(request["keep"]))
    name = names.check(name, "a data set")
    return runs.insert(home, kind="sample", name=name, request=request, token=token, parent_id=parent_id)


def export(
    home: Home,
    *,
    model: str,
    folder: str,
    merged: bool = False,
    register: str | None = None,
    token: str | None = None,
    parent_id: int | None = None,
) -> Run:
    """Queue the writing of a model as a folder; merging loads the weights, so it waits for its turn like any other run.

    With ``register`` the folder becomes a model of that name.
    """
    subject, target = registry.find(home, model), files.place(folder).resolve()
    registry.check_target(target)
    name = names.check(register, "a model") if register else None
    request = {"model_id": subject.id, "folder": str(target), "merged": merged, "register": name}
    called = f"{subject.name} to {target.name}"
    return runs.insert(home, kind="export", name=called, request=request, token=token, parent_id=parent_id)


def download(home: Home, id: str, name: str | None = None, token: str | None = None) -> Run:
    """Queue the download of a model from the hub; it is registered when it is whole. One that is under way is given back."""
    id, name = hub.check_id(id), names.check(name, "a model") if name else None
    under_way = next((run for run in live(home) if run.kind == "download" and run.request["id"] == id), None)
    return under_way or runs.insert(home, kind="download", name=id, request={"id": id, "name": name}, token=token)


def find(home: Home, run_id: int) -> Run:
    """The run of that number; NotFound otherwise."""
    run = runs.get(home, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def number(home: Home, reference: str) -> int:
    """The number of a run from its number, ``#number`` or name, of which the newest run is meant; NotFound otherwise."""
    named = db.number(reference.removeprefix("#"))
    if named is not None:
        return find(home, named).id
    run = runs.named(home, reference)
    if run is None:
        raise NotFound(f"There is no run {reference!r}. Name it by its number or its name.")
    return run.id


def stop(home: Home, run_id: int) -> Run:
    """Ask a run to stop: a queued one is taken out at once, a running one finishes its step and keeps a checkpoint."""
    run = find(home, run_id)
    if run.status == "queued" and runs.end(home, run_id, "stopped", before="queued", reason=_waited(run)):
        return find(home, run_id)
    if not runs.request_stop(home, run_id):
        raise TryLater(f"Run {run_id} has already ended: it is {find(home, run_id).status}.")
    return find(home, run_id)


def _waited(run: Run) -> str:
    return "Stopped while it waited to go on." if run.attempt else "Stopped before it began."


def resume(home: Home, run_id: int) -> Run:
    """Queue an ended run again; it continues from its newest whole checkpoint, or from the start where it has none."""
    run = find(home, run_id)
    if not runs.requeue(home, run_id):
        raise TryLater(f"Run {run_id} is {run.status}: only a failed, stopped or interrupted run can be resumed.")
    return find(home, run_id)


def again(home: Home, run_id: int, settings: Mapping[str, Any] | None = None, token: str | None = None) -> Run:
    """Queue a new run with the recipe of an old one and some settings changed."""
    run = find(home, run_id)
    if run.kind != "train":
        raise BadInput(f"Run {run_id} is of the kind {run.kind}; only a training run can be run again with changes.")
    recipe = run.recipe
    return train(
        home, method=recipe.method, model=f"#{recipe.model_id}", dataset=f"#{recipe.dataset_id}",
        name=names.made_from(run.name),
        settings={**recipe.settings, **(settings or {})}, seed=recipe.seed, dtype=recipe.dtype, token=token, parent_id=run.id,
    )  # fmt: skip


def reorder(home: Home, run_ids: Sequence[int]) -> list[Run]:
    """Put these queued runs first, in this order; returns the queue."""
    for run_id in run_ids:
        find(home, run_id)
    runs.reorder(home, run_ids)
    return runs.in_status(home, "queued")


def inputs(home: Home, run: Run) -> tuple[Model | None, Dataset | None]:
    """The model and the data set that a run was asked to work with, where they are still there."""
    return models.get(home, run.request.get("model_id", 0)), datasets.get(home, run.request.get("dataset_id", 0))


def live(home: Home) -> list[Run]:
    """Runs that are running or queued, the running first."""
    return sorted(runs.in_status(home, *LIVE), key=lambda run: run.status != "running")

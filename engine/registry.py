"""The models: taking weights in, saying where they lie, handing them out as folders, and letting them go."""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import names
from engine.errors import BadInput, Damaged, NotFound, TryLater, WrongShape
from engine.generation import fingerprint as prints
from engine.hub import INDEX, PARTS, weights_of
from engine.jobs import checkpoints, standing
from engine.methods.loading import context_of
from engine.methods.method import Trained
from storage import chains, deployments, events, files, models, runs
from storage.home import Home
from storage.records import LIVE, Checkpoint, Model, Run

WEIGHTS = "*.safetensors"
SHIPPED = Path(__file__).parents[1] / "assets"  # what lies there comes with every home


def find(home: Home, reference: str) -> Model:
    """The model of that name or #id; NotFound names what there is."""
    model = models.find(home, reference)
    if model is None:
        names = ", ".join(m.name for m in models.all(home)) or "none yet"
        raise NotFound(f"There is no model {reference!r}. The models are: {names}.")
    return model


def speaker(home: Home, reference: str) -> Model:
    """The model of that name or #id, or the checkpoint ``name@step`` of its run; WrongShape when it does not speak but gives answers
    a number."""
    model = _checkpoint(home, reference) or find(home, reference)
    if model.task != "language":
        raise WrongShape(
            f"{model.name} is a reward model: it gives answers a number and writes none. Name it in the reward of a run "
            "(model + 0.1 * ended) and choose a language model here."
        )
    return model


def registered(home: Home, reference: str) -> Model:
    """The language model of that name or #id. BadInput for a checkpoint, which may be cleared away and is in no registry."""
    model = speaker(home, reference)
    if not model.id:
        raise BadInput(f"{model.name} is a checkpoint, which may be cleared away. Keep it as a model first: `models keep`.")
    return model


def _checkpoint(home: Home, reference: str) -> Model | None:
    """The weights of a checkpoint as a model that is in no registry; None where ``reference`` names none."""
    name, at, step = reference.rpartition("@")
    if not at or not step.isdigit():
        return None
    known = models.find(home, name)
    run = runs.get(home, known.run_id) if known is not None and known.run_id else runs.named(home, name)
    if run is None:
        raise NotFound(f"There is no run of the name {name!r}, nor a model that came from one, so it has no checkpoints.")
    start, folder = models.get(home, run.request.get("model_id", 0)), _checkpoint_folder(home, run, int(step))
    if start is None:
        raise NotFound(f"What run {run.id} began with is no longer there, so its checkpoint cannot speak.")
    adapter = (folder / "adapter_config.json").exists()
    template = prints.template_of(places(home, start)[0] if adapter else folder, folder if adapter else None)
    return Model(
        id=0, name=f"{name}@{int(step)}", kind="adapter" if adapter else "model", path=str(folder), run_id=run.id, fingerprint="",
        base_id=(start.base_id if start.kind == "adapter" else start.id) if adapter else None, parameters=start.parameters,
        bytes=0, dtype=start.dtype, context=start.context, license=start.license, template=template.source,
        source=f"run {run.id}, step {step}", created_at=run.created_at, task=known.task if known is not None else "language",
    )  # fmt: skip


def _checkpoint_folder(home: Home, run: Run, step: int) -> Path:
    """Where a checkpoint of a run lies. NotFound names those that there are."""
    steps = [each.step for each in events.checkpoints(home, run.id)]
    if step not in steps:
        raise NotFound(f"Run {run.id} has no checkpoint of step {step}. On disk: {', '.join(map(str, steps)) or 'none'}.")
    return home.run(run.id) / checkpoints.FOLDER / f"step-{step:08d}"


def places(home: Home, model: Model) -> tuple[Path, Path | None]:
    """The folder of the base weights and that of the adapter on top, if the model is one."""
    if model.kind == "model":
        return Path(model.path), None
    return Path(base_of(home, model).path), Path(model.path)


def base_of(home: Home, model: Model) -> Model:
    """The model whose weights an adapter rests on; a whole model is its own."""
    base = model if model.kind == "model" else models.get(home, model.base_id or 0)
    if base is None:
        raise NotFound(f"The base model of {model.name} is gone. Register it again.")
    return base


def lora_settings(adapter: Model) -> dict[str, Any]:
    """Rank, scale and dropout of an adapter, by the names of the settings."""
    path = Path(adapter.path) / "adapter_config.json"
    with _reading(path):
        config = json.loads(path.read_text(encoding="utf-8"))
        return {"lora_rank": config["r"], "lora_alpha": config["lora_alpha"], "lora_dropout": config["lora_dropout"]}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes its reader stumble over is BadInput that names the file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as problem:
        raise BadInput(
            f"{path} cannot be read ({type(problem).__name__}: {str(problem) or 'no message'}). "
            "It is damaged or not there whole: fetch or copy the model again."
        ) from problem


def _count_parameters(folder: Path) -> int:
    """Numbers in the safetensors files that make up a folder's model, read from their headers alone."""
    index = None
    if (folder / INDEX).is_file():
        with _reading(folder / INDEX):
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            for name in index["weight_map"].values():
                (folder / name).stat()
    total = 0
    for name in sorted(weights_of((path.name for path in folder.glob(WEIGHTS)), index)):
        with _reading(folder / name), (folder / name).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= (folder / name).stat().st_size - 8:
                raise ValueError("its header does not fit into it")
            header = json.loads(file.read(length))
            total += sum(math.prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__")
    return total


def at(home: Home, folder: Path) -> Model | None:
    """The newest model whose weights lie in this folder, if one is registered."""
    return next((m for m in models.all(home) if Path(m.path).resolve() == folder.resolve()), None)


def register_folder(home: Home, folder: Path, name: str, source: str, license: str | None = None) -> Model:
    """Register the base model in a local folder; a folder that is registered and has not changed gives its model back.

    BadInput when it holds no safetensors weights or no configuration, or when one of its files is damaged.
    """
    name = names.check(name, "a model")
    config_path = folder / "config.json"
    if not config_path.is_file() or not any(folder.glob(WEIGHTS)):
        raise BadInput(
            f"{folder} is not a model that Temper reads: it needs config.json and weights as .safetensors. "
            "Weights in other formats can carry code and are never loaded."
        )
    with _reading(config_path):
        config = json.loads(config_path.read_text(encoding="utf-8"))
        text = config.get("text_config", config)
        dtype = str(config.get("dtype") or config.get("torch_dtype") or text.get("dtype") or "float32")
        context = context_of(config)
    parameters = _count_parameters(folder)
    with _reading(folder / "tokenizer_config.json"):
        template = prints.template_of(folder)
    mark = prints.fingerprint(folder, None, template.text, dtype)
    known = at(home, folder)
    if known is not None and known.fingerprint == mark:
        return known
    return models.insert(
        home, name=name, kind="model", path=str(folder), base_id=None, run_id=None,
        fingerprint=mark, parameters=parameters, bytes=files.size(folder), dtype=dtype, context=context,
        license=license, template=template.source, source=source, task="reward" if _scores(config) else "language",
    )  # fmt: skip


def _scores(config: dict[str, Any]) -> bool:
    """Whether a configuration is that of a reward model: a classifier with a single output."""
    architectures = config.get("architectures") or [""]
    return str(architectures[0]).endswith("ForSequenceClassification") and len(config.get("id2label") or "12") == 1


def register_trained(home: Home, run: Run, start: Model, trained: Trained) -> Model:
    """Register what a training run left. Called again for the same run, it gives the same model back."""
    known = models.of_run(home, run.id)
    if known is not None:
        return known
    task = str(trained.summary.get("task", "language"))
    return _insert(home, run.name, start, trained.folder, trained.kind, run_id=run.id, source=f"run {run.id}", task=task)


def _insert(home: Home, name: str, start: Model, folder: Path, kind: str, *, run_id: int | None, source: str, task: str) -> Model:
    """A model that was trained from ``start``."""
    base_id = (start.base_id if start.kind == "adapter" else start.id) if kind == "adapter" else None
    base, adapter = (places(home, start)[0], folder) if kind == "adapter" else (folder, None)
    template = prints.template_of(base, adapter)
    return models.insert(
        home, name=name, kind=kind, path=str(folder), base_id=base_id, run_id=run_id,
        fingerprint=prints.fingerprint(base, adapter, template.text, start.dtype), parameters=_count_parameters(folder),
        bytes=files.size(folder), dtype=start.dtype, context=start.context, license=start.license,
        template=template.source, source=source, task=task,
    )  # fmt: skip


def export(home: Home, model: Model, target: Path, merged: bool = False, note: Path | None = None) -> Path:
    """Write a model as a folder: the adapter or the whole weights as they are, or an adapter merged into its base.

    Merged logits are checked against those of base plus adapter before the folder takes its name. With a ``note``, a file that the
    run which asks keeps to itself, an export that was ended on the way is gone on with: a folder that the note says was written whole
    is given back, one that was half written is removed and written again.
    """
    if note is not None and _written(note, target):
        return target
    check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as problem:
        raise BadInput(
            f"{target} cannot be written ({problem.strerror}). Name a folder in a place that you may write."
        ) from problem
    try:
        if note is not None:
            files.write_text(note, json.dumps({"beside": str(beside), "files": None}))
        written = beside / "model"
        if merged and model.kind == "adapter":
            from engine.methods import merging

            merging.merge(*places(home, model), written, model.dtype)
        else:
            shutil.copytree(model.path, written, ignore=shutil.ignore_patterns(PARTS))
            (written / files.MANIFEST).unlink(missing_ok=True)
        if note is not None:
            # before the folder takes its name, or a kill between the two would leave one that nobody knows
            hashes = files.sealed(written) or files.synced(written)
            files.write_text(note, json.dumps({"beside": str(beside), "files": hashes}))
        if target.exists():
            target.rmdir()  # it was empty; what came into it meanwhile is not ours to delete
        files.replace_folder(written, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _written(note: Path, target: Path) -> bool:
    """Whether ``target`` holds what an export before noted that it wrote; what that one left half written is removed."""
    if not note.is_file():
        return False
    noted = json.loads(note.read_text(encoding="utf-8"))
    shutil.rmtree(noted["beside"], ignore_errors=True)
    return bool(noted["files"]) and files.holds(target, noted["files"])


def check_target(target: Path) -> None:
    """BadInput unless a model can be exported to ``target``: it does not exist, or is an empty folder."""
    if target.exists() and not target.is_dir():
        raise BadInput(f"{target} is a file. Name a folder that does not exist yet.")
    if target.exists() and any(target.iterdir()):
        raise BadInput(f"{target} is not empty. Name a folder that does not exist yet.")
    there = next(folder for folder in (target, *target.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise BadInput(f"{target} cannot be written, because {there} cannot. Name a folder in a place that you may write.")


def ships(model: Model) -> bool:
    """Whether a model comes with Temper, and so with every home."""
    return SHIPPED in Path(model.path).parents


def delete(home: Home, model_id: int) -> None:
    """Take a model out of the registry and its weights off the disk, if Temper wrote them.

    TryLater when other models rest on it, or a live run or a chain that is not done needs it; BadInput when it ships with Temper.
    """
    model = models.get(home, model_id)
    if model is None:
        raise NotFound(f"There is no model #{model_id}.")
    if ships(model):
        raise BadInput(f"{model.name} ships with Temper and stays: the samples and the first road begin with it.")
    resting = [m.name for m in models.dependents(home, model_id)]
    if resting:
        raise TryLater(f"{model.name} cannot go: {', '.join(resting)} rest on it. Delete these first.")
    if frozen := deployments.resting(home, model=model_id):
        raise TryLater(f"{model.name} cannot go: {', '.join(d.title for d in frozen)} deploys it. Delete the deployment first.")
    for run in runs.in_status(home, *LIVE):
        if model_id in standing.used(run.request):
            raise TryLater(f"{model.name} cannot go: run {run.id} ({run.name}) uses it. Stop it or wait for its end.")
    for chain in chains.unfinished(home):
        if model_id in standing.needed(home, chain):
            raise TryLater(
                f"{model.name} cannot go: the road {chain.name} (chain {chain.id}) needs it. Stop it or wait for its end."
            )
    models.delete(home, model_id)
    path = Path(model.path)
    if home.root in path.parents and at(home, path) is None:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class CheckpointUse:
    """What one run's checkpoints take on disk."""

    run: Run
    checkpoints: list[Checkpoint]

    @property
    def bytes(self) -> int:
        return sum(c.bytes for c in self.checkpoints)


def checkpoint_usage(home: Home) -> list[CheckpointUse]:
    """Every run with checkpoints on disk, largest first."""
    by_run: dict[int, list[Checkpoint]] = {}
    for checkpoint in events.checkpoints(home):
        by_run.setdefault(checkpoint.run_id, []).append(checkpoint)
    uses = [CheckpointUse(run, kept) for run_id, kept in by_run.items() if (run := runs.get(home, run_id)) is not None]
    return sorted(uses, key=lambda use: -use.bytes)


def keep_checkpoint(home: Home, run: Run, step: int | None = None, name: str | None = None) -> Model:
    """Make a model of a checkpoint of a run, by default the newest: a copy of its weights, which stays when checkpoints are cleared.

    NotFound where there is no such checkpoint, or what the run began with is gone; Damaged where it is not whole.
    """
    steps = [each.step for each in events.checkpoints(home, run.id)]
    step = (steps[-1] if steps else 0) if step is None else step
    source, target = _checkpoint_folder(home, run, step), home.models / f"run-{run.id}-step-{step}"
    name = names.check(name or f"{run.name} at {step}", "a model")
    start, known = models.get(home, run.request.get("model_id", 0)), at(home, target)
    if known is not None:
        return known
    if start is None:
        raise NotFound(f"What run {run.id} began with is no longer there, so its checkpoint cannot speak.")
    if not files.is_whole(source):
        raise Damaged(f"The checkpoint of step {step} of run {run.id} is not as it was written. Take another one.")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*checkpoints.NO_WEIGHTS))
    kind = "adapter" if (target / "adapter_config.json").exists() else "model"
    told = f"run {run.id}, step {step}"
    return _insert(home, name, start, target, kind, run_id=None, source=told, task="language")


def clear_checkpoints(home: Home, run_id: int, keep: int = 0) -> int:
    """Remove all but the newest ``keep`` checkpoints of a run that is not live; returns the bytes freed."""
    run = runs.get(home, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    if run.status in LIVE:
        raise TryLater(f"Run {run_id} is {run.status}: its checkpoints are needed. Wait for its end.")
    return checkpoints.clear(home, run_id, keep)

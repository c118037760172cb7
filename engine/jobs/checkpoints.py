"""Which checkpoint to resume from, what checkpoints take, and clearing them away."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from storage import events, files
from storage.home import Home
from storage.records import Run

FOLDER = "checkpoints"
# what a checkpoint holds to go on from, and a model does without
NO_WEIGHTS = (
    "*.pt",
    "*.pth",
    "*.bin",
    "trainer_state.json",
    "counters.json",
    "value_head.safetensors",
    "kl_control.json",
    files.MANIFEST,
)


@dataclass(frozen=True)
class Newest:
    """The newest whole checkpoint, and the steps of newer ones that are damaged."""

    folder: Path | None
    step: int
    damaged: tuple[int, ...]


def newest_whole(home: Home, run_id: int) -> Newest:
    """The newest checkpoint whose every file is as its manifest says. Damaged ones are counted, never read."""
    damaged = []
    for folder in sorted((home.run(run_id) / FOLDER).glob("step-*"), reverse=True):
        step = int(folder.name.removeprefix("step-"))
        if files.is_whole(folder):
            return Newest(folder, step, tuple(damaged))
        damaged.append(step)
    return Newest(None, 0, tuple(damaged))


def on_resume(home: Home, run: Run) -> str:
    """Where a resume of this run would go on, in a sentence."""
    if run.kind == "download":
        return "What was fetched is kept; resume fetches the rest."
    kept = events.checkpoints(home, run.id)
    if kept:
        return f"The checkpoint of step {kept[-1].step} is kept; resume continues from it."
    return "It has no checkpoint; resume begins at the start."


def clear(home: Home, run_id: int, keep: int = 0) -> int:
    """Remove all but the newest ``keep`` checkpoints of a run; returns the bytes that became free."""
    freed = 0
    for checkpoint in events.checkpoints(home, run_id)[: -keep or None]:
        freed += checkpoint.bytes
        drop(home, run_id, checkpoint.step)
    return freed


def drop(home: Home, run_id: int, step: int) -> None:
    """Remove the checkpoint of a step, on disk and on record."""
    events.drop_checkpoint(home, run_id, step)
    shutil.rmtree(home.run(run_id) / FOLDER / f"step-{step:08d}", ignore_errors=True)

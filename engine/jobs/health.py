"""What is so, computed from facts: the row, the kernel's locks, the age of the last sign of life."""

import time
from dataclasses import dataclass
from pathlib import Path

from engine.jobs import checkpoints, failures, processes
from storage import events, runs
from storage.home import Home
from storage.records import Run

STALLED_AFTER = 60.0  # seconds without a heartbeat
NO_PROGRESS_AFTER = 300.0  # seconds without a step, a phase or a checkpoint
INTERRUPT = "interrupt"  # the file in a run's folder that says: the engine asked for the stop
CLAIM_GRACE = 10.0  # seconds a claimed run may take until its worker holds the lock


@dataclass(frozen=True)
class RunView:
    """A run as it is now. ``status`` is the row's, unless the facts speak against it."""

    run: Run
    status: str
    alive: bool
    stalled: bool
    phase: str | None
    phase_done: float | None
    step: int
    steps: int
    eta_seconds: float | None
    heartbeat_age: float | None


@dataclass(frozen=True)
class EngineView:
    """Whether the engine runs, as which process and since when (seconds since the epoch)."""

    running: bool
    pid: int | None
    since: float | None


def lock_of(home: Home, run_id: int) -> Path:
    """The file whose lock a run's worker holds while it lives."""
    return home.run(run_id) / "alive.lock"


def _age(path: Path) -> float | None:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None


def alive(home: Home, run_id: int) -> bool:
    """Whether a worker of this run lives."""
    return processes.is_held(lock_of(home, run_id))


def kept(home: Home, run: Run) -> bool:
    """Whether the keeper of this run's attempt lives and has not yet written how its worker ended."""
    return processes.is_held(failures.keeper_lock(home.run(run.id), run.attempt))


def view(home: Home, run: Run) -> RunView:
    """The run with its signs of life, its phase and how far it is."""
    latest = events.latest(home, run.id)
    step = latest.get("loss", (0, 0.0))[0]
    steps = int(latest.get("planned_steps", (0, 0.0))[1])
    phases = events.of_run(home, run.id, "phase")
    phase = phases[-1].body if phases else {"name": None, "done": None}
    if run.status != "running":
        return RunView(run, run.status, False, False, phase["name"], phase["done"], step, steps, None, None)
    living = alive(home, run.id)
    beat, progress = _age(home.run(run.id) / "heartbeat"), _age(home.run(run.id) / "progress")
    stalled = living and ((beat or 0) > STALLED_AFTER or (progress or 0) > NO_PROGRESS_AFTER)
    pace = latest.get("seconds_per_step", (0, 0.0))[1]
    eta = (steps - step) * pace if steps and pace and phase["name"] == "training" else None
    gone = not living and (beat or 0) > CLAIM_GRACE and not kept(home, run)
    return RunView(run, "lost" if gone else run.status, living, stalled, phase["name"], phase["done"], step, steps, eta, beat)


def engine(home: Home) -> EngineView:
    """Whether this home's engine runs."""
    if not processes.is_held(home.root / "engine.lock"):
        return EngineView(False, None, None)
    identity = processes.read_identity(home.root / "engine.json")
    if identity is None or not identity.alive():  # it is just starting, and the file is that of one before it
        return EngineView(True, None, None)
    return EngineView(True, identity.pid, identity.started)


def reconcile(home: Home) -> list[int]:
    """Write the ending of runs whose worker is gone without one; returns their numbers. Only the engine calls this."""
    ended = []
    for run in runs.in_status(home, "running"):
        if alive(home, run.id):
            continue
        folder = home.run(run.id)
        if kept(home, run):
            continue  # its keeper is about to write how it ended, on a full disk once there is room
        if not (folder / "worker.json").exists() and not failures.exit_file(folder, run.attempt).exists():
            continue  # claimed, and its worker not there yet: the supervisor hands it over or gives it back
        current = runs.get(home, run.id)
        if current is None or (current.status, current.attempt) != ("running", run.attempt):
            continue  # the worker wrote its ending between the two looks, and the run may have begun anew
        _end(home, current)
        ended.append(run.id)
    return ended


def _end(home: Home, run: Run) -> None:
    """Write the ending of a run whose worker is gone: what was asked for where that ended it, else the failure."""
    failure = failures.of_exit(home, run)
    if failure.kind == "killed" and run.stop_requested:
        engine_stopped = (home.run(run.id) / INTERRUPT).exists()
        asked = "The engine was stopped, and the run" if engine_stopped else "Stopped: it"
        reason = f"{asked} did not end by itself in time. {checkpoints.on_resume(home, run)}"
        runs.end(home, run.id, "interrupted" if engine_stopped else "stopped", reason=reason)
        return
    status = "interrupted" if failure.kind == "lost" else "failed"
    runs.end(home, run.id, status, reason=failure.reason, failure=failure.kind, next_step=failure.next_step)

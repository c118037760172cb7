"""``make campaign``: kill the worker, the engine and the app at random moments, and count what was lost.

usage: python -m benchmarks.campaign [--kills N] [--seed S]
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import app
from benchmarks.lab import lab
from engine.jobs import processes, submit, supervisor
from storage import events, models
from storage.home import Home
from storage.records import LIVE, Run

STEPS = 24
SETTINGS = {"steps": STEPS, "batch_size": 4, "checkpoints": 5, "evaluations": 2, "evaluate_share": 0.01, "max_length": 128}
VICTIMS = ("worker", "engine", "app")
GONE = 15.0  # seconds until what was told to end must have ended
LONGEST = 600.0  # seconds a run may take


@dataclass(frozen=True)
class Result:
    """What a run left: its losses by step and the hash of its weights."""

    losses: tuple[tuple[int, float], ...]
    weights: str


def launch(home: Home, name: str) -> Run:
    return submit.train(home, method="sft", model="pocket", dataset="pocket-instructions", settings=SETTINGS, name=name, seed=5)


def result(home: Home, run: Run) -> Result:
    """What a run that has succeeded left."""
    made = models.of_run(home, run.id)
    assert made is not None
    weights = hashlib.sha256((Path(made.path) / "adapter_model.safetensors").read_bytes()).hexdigest()
    return Result(tuple(events.curve(home, run.id, "loss")), weights)


def finish(home: Home, run: Run) -> tuple[str, int]:
    """Wait for a run's end, resuming it when it ended badly; returns its last status and how often it was resumed."""
    resumed, deadline = 0, time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        supervisor.ensure(home)
        now = submit.find(home, run.id)
        if now.status == "succeeded":
            return now.status, resumed
        if now.status not in LIVE:
            submit.resume(home, run.id)
            resumed += 1
        time.sleep(0.1)
    return submit.find(home, run.id).status, resumed


def kill(home: Home, run: Run, victim: str, page: subprocess.Popen[bytes]) -> bool:
    """End a victim as hard as can be; False when it was not there any more."""
    if victim == "app":
        page.kill()
        page.wait()
        return True
    path = home.run(run.id) / "worker.json" if victim == "worker" else home.root / "engine.json"
    identity = processes.read_identity(path)
    if identity is None or not identity.alive():
        return False
    os.kill(identity.pid, signal.SIGKILL)
    return True


def one(home: Home, number: int, victim: str, rng: random.Random, pace: float, wanted: Result) -> Counter[str]:
    """One run with one kill at a random moment of its life."""
    page = app.start(home)
    try:
        app.address(home)
        run = launch(home, f"campaign-{number}")
        while submit.find(home, run.id).status == "queued":
            time.sleep(0.02)
        time.sleep(rng.uniform(0, pace))
        hit = kill(home, run, victim, page)
        status, resumed = finish(home, run)
    finally:
        page.kill()
        page.wait()
    count = Counter({"runs": 1, f"{victim} killed": int(hit), "resumed": resumed})
    if status != "succeeded":
        count["did not end"] += 1
        return count
    found = result(home, run)
    count["losses differ"] += found.losses != wanted.losses
    count["weights differ"] += found.weights != wanted.weights
    count["rows lost"] += len({s for s, _ in wanted.losses} - {s for s, _ in found.losses})
    return count


def kills(home: Home, count: int, rng: random.Random) -> Counter[str]:
    """Kill each victim ``count`` times, a run each; what came of it."""
    undisturbed = launch(home, "undisturbed")
    finish(home, undisturbed)
    again = launch(home, "undisturbed again")  # with a warm worker: the length of a life to aim into
    began = time.monotonic()
    finish(home, again)
    pace, wanted = time.monotonic() - began, result(home, again)
    print(f"an undisturbed run takes {pace:.1f} s", flush=True)
    assert wanted == result(home, undisturbed), "two undisturbed runs differ: nothing can be compared"
    total: Counter[str] = Counter()
    # a kill that came too late counts for nothing: it is tried again
    while (victim := min(VICTIMS, key=lambda v: total[f"{v} killed"])) and total[f"{victim} killed"] < count:
        total += one(home, total["runs"], victim, rng, pace, wanted)
        print(f"{total['runs']}: {victim}, {dict(total)}", flush=True)
    return total


def left_over(home: Home, before: int) -> int:
    """Processes of this home that still are there, and dead ones that nobody has taken leave of since ``before``."""
    ours = [p for p in psutil.process_iter(["cmdline"]) if str(home.root) in " ".join(p.info["cmdline"] or [])]
    return len(ours) + max(0, zombies() - before)


def zombies() -> int:
    return sum(p.info["status"] == psutil.STATUS_ZOMBIE for p in psutil.process_iter(["status"]))


def main() -> int:
    """Run the campaign; exit code 1 when anything was lost."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--kills", type=int, default=30, help="of each victim")
    given.add_argument("--seed", type=int, default=0)
    chosen = given.parse_args()
    rng, before = random.Random(chosen.seed), zombies()
    with lab() as home:
        total = kills(home, chosen.kills, rng)
    time.sleep(GONE)
    total["processes left"] = left_over(home, before)
    print(f"{total['runs']} runs, {dict(total)}")
    return int(any(total[name] for name in ("did not end", "losses differ", "weights differ", "rows lost", "processes left")))


if __name__ == "__main__":
    sys.exit(main())

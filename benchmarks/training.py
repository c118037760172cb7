"""The engine against a bare TRL script with the same settings."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import lengths, timing
from engine import prepare
from engine.data import curate
from engine.jobs import health, submit, supervisor
from engine.samples import pocket
from storage import events
from storage.home import Home
from storage.records import LIVE, Run

ROWS = pocket.SAMPLES / "pocket-instructions.jsonl"
STEPS, BATCH = 40, 8
SKIPPED = 5  # first steps, while caches fill
PLAIN: dict[str, Any] = {
    "steps": STEPS, "batch_size": BATCH, "learning_rate": 1e-3, "evaluations": 0, "checkpoints": 0, "evaluate_share": 0.0,
    "batching": "padded", "warmup": 0.0, "schedule": "linear", "max_length": 512,
}  # fmt: skip


@contextmanager
def lab() -> Iterator[Home]:
    """A fresh home with an engine."""
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        home = Home.resolve(folder)
        prepare.prepare(home)
        supervisor.ensure(home)
        try:
            yield home
        finally:
            supervisor.stop(home)


def bare(rows: Path, steps: int = STEPS) -> list[dict[str, float]]:
    """What the bare script prints, a dictionary a line."""
    command = [sys.executable, "-m", "benchmarks.bare_sft", str(pocket.POCKET), str(rows), str(steps), str(BATCH)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def run(home: Home, data: str, **settings: Any) -> Run:
    """One run to its end."""
    queued = submit.train(home, method="sft", model="pocket", dataset=data, settings={**PLAIN, **settings})
    while (now := submit.find(home, queued.id)).status in LIVE:
        time.sleep(0.1)
    assert now.status == "succeeded", now.reason
    return now


def warm(home: Home) -> None:
    """Wait until a warm worker waits for a run."""
    mark = home.logs / "warm"
    mark.unlink(missing_ok=True)
    while not mark.exists():
        time.sleep(0.1)


def step_seconds(home: Home, done: Run) -> float:
    """The median step of a run, the first ones left out."""
    return statistics.median(value for step, value in events.curve(home, done.id, "seconds_per_step") if step > SKIPPED)


def overhead() -> None:
    """Time per step under the engine, with a page that watches, against the bare script: at most 1.05 is claimed."""
    with lab() as home:
        watch = subprocess.Popen([sys.executable, "-m", "benchmarks.watcher", str(home.root)])
        try:
            figures = timing.interleaved(
                {
                    "bare": lambda: statistics.median(x["seconds"] for x in bare(ROWS) if "seconds" in x and x["step"] > SKIPPED),
                    "engine": lambda: step_seconds(home, run(home, "pocket-instructions")),
                }
            )
        finally:
            watch.terminate()
    print(*figures.values(), sep="\n")
    print(
        f"time per step under engine and live page / bare script: {figures['engine'].median / figures['bare'].median:.3f} (claimed: <= 1.05)"
    )


def launch() -> None:
    """Launch to first step with a warm worker, against a cold start of the bare script: at most 0.35 is claimed."""
    with lab() as home:

        def warm_start() -> float:
            began = time.time()
            queued = submit.train(
                home, method="sft", model="pocket", dataset="pocket-instructions", settings={**PLAIN, "steps": 2}
            )
            while "loss" not in events.latest(home, queued.id):
                time.sleep(0.02)
            taken = time.time() - began
            while submit.find(home, queued.id).status in LIVE:
                time.sleep(0.05)
            warm(home)
            return taken

        warm(home) if not (home.logs / "warm").exists() else None
        figures = timing.interleaved(
            {
                "cold script": lambda: next(x["since_start"] for x in bare(ROWS, 2) if x.get("step") == 1),
                "warm engine": warm_start,
            }
        )
    print(*figures.values(), sep="\n")
    print(
        f"launch to first step, warm worker / cold script: {figures['warm engine'].median / figures['cold script'].median:.3f} (claimed: <= 0.35)"
    )


def batching() -> None:
    """Tokens per second with the batching that the lengths call for, against the padded default, same rows per step."""
    with lab() as home:
        for name, claimed in (("lognormal", 1.8), ("equal", 0.95)):
            curate.add(home, lengths.FOLDER / f"{name}.jsonl", name)

            def seconds(way: str, name: str = name) -> float:
                done = run(home, name, batching=way)
                assert health.view(home, done).steps == STEPS
                return sum(value for step, value in events.curve(home, done.id, "seconds_per_step") if step > SKIPPED)

            # same seed, same rows, same tokens: the ratio of times is that of tokens per second
            figures = timing.interleaved({"padded": lambda s=seconds: s("padded"), "default": lambda s=seconds: s("auto")})
            print(*figures.values(), sep="\n")
            print(
                f"{name}: tokens per second, default / padded: {figures['padded'].median / figures['default'].median:.2f} (claimed: >= {claimed})"
            )

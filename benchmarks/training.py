"""The engine against a bare TRL script with the same settings."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import app, lengths, timing
from benchmarks.lab import ended, lab
from engine.data import curate
from engine.jobs import health, submit
from engine.samples import pocket
from storage import events
from storage.home import Home
from storage.records import LIVE, Run

ROWS = pocket.SAMPLES / "pocket-instructions.jsonl"
STEPS, BATCH = 40, 8
SKIPPED = 5  # first steps, while caches fill
WATCHED_STEPS, LOADING = 160, 60  # steps under a live page, and those during which the browser may still load it
PLAIN: dict[str, Any] = {
    "steps": STEPS, "batch_size": BATCH, "learning_rate": 1e-3, "evaluations": 0, "checkpoints": 0, "evaluate_share": 0.0,
    "batching": "padded", "warmup": 0.0, "schedule": "linear", "max_length": 512,
}  # fmt: skip


def bare(rows: Path, steps: int = STEPS) -> list[dict[str, float]]:
    """What the bare script prints, a dictionary a line."""
    command = [sys.executable, "-m", "benchmarks.bare_sft", str(pocket.POCKET), str(rows), str(steps), str(BATCH)]
    # with a cache of its own, so that it prepares its rows as a first start does, and as the engine does each time
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HF_DATASETS_CACHE": cache}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]


def launched(home: Home, data: str, **settings: Any) -> Run:
    """A run in the queue."""
    return submit.train(home, method="sft", model="pocket", dataset=data, settings={**PLAIN, **settings})


def warm(home: Home) -> None:
    """Wait until a warm worker waits for a run."""
    mark = home.logs / "warm"
    mark.unlink(missing_ok=True)
    while not mark.exists():
        time.sleep(0.1)


def step_seconds(home: Home, done: Run, skipped: int) -> float:
    """The median step of a run, the first ones left out."""
    return statistics.median(value for step, value in events.curve(home, done.id, "seconds_per_step") if step > skipped)


def overhead() -> None:
    """Time per step under the engine, with a browser that watches, against the bare script: at most 1.05 is claimed."""
    with lab() as home, app.watching(home) as tab:

        def watched() -> float:
            queued = launched(home, "pocket-instructions", steps=WATCHED_STEPS)
            tab.goto(f"{app.address(home)}/runs?run={queued.id}")
            done = ended(home, queued)
            # no step of the bare script has a browser that still loads its page beside it
            return step_seconds(home, done, LOADING)

        def alone() -> float:
            tab.goto("about:blank")
            told = bare(ROWS, WATCHED_STEPS)
            return statistics.median(x["seconds"] for x in told if "seconds" in x and x["step"] > LOADING)

        figures = timing.interleaved({"bare": alone, "engine": watched})
    print(*figures.values(), sep="\n")
    ratio = figures["engine"].median / figures["bare"].median
    print(f"time per step under engine and live page / bare script: {ratio:.3f} (claimed: <= 1.05)")


def launch() -> None:
    """Launch to first step with a warm worker, against a cold start of the bare script: at most 0.35 is claimed."""
    with lab() as home:

        def warm_start() -> float:
            began = time.time()
            queued = launched(home, "pocket-instructions", steps=2)
            while "loss" not in events.latest(home, queued.id):
                time.sleep(0.02)
            taken = time.time() - began
            while submit.find(home, queued.id).status in LIVE:
                time.sleep(0.05)
            warm(home)
            return taken

        if not (home.logs / "warm").exists():
            warm(home)
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
                done = ended(home, launched(home, name, batching=way))
                assert health.view(home, done).steps == STEPS
                return sum(value for step, value in events.curve(home, done.id, "seconds_per_step") if step > SKIPPED)

            # same seed, same rows, same tokens: the ratio of times is that of tokens per second
            figures = timing.interleaved({"padded": lambda s=seconds: s("padded"), "default": lambda s=seconds: s("auto")})
            print(*figures.values(), sep="\n")
            print(
                f"{name}: tokens per second, default / padded: {figures['padded'].median / figures['default'].median:.2f} (claimed: >= {claimed})"
            )

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

import psutil

from benchmarks import app, lengths, timing, turns
from benchmarks.lab import ended, lab, processes
from engine.data import curate
from engine.jobs import health, submit
from engine.samples import pocket
from storage import events
from storage.home import Home
from storage.records import LIVE, Run

ROWS = pocket.SAMPLES / "pocket-instructions.jsonl"
STEPS, BATCH = 40, 8
SKIPPED = 5  # first steps, while caches fill
DATA = {"sft": "pocket-instructions", "dpo": "pocket-preferences", "grpo": "pocket-sums"}
# what answers are long or short by changes as the model learns, so under reinforcement learning it hardly does; and the longest of
# a batch says how long its step takes, so answers end where nearly every batch has one that long
MORE: dict[str, dict[str, Any]] = {
    "grpo": {"batch_size": 32, "learning_rate": 1e-7, "answers": 8, "max_answer": 16, "beta": 0.02},
    "dpo": {"learning_rate": 1e-5},
}
ENDLESS, TURNS = 5000, 13  # more steps than the turns take, and the turns of each
PLAIN: dict[str, Any] = {
    "steps": STEPS, "batch_size": BATCH, "learning_rate": 1e-3, "evaluations": 0, "checkpoints": 0, "evaluate_share": 0.0,
    "batching": "padded", "warmup": 0.0, "schedule": "linear", "max_length": 512,
}  # fmt: skip


def bare(rows: Path, steps: int = STEPS) -> list[dict[str, float]]:
    """What the bare script prints, a dictionary a line."""
    # with a cache of its own, so that it prepares its rows as a first start does, and as the engine does each time
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HF_DATASETS_CACHE": cache}
        done = subprocess.run(bare_command(rows, steps), capture_output=True, text=True, check=True, env=environment)
    return json_lines(done.stdout)


def bare_command(rows: Path, steps: int, method: str = "sft") -> list[str]:
    """The command line of the bare script."""
    numbers = (str(steps), str(settings_of(method)["batch_size"]), str(settings_of(method)["learning_rate"]))
    return [sys.executable, "-m", "benchmarks.bare", method, str(pocket.POCKET), str(rows), *numbers]


def settings_of(method: str) -> dict[str, Any]:
    """The settings of a run that the bare script has too."""
    return {**PLAIN, **MORE.get(method, {})}


def json_lines(told: str) -> list[dict[str, float]]:
    """The whole lines among these that hold a dictionary."""
    return [json.loads(line) for line in told.splitlines() if line.startswith('{"') and line.endswith("}")]


def launched(home: Home, data: str, method: str = "sft", **settings: Any) -> Run:
    """A run in the queue."""
    given = {**settings_of(method), **settings}
    if method != "sft":
        del given["batching"]
    return submit.train(home, method=method, model="pocket", dataset=data, settings=given)


def warm(home: Home) -> None:
    """Wait until a warm worker waits for a run."""
    mark = home.logs / "warm"
    mark.unlink(missing_ok=True)
    while not mark.exists():
        time.sleep(0.1)


def overhead(method: str = "sft") -> None:
    """Time per step under the engine, alone and with a browser that watches, against the bare script: at most 1.05 is claimed."""
    data = DATA[method]
    with lab() as home, app.watching(home) as tab, tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "bare.txt"
        with told.open("w") as out:
            script = subprocess.Popen(
                bare_command(pocket.SAMPLES / f"{data}.jsonl", ENDLESS, method), stdout=out, stderr=subprocess.DEVNULL
            )
        queued = launched(home, data, method, steps=ENDLESS)
        tab.goto(f"{app.address(home)}/runs?run={queued.id}")

        def by_engine() -> list[float]:
            return [value for _, value in events.curve(home, queued.id, "seconds_per_step", ENDLESS)]

        def by_script() -> list[float]:
            return [line["seconds"] for line in json_lines(told.read_text()) if "seconds" in line]

        def page() -> list[psutil.Process]:
            # this process's own children, app and browser: no other browser of this machine is put to sleep
            return [p for p in psutil.Process().children(recursive=True) if p.pid != script.pid]

        programs = (
            turns.Program("bare", by_script, lambda: [psutil.Process(script.pid)]),
            turns.Program("engine", by_engine, lambda: processes(home)),
            turns.Program("engine and page", by_engine, lambda: [*processes(home), *page()]),
        )
        try:
            while min(len(by_engine()), len(by_script())) < SKIPPED:
                assert script.poll() is None, "The bare script ended."
                time.sleep(0.5)
            with turns.asleep(*programs):
                figures = timing.interleaved({p.name: lambda p=p: statistics.median(p.turn()) for p in programs}, TURNS)
        finally:
            script.kill()
            script.wait()
            submit.stop(home, queued.id)
            while submit.find(home, queued.id).status in LIVE:
                time.sleep(0.1)
    print(*figures.values(), sep="\n")
    alone, watched = (figures[name].median / figures["bare"].median for name in ("engine", "engine and page"))
    print(
        f"{method}: time per step under the engine / bare script {alone:.3f}, with a live page {watched:.3f} (claimed: <= 1.05)"
    )


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

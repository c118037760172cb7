"""How long a page takes to draw again, in a home with a thousand runs and a data set of a million rows."""

import os
import statistics
import tempfile
import time
from pathlib import Path

import polars

from engine import prepare
from engine.data import curate
from storage import events, runs
from storage.home import Home

ROUNDS = 7
RUNS, ROWS = 1000, 1_000_000
PAGES = ("home", "datasets", "labels", "train", "runs", "chat", "models")


def fill(home: Home, folder: Path) -> None:
    """A thousand runs with metrics, and a million rows."""
    prepare.prepare(home)
    rows = folder / "million.parquet"
    polars.DataFrame({"text": polars.int_range(ROWS, eager=True).cast(polars.String) + " is a number."}).write_parquet(rows)
    curate.add(home, rows, "million", shape="text")
    request = {"method": "sft", "model_id": 1, "dataset_id": 1, "settings": {}, "seed": 0, "dtype": "auto", "where": "local"}
    for number in range(RUNS):
        run = runs.insert(home, kind="train", name=f"run-{number}", request=request, token=None)
        events.add_metrics(home, run.id, [("loss", step, 1 / (step + 1)) for step in range(20)])
        runs.end(home, run.id, "stopped", before="queued", reason="made by the benchmark")


def reruns() -> None:
    """The median rerun of each page: at most 300 ms is claimed."""
    from streamlit.testing.v1 import AppTest

    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        os.environ["TEMPER_HOME"] = folder
        home = Home.resolve(folder)
        fill(home, Path(folder))
        app = Path(__file__).resolve().parents[1] / "app.py"
        slowest = 0.0
        for page in PAGES:
            tested = AppTest.from_file(str(app), default_timeout=120).run()
            if page != "home":
                tested.switch_page(f"pages/{page}/page.py").run()
            times = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                tested.run()
                times.append(time.perf_counter() - began)
            slowest = max(slowest, statistics.median(times))
            print(
                f"{page}: {statistics.median(times) * 1000:.0f} ms (from {min(times) * 1000:.0f} to {max(times) * 1000:.0f})",
                flush=True,
            )
        print(f"slowest page: {slowest * 1000:.0f} ms (claimed: <= 300)")

"""Roads for tests: stages to begin with, and the engine's next look with a run that has ended well."""

from typing import Any

from engine.jobs import chains
from engine.jobs.stages import read
from storage import datasets, models, runs
from storage.home import Home
from storage.records import Chain, Dataset, Run
from tests import filled

SFT = {"name": "sft", "method": "sft", "data": "pocket-instructions", "settings": {"steps": 5}}
DPO = {"name": "dpo", "method": "dpo", "data": "pocket-preferences", "settings": {"steps": 5}}
GRPO = {"name": "rl", "method": "grpo", "data": "pocket-sums"}
BEST = {"keep": "pairs", "rewards": "check"}
PAIRS = {"name": "pairs", "data": "pocket-sums", "sample": BEST}
JUDGE = {"address": "http://127.0.0.1:1/v1", "judge": "large"}
BAR = {"data": "pocket-instructions-held-out", "least": 0.8, "limit": 50}


def begun(home: Home, *stages: dict[str, Any]) -> Chain:
    return chains.begin(home, "road", "pocket", read(stages))


def next_run(home: Home) -> Run | None:
    """What the engine would queue and claim now."""
    chains.advance(home)
    chains.advance(home)  # looking twice queues nothing twice
    waiting = runs.in_status(home, "queued")
    assert len(waiting) <= 1, "one stage at a time"
    return runs.claim(home) if waiting else None


def succeed(home: Home, run: Run | None, **summary: Any) -> int:
    """The run has ended well, and a training has left an adapter; its number."""
    assert run is not None
    if run.kind == "train":
        base = next(m for m in models.all(home) if m.name == "pocket")
        task = "reward" if run.request["method"] == "reward" else "language"
        made = filled.model(home, run.name, "adapter", base, run.id, task=task)
        summary = {"model_id": made.id, **summary}
    runs.end(home, run.id, "succeeded", summary=summary)
    return int(summary.get("model_id", 0))


def status(home: Home, chain: Chain) -> tuple[str, list[str]]:
    now = chains.find(home, f"#{chain.id}")
    return now.status, [each.word for each in chains.standings(home, now)]


def filled_datasets(home: Home) -> list[Dataset]:
    return datasets.all(home)


def below_its_bar(pocket: Home) -> tuple[Chain, int, Run]:
    """A road that is held since its first model is below the bar; that model, and the run it is from."""
    chain = begun(pocket, {**SFT, "bar": BAR}, DPO)
    run = next_run(pocket)
    made = succeed(pocket, run)
    succeed(pocket, next_run(pocket), value=0.1, low=0.05, high=0.2, n=50)
    assert run is not None and next_run(pocket) is None
    return chains.find(pocket, f"#{chain.id}"), made, run

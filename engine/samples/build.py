"""Remakes what ships in assets: the sample data sets, and the Pocket model by this project's own pre-training method."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import polars

from engine import registry
from engine.commands import output
from engine.data import curate
from engine.jobs import submit, supervisor
from engine.samples import corpus, pocket, sets
from storage import files
from storage.home import Home

SEED = 2026
TOKENIZER_DOCUMENTS = 40_000
TOKENS_A_DOCUMENT = 88  # measured mean of the corpus under Pocket's tokenizer
SETTINGS: dict[str, Any] = {
    "max_length": 512,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "weight_decay": 0.1,
    "warmup": 0.02,
    "evaluate_share": 0.002,
    "evaluations": 20,
    "checkpoints": 20,
}
COMPILERS = ("c++", "g++", "clang++")


def build(home: Home, tokens: int, samples_only: bool) -> int:
    """Write assets/samples, and unless ``samples_only`` pre-train Pocket on ``tokens`` tokens and put it into assets/pocket."""
    sets.write(pocket.SAMPLES)
    output.note(f"wrote {len(sets.SAMPLES)} sample data sets to {pocket.SAMPLES}")
    if samples_only:
        return 0
    folder = home.root / "pocket-build"
    data, start = write_corpus(folder, tokens), folder / "untrained"
    documents = polars.read_parquet(data)["text"].head(TOKENIZER_DOCUMENTS).to_list()
    pocket.write_untrained(start, documents, SEED)
    base = registry.register_folder(home, start, "pocket-untrained", "pocket build")
    dataset = curate.add(home, data, "pocket-corpus", shape="text")
    settings = SETTINGS | {"compile": any(map(shutil.which, COMPILERS))}
    run = submit.train(
        home, method="pretrain", model=f"#{base.id}", dataset=f"#{dataset.id}", name="pocket-built", settings=settings, seed=7
    )
    supervisor.ensure(home)
    from engine.commands.runs import wait

    ended = wait(home, run.id)
    if ended.status != "succeeded":
        output.note(f"run {run.id} {ended.status}: {ended.reason}")
        return 4
    trained = registry.find(home, f"#{ended.summary['model_id']}")
    recipe = {
        "corpus": {"seed": SEED, "documents": dataset.rows, "sha256": dataset.sha256, "kinds": dict(corpus.KINDS)},
        "architecture": pocket.ARCHITECTURE,
        "method": "pretrain",
        "settings": run.recipe.settings,
        "result": dict(ended.summary),
    }
    pocket.adopt(Path(trained.path), recipe)
    output.as_json(json.loads((pocket.POCKET / "recipe.json").read_text()))
    return 0


def write_corpus(folder: Path, tokens: int) -> Path:
    """The first documents of the seeded corpus, about ``tokens`` tokens of them, as a Parquet file."""
    path = folder / "corpus.parquet"
    documents = list(itertools.islice(corpus.documents(SEED), max(1, tokens // TOKENS_A_DOCUMENT)))
    with files.writing(path) as beside:
        polars.DataFrame({"text": documents}).write_parquet(beside)
    return path

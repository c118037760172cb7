"""The Pocket lab: the small base model and the sample data sets that ship with Temper, and remaking them."""

import json
from pathlib import Path
from typing import Any

from engine import registry
from engine.data import curate
from storage import datasets, files, models
from storage.home import Home

ASSETS = Path(__file__).resolve().parents[2] / "assets"
POCKET, SAMPLES = ASSETS / "pocket", ASSETS / "samples"
NAME = "pocket"
# what each method learns from where a person has no data of their own yet
LEARNS = {
    "pretrain": "pocket-far-isle", "sft": "pocket-instructions", **dict.fromkeys(("dpo", "kto", "reward"), "pocket-preferences"),
    **dict.fromkeys(("ppo", "rloo", "grpo", "rejection"), "pocket-sums"),
}  # fmt: skip
NAMES = frozenset(file.stem for file in SAMPLES.glob("*.jsonl"))
LICENSE = "apache-2.0"

# Qwen3 (Yang et al. 2025), small enough for a laptop: 3.2 million weights
ARCHITECTURE: dict[str, Any] = {
    "vocab_size": 1024, "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 64, "intermediate_size": 704, "max_position_embeddings": 1024, "tie_word_embeddings": True,
    "eos_token_id": [0, 2], "pad_token_id": 0, "bos_token_id": None, "dtype": "bfloat16",
}  # fmt: skip


def register(home: Home) -> None:
    """Put Pocket and the sample data sets into a home that does not have them. Does nothing where they are there."""
    from engine.samples.sets import SAMPLES as TABLE

    if (POCKET / "config.json").exists() and models.find(home, NAME) is None:
        registry.register_folder(home, POCKET, NAME, "ships with Temper", LICENSE)
    for sample in TABLE:
        path = SAMPLES / f"{sample.name}.jsonl"
        if path.exists() and datasets.find(home, sample.name) is None:
            curate.add(home, path, sample.name, shape=sample.shape)


def write_untrained(folder: Path, documents: list[str], seed: int) -> None:
    """A folder with Pocket's tokenizer, learnt from ``documents``, and its architecture with random weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from engine.samples import tokenizer

    tokenizer.train(documents, folder)
    torch.manual_seed(seed)
    model: Any = Qwen3ForCausalLM(Qwen3Config(**ARCHITECTURE))
    model.to(torch.bfloat16).save_pretrained(folder)


def adopt(folder: Path, recipe: dict[str, Any]) -> None:
    """Make the trained weights in ``folder`` the Pocket model that ships, with the recipe that made them beside it."""
    import shutil

    beside = ASSETS / "pocket.writing"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(folder, beside)
    (beside / files.MANIFEST).unlink(missing_ok=True)
    files.write_text(beside / "recipe.json", json.dumps(recipe, indent=1) + "\n")
    files.replace_folder(beside, POCKET)

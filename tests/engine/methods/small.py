"""Tiny random models of real families, a reporter that keeps what it hears, and a method run over a few rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars

from engine.methods import METHODS
from engine.methods.method import Library, Trained, Training, parse_settings
from engine.samples import tokenizer as samples

SIZES = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "Qwen3": {"head_dim": 8},
    "Llama": {},
    "Gemma3Text": {"head_dim": 8, "sliding_window": 16},
    "Mistral": {"sliding_window": None},
    "Phi3": {},
    "SmolLM3": {},
}
ROWS = [{"prompt": f"What is {i} plus one?", "completion": f"It is {i + 1}."} for i in range(1, 60)]


class Silent:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.lines: list[str] = []
        self.asked: list[str] = []
        self.answered: list[tuple[int, str]] = []
        self.checkpoints: list[tuple[int, Path]] = []
        self.phases: list[str] = []

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        for series, value in values.items():
            self.values.setdefault(series, []).append(value)

    def phase(self, name: str, done: float | None = None) -> None:
        self.phases.append(name)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def sample(self, step: int, prompt: str, text: str) -> None:
        self.asked.append(prompt)
        self.answered.append((step, text))

    def checkpoint(self, step: int, folder: Path, keep: int = 0) -> None:
        self.checkpoints.append((step, folder))

    def flush(self) -> None: ...

    def stop_requested(self) -> bool:
        return False


def make(folder: Path, family: str) -> Path:
    """A tiny random model of a family, with a tokenizer of its own."""
    import torch
    import transformers

    samples.train([row["prompt"] + " " + row["completion"] for row in ROWS], folder, vocabulary=300, context=128)
    config = getattr(transformers, f"{family}Config")(**{**SIZES, **FAMILIES[family]})
    torch.manual_seed(0)
    getattr(transformers, f"{family.removesuffix('Text')}ForCausalLM")(config).save_pretrained(folder)
    return folder


def training(
    method: str, base: Path, folder: Path, rows: list[dict[str, Any]], shape: str, adapter: Path | None = None, **settings: object
) -> tuple[Training, Silent]:
    """What a method is given to train a few steps on the rows, and the reporter in it."""
    folder.mkdir(parents=True)
    polars.DataFrame(rows).write_parquet(folder / "rows.parquet")
    given = {
        "steps": 6, "batch_size": 4, "evaluate_share": 0.0, "checkpoints": 0, "learning_rate": 5e-3, "lora_rank": 4, **settings,
    }  # fmt: skip
    heard = Silent()
    return Training(
        settings=parse_settings(METHODS[method].settings, given), base=base, adapter=adapter, data=folder / "rows.parquet",
        shape=shape, seed=0, dtype="float32", folder=folder, resume_from=None, reporter=heard,
        library=Library(lambda file: (Path(file), "text"), lambda folder: (Path(folder), None)),
    ), heard  # fmt: skip


def run(
    method: str, base: Path, folder: Path, rows: list[dict[str, Any]], shape: str, adapter: Path | None = None, **settings: object
) -> tuple[Trained, Silent]:
    """Train on the rows; returns what came out and what was reported."""
    asked, heard = training(method, base, folder, rows, shape, adapter, **settings)
    return METHODS[method].train(asked), heard

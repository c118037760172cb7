"""The memory that preference training takes beside fine-tuning on as many rows: no second model is loaded."""

import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.lab import lab, processes
from engine import registry
from engine.data import curate
from engine.jobs import submit
from engine.samples import pocket
from storage import files
from storage.home import Home
from storage.records import LIVE

SHAPE = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
}
STEPS, ROWS = 6, 8  # rows of a step: so many for SFT, half as many pairs
SETTINGS: dict[str, Any] = {"steps": STEPS, "evaluations": 0, "checkpoints": 0, "evaluate_share": 0.0, "max_length": 512}


def peak() -> None:
    """Peak memory of the worker, LoRA DPO over LoRA SFT on the same texts: at most 1.15 is claimed."""
    with lab() as home, tempfile.TemporaryDirectory() as folder:
        registry.register_folder(home, made(Path(folder) / "model"), "quarter-billion", "random weights")
        pairs = [json.loads(line) for line in (pocket.SAMPLES / "pocket-preferences.jsonl").read_text().splitlines()]
        rows = [{"prompt": pair["prompt"], "completion": pair[side]} for pair in pairs for side in ("chosen", "rejected")]
        files.write_text(Path(folder) / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        curate.add(home, Path(folder) / "rows.jsonl", "same-texts", "prompt_completion")
        found = {
            "sft": measured(home, "sft", "same-texts", batch_size=ROWS, micro_batch=ROWS, batching="padded"),
            "dpo": measured(home, "dpo", "pocket-preferences", batch_size=ROWS // 2, micro_batch=ROWS // 2),
        }
    print(*(f"{name}: {size / 1e9:.2f} GB" for name, size in found.items()), sep="\n")
    print(f"peak memory, LoRA DPO / LoRA SFT on as many rows: {found['dpo'] / found['sft']:.2f} (claimed: <= 1.15)")


def made(folder: Path) -> Path:
    """A random model of a quarter of a billion weights with Pocket's tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config

    tokenizer = AutoTokenizer.from_pretrained(pocket.POCKET)
    tokenizer.save_pretrained(folder)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen3Config(**SHAPE, **ends, vocab_size=len(tokenizer), head_dim=64, max_position_embeddings=1024)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def measured(home: Home, method: str, data: str, **settings: Any) -> int:
    """The most bytes that the worker of a run held."""
    run = submit.train(home, method=method, model="quarter-billion", dataset=data, settings={**SETTINGS, **settings})
    most = 0
    while (now := submit.find(home, run.id)).status in LIVE:
        # the warm worker that waits for the next run is far smaller than the one that works
        most = max([most, *map(_held, processes(home))])
        time.sleep(0.05)
    assert now.status == "succeeded", now.reason
    return most


def _held(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.memory_info().rss if "engine.jobs.worker" in process.cmdline() else 0
    return 0

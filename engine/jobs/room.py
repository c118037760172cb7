"""The room that a training run takes on disk at the most: the checkpoints that lie there at once, and its result."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.records import Model

CHECKPOINT_BYTES = 12  # a trained weight in float32 with Adam's two moments
LORA_SHARE = 0.02  # of a model's weights, where its configuration does not tell more
BESIDE = 256 * 1024 * 1024  # bytes for the log, figures, and everything else on the disk


def needed(base: Model, start: Model, settings: Mapping[str, Any]) -> int:
    """Bytes of disk for a run that trains ``start``, which is ``base`` itself or an adapter on it."""
    full = settings["tuning"] == "full"
    if full:
        trained = base.parameters
    else:
        trained = start.parameters if start.kind == "adapter" else lora_weights(base, settings["lora_rank"])
    # a new one is whole before the oldest goes; a stop writes one more than was planned
    most, kept = settings["checkpoints"] + 1, settings["keep_checkpoints"]
    at_once = min(most, kept + 1) if kept else most
    result = trained * (2 if base.dtype.endswith("16") else 4)
    return trained * CHECKPOINT_BYTES * at_once + result + BESIDE


def lora_weights(base: Model, rank: int) -> int:
    """About how many weights an adapter of this rank on every linear layer has."""
    try:
        config = json.loads((Path(base.path) / "config.json").read_text(encoding="utf-8"))
        config = config.get("text_config", config)
        # four square matrices of attention and three of the feed-forward block, each with rows and columns
        return rank * config["num_hidden_layers"] * (11 * config["hidden_size"] + 3 * config["intermediate_size"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return int(base.parameters * LORA_SHARE)

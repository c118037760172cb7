"""Settings that every gradient-based method shares, and how they become the trainer's arguments."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from engine.methods.loading import Device
from engine.methods.method import setting

TUNINGS = {
    "lora": "Trains a small adapter beside the frozen base (Hu et al. 2021)",
    "qlora": "The same over a base held in 4 bits (Dettmers et al. 2023), for models that would not fit; needs bitsandbytes",
    "full": "Trains every weight",
}
# transformers' plain "constant" knows no warm-up
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
OPTIMIZER = "adamw_torch_fused"
ACTIVATION_BYTES = 60  # per token and root of the number of weights, measured on small Qwen3 models
ACTIVATION_SHARE = 0.25  # of the memory, for activations


@dataclass(frozen=True)
class CommonSettings:
    """What any method of gradient descent asks for."""

    RATE: ClassVar[float] = 1.0  # the method's share of the learning rate that suits supervised fine-tuning
    LEAST_ROWS: ClassVar[int] = 1  # rows that have to be computed at once
    MOST_HELD_OUT: ClassVar[int] = 200  # rows: each evaluation reads them all

    learning_rate: float = setting(
        0.0, "Size of a step. 0 chooses it from the model's size and the tuning, and says so", low=0, high=1
    )
    epochs: float = setting(3.0, "How often every row is seen; used when steps is 0", low=0.01, high=1000)
    steps: int = setting(0, "Optimiser steps to make; 0 means as many as the epochs come to", low=0, high=10_000_000)
    batch_size: int = setting(16, "Rows per optimiser step", low=1, high=4096)
    micro_batch: int = setting(
        0, "Rows computed at once; the rest of the batch is accumulated. 0 chooses it from the memory", low=0, high=4096
    )
    max_length: int = setting(512, "Longest row in tokens; what is longer is cut at the end", low=8, high=1_048_576)
    warmup: float = setting(0.05, "Share of the steps over which the learning rate rises from 0", low=0, high=1)
    schedule: str = setting("cosine", "How the learning rate falls after that", choices=tuple(SCHEDULES), group="Optimiser")
    weight_decay: float = setting(0.0, "Pull of the weights towards 0", low=0, high=1, group="Optimiser")
    clip: float = setting(1.0, "Largest norm of a gradient; longer ones are shortened", low=0.001, high=1000, group="Optimiser")
    evaluate_share: float = setting(
        0.05, "Share of the rows held out to measure the loss on, at most 200 of them", low=0, high=0.5, group="Watching"
    )
    evaluations: int = setting(
        5, "How often the held-out loss is measured and samples are written", low=0, high=1000, group="Watching"
    )
    checkpoints: int = setting(3, "How many checkpoints are written on the way", low=0, high=1000, group="Watching")
    keep_checkpoints: int = setting(2, "How many of them are kept, the newest; 0 keeps all", low=0, high=1000, group="Watching")

    def computed(self, rows: int, longest: int) -> tuple[int, int]:
        """How many rows of how many tokens are computed in a pass over ``rows`` rows of the data, the longest of ``longest``."""
        return rows, longest

    def replayed(self, rows: int) -> int:
        """How many rows of other data are mixed in to a pass over ``rows`` rows."""
        return 0


@dataclass(frozen=True)
class LoraSettings:
    """What LoRA asks for (Hu et al. 2021)."""

    tuning: str = setting(
        "lora", "What is trained: an adapter, an adapter over a base in 4 bits, or every weight", choices=TUNINGS, group="LoRA"
    )
    lora_rank: int = setting(16, "Rank of the adapter's matrices", low=1, high=1024, group="LoRA")
    lora_alpha: int = setting(32, "Scale of the adapter; divided by the rank", low=1, high=4096, group="LoRA")
    lora_dropout: float = setting(0.0, "Share of the adapter's inputs dropped while training", low=0, high=0.9, group="LoRA")


@dataclass(frozen=True)
class Plan:
    """The choices that follow from data, model and machine, each with its reason, made before the first step."""

    steps: int
    micro_batch: int
    accumulation: int
    learning_rate: float
    bfloat16: bool
    reasons: dict[str, str]


def auto_learning_rate(parameters: int, tuning: str) -> float:
    """A rate that has proven itself for this size: it falls as a power of the number of weights.

    Full fine-tuning: 1e-3 at 3 million weights, 1e-5 at 7 billion and above, bounded by these. LoRA takes ten times more
    above 50 million weights, and three times more below.
    """
    slope = math.log(1e-3 / 1e-5) / math.log(7e9 / 3e6)
    rate = 1e-3 * (3e6 / max(parameters, 1)) ** slope
    rate = min(1e-3, max(1e-5, rate))
    return float(f"{rate * (1 if tuning == 'full' else 10 if parameters > 5e7 else 3):.2g}")


def learning_rate(settings: Any, parameters: int) -> float:
    """The rate that was set, else the one for this size and tuning times the share that the method takes of it."""
    return settings.learning_rate or float(f"{auto_learning_rate(parameters, settings.tuning) * settings.RATE:.2g}")


def held_out(settings: Any, rows: int) -> int:
    """How many of ``rows`` are kept out of the training: the share that was asked for, and no more than tell the loss well."""
    return min(int(rows * settings.evaluate_share), settings.MOST_HELD_OUT)


def optimizer_steps(settings: Any, rows: int) -> int:
    """Steps over ``rows`` training rows (or blocks): as many as were asked for, else what the epochs come to."""
    return settings.steps or max(1, math.ceil(math.ceil(rows / settings.batch_size) * settings.epochs))


def rows_at_once(settings: Any, parameters: int, longest: int, memory: int) -> int:
    """The micro-batch: as asked for, else what fits into a quarter of ``memory`` bytes; it divides the batch.

    Counted with activations of about 60 bytes per token and root of the number of weights.
    """
    fitting = int(memory * ACTIVATION_SHARE / (ACTIVATION_BYTES * longest * math.sqrt(max(parameters, 1))))
    possible = _parts(settings.batch_size, settings.LEAST_ROWS)
    return max((n for n in possible if n <= (settings.micro_batch or fitting)), default=possible[0])


def _parts(batch: int, least: int) -> list[int]:
    """The micro-batches of at least so many rows that a batch can be divided into, the smallest first."""
    return [n for n in range(least, batch + 1) if batch % n == 0]


def fewer_at_once(batch: int, least: int, micro: int) -> int | None:
    """The micro-batch to take where ``micro`` rows at once were too many: a quarter, or the next that divides the batch; None
    where there is no smaller one."""
    smaller = [n for n in _parts(batch, least) if n < micro]
    return max((n for n in smaller if n <= micro // 4), default=smaller[0] if smaller else None)


def plan(settings: Any, rows: int, parameters: int, dtype: str, device: Device, longest: int) -> Plan:
    """Steps, micro-batch, rate and precision for ``rows`` training rows (or blocks), the longest of ``longest`` tokens."""
    reasons = {}
    micro = rows_at_once(settings, parameters, longest, device.memory)
    reasons["micro_batch"] = f"{micro} rows at once" + (
        ", so that a step fits into memory" if micro < settings.batch_size else ""
    )
    rate = learning_rate(settings, parameters)
    if not settings.learning_rate:
        reasons["learning_rate"] = f"{rate:g}, from the model's {parameters / 1e6:.1f}M weights and {settings.tuning} tuning"
    bfloat16 = dtype == "bfloat16" or (dtype == "auto" and device.bfloat16)
    reasons["dtype"] = "bfloat16 matrix products, float32 weights" if bfloat16 else "float32"
    return Plan(optimizer_steps(settings, rows), micro, settings.batch_size // micro, rate, bfloat16, reasons)


def trainer_arguments(settings: Any, chosen: Plan, folder: Path, seed: int, on_cpu: bool) -> dict[str, Any]:
    """The arguments of transformers' Trainer that the common settings stand for.

    TRL turns bf16 and gradient checkpointing on by default; on a CPU checkpointing only costs time, so it is off.
    """

    def every(times: int) -> int:
        return math.ceil(chosen.steps / (times + 1)) if times else chosen.steps + 1

    return {
        "output_dir": str(folder),
        "max_steps": chosen.steps,
        "per_device_train_batch_size": chosen.micro_batch,
        "per_device_eval_batch_size": chosen.micro_batch,
        "gradient_accumulation_steps": chosen.accumulation,
        "learning_rate": chosen.learning_rate,
        "lr_scheduler_type": SCHEDULES[settings.schedule],
        "warmup_steps": round(settings.warmup * chosen.steps),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip,
        "optim": OPTIMIZER,
        "bf16": chosen.bfloat16,
        "activation_checkpointing": not on_cpu,
        "use_cpu": on_cpu,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # or a loss that is no number would be shown as 0
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": seed,
        "data_seed": seed,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": not on_cpu,
        "push_to_hub": False,
        "eval_steps": every(settings.evaluations),
        "save_steps": every(settings.checkpoints),
    }

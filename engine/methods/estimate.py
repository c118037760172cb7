"""What a training run will need, before it starts: memory from the model's size, time from what such runs took here before."""

from dataclasses import dataclass
from typing import Any

import psutil

from storage import events, models, runs
from storage.home import Home
from storage.records import Model

ADAM_BYTES = 16  # float32 weights, gradients and two moments of each trained weight
FROZEN_BYTES = 4  # float32 weights of a frozen base
ACTIVATION = 60  # bytes per token and root of the number of weights, measured on small Qwen3 models
WORKER_BYTES = 900_000_000  # a worker with its libraries before it has a model
LOOKED_AT = 50  # earlier runs to learn the pace from


@dataclass(frozen=True)
class Estimate:
    """Predicted memory in bytes and time in seconds; ``seconds`` is None where no run of this model was measured yet."""

    memory: int
    available: int
    fits: str  # "fits", "tight" or "exceeds"
    steps: int
    seconds: float | None
    basis: str


def estimate(home: Home, model: Model, settings: Any, rows: int, mean_length: float, longest: int) -> Estimate:
    """The memory and time of a run over ``rows`` rows with these settings."""
    lora = settings.tuning == "lora"
    trained = model.parameters * (0.02 if lora else 1.0)
    batch = settings.micro_batch or settings.batch_size
    activations = ACTIVATION * batch * min(longest, settings.max_length) * model.parameters**0.5
    memory = int(trained * ADAM_BYTES + (FROZEN_BYTES * model.parameters if lora else 0) + activations + WORKER_BYTES)
    available = psutil.virtual_memory().available
    fits = "exceeds" if memory > available else "tight" if memory > 0.8 * available else "fits"
    kept = rows * (1 - settings.evaluate_share)
    steps = settings.steps or max(1, round(settings.epochs * kept / settings.batch_size))
    pace, count = _pace(home, model)
    tokens = steps * settings.batch_size * min(mean_length, settings.max_length)
    seconds = tokens / pace if pace else None
    basis = f"from {count} earlier runs of this model on this machine" if pace else "no run of this model was measured here yet"
    return Estimate(memory, available, fits, steps, seconds, basis)


def _pace(home: Home, model: Model) -> tuple[float | None, int]:
    """Tokens per second that earlier runs of this model made, and how many runs that rests on."""
    paces = []
    for run in runs.page(home, LOOKED_AT):
        start = models.get(home, run.request.get("model_id", 0)) if run.kind == "train" else None
        if start is None or model.id not in (start.id, start.base_id):
            continue
        latest = events.latest(home, run.id)
        if "tokens" in latest and "training_seconds" in latest and latest["training_seconds"][1] > 1:
            paces.append(latest["tokens"][1] / latest["training_seconds"][1])
    return (sorted(paces)[len(paces) // 2], len(paces)) if paces else (None, 0)

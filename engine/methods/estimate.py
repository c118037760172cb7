"""What a training run will need, before it starts: memory from the model's size, time from what such runs took here before."""

from dataclasses import dataclass
from typing import Any

from engine import machine
from engine.methods.arguments import ACTIVATION_BYTES, held_out, learning_rate, optimizer_steps, rows_at_once
from storage import events, models, runs
from storage.home import Home
from storage.records import Model

ADAM_BYTES = 16  # float32 weights, gradients and two moments of each trained weight
FROZEN_BYTES = 4  # float32 weights of a frozen base
QUARTER_BYTES = 0.6  # the same in 4 bits, with their scales
WORKER_BYTES = 900_000_000  # a worker with its libraries before it has a model
HOST_BYTES = 500_000_000  # the model host with its libraries before it has a model
FORWARD = 1 / 3  # of the time of a training step is what reading the same rows takes
LOOKED_AT = 50  # earlier runs to learn the pace from


@dataclass(frozen=True)
class Estimate:
    """Predicted memory in bytes and time in seconds; ``seconds`` is None where no run of this model was measured yet."""

    memory: int
    available: int
    fits: str  # "fits", "tight" or "exceeds"
    steps: int
    rows_at_once: int
    learning_rate: float
    seconds: float | None
    basis: str


def training_bytes(parameters: int, tuning: str, tokens: int) -> int:
    """Memory in bytes to train a model of so many weights with batches of so many tokens; ``tuning`` is lora, qlora or full."""
    trained = int(parameters * (1.0 if tuning == "full" else 0.02))
    frozen = int({"lora": FROZEN_BYTES, "qlora": QUARTER_BYTES, "full": 0}[tuning] * parameters)
    return trained * ADAM_BYTES + frozen + int(ACTIVATION_BYTES * tokens * parameters**0.5) + WORKER_BYTES


def chat_bytes(parameters: int, gpu: bool) -> int:
    """Memory in bytes to answer with a model: its weights in bfloat16 on a GPU and float32 on a CPU, and the host."""
    return parameters * (2 if gpu else FROZEN_BYTES) + HOST_BYTES


def label(need: int, free: int) -> str:
    """``fits``, ``tight`` (more than four fifths of what is free) or ``exceeds``."""
    return "exceeds" if need > free else "tight" if need > 0.8 * free else "fits"


def estimate(home: Home, model: Model, method: str, settings: Any, rows: int, mean_length: float, longest: int) -> Estimate:
    """The memory and time of a run of a method over ``rows`` rows with these settings, in the micro-batch that the trainer would
    take. How long the model's own answers get nobody knows before: the time of reinforcement learning comes from answers a second.
    """
    base = models.get(home, model.base_id) if model.base_id else None
    weights = model.parameters + (base.parameters if base else 0)
    here = machine.look(home)
    held = held_out(settings, rows)
    learnt = rows - held
    computed, length = settings.computed(learnt + settings.replayed(learnt), min(longest, settings.max_length))
    micro = rows_at_once(settings, weights, length, here.memory)
    memory = training_bytes(weights, settings.tuning, micro * length)
    steps = optimizer_steps(settings, computed)
    by_answers = settings.computed(1, 1)[0] > 1
    pace, count = _pace(home, model, method, by_answers)
    looked = 0 if by_answers else held * (settings.evaluations + 1) * FORWARD
    each = 1.0 if by_answers else min(mean_length, settings.max_length) * settings.computed(1, 1)[1]
    seconds = (steps * settings.batch_size + looked) * each / pace if pace else None
    kind = "runs of this method" if count != 1 else "run of this method"
    basis = (
        f"from {count} earlier {kind} with this model here"
        if pace
        else "no run of this method with this model was measured here yet"
    )
    fits = label(memory, here.memory_free)
    rate = learning_rate(settings, weights)
    return Estimate(memory, here.memory_free, fits, steps, micro, rate, seconds, basis)


def _pace(home: Home, model: Model, method: str, by_answers: bool) -> tuple[float | None, int]:
    """Tokens (or answers) a second that earlier runs of a method with this model made, and how many runs that rests on."""
    paces = []
    for run in runs.page(home, LOOKED_AT):
        start = models.get(home, run.request.get("model_id", 0)) if run.kind == "train" else None
        if start is None or run.request["method"] != method or not {start.id, start.base_id} & {model.id, model.base_id} - {None}:
            continue
        latest = events.latest(home, run.id)
        if "tokens" in latest and "training_seconds" in latest and latest["training_seconds"][1] > 1:
            answers = latest["tokens"][0] * run.recipe.settings["batch_size"]
            paces.append((answers if by_answers else latest["tokens"][1]) / latest["training_seconds"][1])
    return (sorted(paces)[len(paces) // 2], len(paces)) if paces else (None, 0)

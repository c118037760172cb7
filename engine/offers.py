"""Models to start from: a short list, and whether a model of some size fits this machine."""

from dataclasses import dataclass

from engine.machine import Machine
from engine.methods import estimate

WORKS = ("chat", "lora", "full")
BATCH = 2048  # tokens a training step holds at once when nothing else is known: four rows of 512


@dataclass(frozen=True)
class Offer:
    """A model worth starting from: id on the hub, number of weights, licence, context in tokens, what it is good for.

    ``bytes`` is what its download takes, at two bytes a weight where nothing else is known.
    """

    id: str
    parameters: int
    license: str
    context: int
    about: str
    bytes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", self.bytes or 2 * self.parameters)


OFFERS = (
    Offer("HuggingFaceTB/SmolLM2-135M-Instruct", 134_500_000, "apache-2.0", 8192, "For a laptop's CPU; follows instructions"),
    Offer("HuggingFaceTB/SmolLM2-360M-Instruct", 361_800_000, "apache-2.0", 8192, "Still trains on a CPU, with patience"),
    Offer("Qwen/Qwen3-0.6B", 596_000_000, "apache-2.0", 40960, "The smallest Qwen3; thinks aloud if asked"),
    Offer("Qwen/Qwen3-0.6B-Base", 596_000_000, "apache-2.0", 32768, "The same before post-training"),
    Offer("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_000_000, "apache-2.0", 8192, "A good size for one consumer GPU"),
    Offer("Qwen/Qwen3-1.7B", 1_720_000_000, "apache-2.0", 40960, "Strong for its size, in many languages"),
    Offer("HuggingFaceTB/SmolLM3-3B", 3_075_000_000, "apache-2.0", 65536, "An open recipe from data to weights"),
    Offer("Qwen/Qwen3-4B", 4_022_000_000, "apache-2.0", 40960, "LoRA on a GPU of 24 GB"),
    Offer("Qwen/Qwen3-8B", 8_191_000_000, "apache-2.0", 40960, "LoRA on a GPU of 48 GB"),
)


def fits(parameters: int, here: Machine) -> dict[str, str]:
    """For each of ``WORKS``: ``fits``, ``tight`` or ``exceeds`` against the memory of this machine that is free now."""
    needs = {
        "chat": estimate.chat_bytes(parameters, here.gpu),
        "lora": estimate.training_bytes(parameters, "lora", BATCH),
        "full": estimate.training_bytes(parameters, "full", BATCH),
    }
    return {work: estimate.label(needs[work], here.memory_free) for work in WORKS}

"""How rows of different lengths share a step. None of the ways is best everywhere, so the lengths decide."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

WAYS = ("padded", "grouped", "padding_free", "packed")
EVEN = 1.08  # padding below this factor is not worth avoiding


@dataclass(frozen=True)
class Batching:
    """The way chosen, why, and the padding it saves (computed positions per token when padded)."""

    way: str
    reason: str
    waste: float


def padding_factor(lengths: Sequence[int], rows: int, seed: int = 0, samples: int = 200) -> float:
    """Positions computed per token when ``rows`` random rows are padded to the longest: 1.0 means no padding."""
    if not lengths:
        return 1.0
    rng = random.Random(seed)
    padded = total = 0
    for _ in range(samples):
        batch = rng.choices(lengths, k=rows)
        padded += max(batch) * rows
        total += sum(batch)
    return padded / max(total, 1)


def choose(lengths: Sequence[int], rows: int, ragged: bool) -> Batching:
    """The way for rows of these lengths, ``rows`` at once. ``ragged`` says whether the attention can take rows laid end to end.

    Packing is never chosen by itself: it changes how many rows share an optimiser step.
    """
    waste = padding_factor(lengths, rows)
    if waste < EVEN:
        return Batching("padded", f"the rows are about equally long: padding adds only {waste - 1:.0%}", waste)
    if ragged:
        return Batching("padding_free", f"padding would add {waste - 1:.0%}; rows are laid end to end instead", waste)
    return Batching(
        "grouped",
        f"padding would add {waste - 1:.0%}; rows of similar length share a batch, since this attention needs padding",
        waste,
    )

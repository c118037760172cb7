"""The next token of each row. A row draws from a generator of its own, so its tokens do not depend on its neighbours."""

from collections.abc import Sequence
from typing import Any

from engine.generation.answers import Sampling


def generator(seed: int) -> Any:
    """The source of randomness of one row. On the CPU, so that a seed means the same on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def choose(logits: Any, samplings: Sequence[Sampling], draws: Sequence[Any]) -> list[int | None]:
    """One token for each row of ``logits`` (rows, vocabulary); None for a row whose logits are not numbers.

    One uniform number a row and token, turned into a token by the inverse of the cumulative probabilities in the order of
    the vocabulary: a difference of a rounding error between two batches practically never changes the token.
    """
    import torch

    tokens: list[int | None] = logits.argmax(-1).tolist()
    for i in torch.isnan(logits).any(-1).nonzero().flatten().tolist():
        tokens[i] = None
    hot = [i for i, sampling in enumerate(samplings) if sampling.temperature > 0 and tokens[i] is not None]
    if not hot:
        return tokens
    temperature = torch.tensor([[samplings[i].temperature] for i in hot], dtype=torch.float64, device=logits.device)
    share = (logits[hot].double() / temperature).softmax(-1)
    for k, i in enumerate(hot):
        if samplings[i].top_p < 1:
            share[k] = nucleus(share[k], samplings[i].top_p)
    heap = share.cumsum(-1)
    uniform = torch.stack([torch.rand(1, generator=draws[i], dtype=torch.float64) for i in hot]).to(logits.device)
    picked = torch.searchsorted(heap, uniform * heap[:, -1:], right=True).clamp_(max=share.shape[-1] - 1)
    for k, token in zip(hot, picked.flatten().tolist(), strict=True):
        tokens[k] = token
    return tokens


def nucleus(share: Any, top_p: float) -> Any:
    """The fewest likeliest tokens that together reach ``top_p``, the others at 0 (Holtzman et al. 2020). At least one stays."""
    ordered, places = share.sort(descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    kept = ordered * (before < max(top_p, 1e-12))
    return share.new_zeros(share.shape).scatter_(0, places, kept)

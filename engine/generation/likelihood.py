"""How likely a model finds answers that are given to it."""

from collections.abc import Sequence
from typing import Any

from engine.generation.batch import answering

TOKENS_AT_ONCE = 8_192
LOGITS_AT_ONCE = 200_000_000  # numbers: each token has one for every word of the vocabulary


def log_likelihoods(
    model: Any, prompts: Sequence[list[int]], answers: Sequence[list[int]], chosen: Sequence[Sequence[bool]] | None = None
) -> list[float]:
    """The log-probability in nats of each whole answer after its prompt, both as tokens, in their order.

    With ``chosen`` only those tokens of an answer count that the model chose, not what a tool told it.
    """
    import torch

    found = [0.0] * len(prompts)
    at_once = min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // model.config.get_text_config().vocab_size)
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    with answering(model):
        while order:
            width = len(rows[order[0]])
            size = max(1, at_once // width)
            here, order = order[:size], order[size:]
            ids = torch.tensor([rows[i] + [0] * (width - len(rows[i])) for i in here], device=model.device)
            mask = torch.tensor([[1] * len(rows[i]) + [0] * (width - len(rows[i])) for i in here], device=model.device)
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
            each = logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
            for place, i in enumerate(here):
                said = each[place, len(prompts[i]) - 1 : len(rows[i]) - 1]
                found[i] = float((said * torch.tensor(chosen[i], device=said.device)).sum() if chosen else said.sum())
    return found


def mean_loss(model: Any, rows: Sequence[Any]) -> float:
    """The mean loss in nats of a token after the first, over rows of tokens."""
    total = sum(log_likelihoods(model, [list(row[:1]) for row in rows], [list(row[1:]) for row in rows]))
    return -total / max(1, sum(len(row) - 1 for row in rows))

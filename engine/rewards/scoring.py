"""Rewards of a reward model: one number for a prompt with its answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOKENS_AT_ONCE = 16_384


def load(base: Path, adapter: Path | None, device: str) -> tuple[Any, Any]:
    """A reward model, ready to score, and its tokenizer."""
    from peft import PeftModel

    from engine.methods import loading  # whose package names the methods, and those name the rewards

    model, tokenizer = loading.load_model(base, "float32", head="reward"), loading.load_tokenizer(adapter or base)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id  # by which it finds the last token of a row
    return (PeftModel.from_pretrained(model, str(adapter)) if adapter else model).to(device).eval(), tokenizer


def scores(model: Any, rows: Sequence[Sequence[int]], pad: int) -> list[float]:
    """The reward of each row of tokens, in their order; rows of like length are computed together."""
    import torch

    found = [0.0] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    training = model.training
    model.eval()
    try:
        while order:
            longest = max(1, len(rows[order[0]]))
            size = max(1, TOKENS_AT_ONCE // longest)
            here, order = order[:size], order[size:]
            ids = torch.full((len(here), longest), pad)
            mask = torch.zeros_like(ids)
            for place, i in enumerate(here):
                ids[place, : len(rows[i])] = torch.tensor(rows[i])
                mask[place, : len(rows[i])] = 1
            with torch.no_grad():
                given = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits[:, 0]
            for i, value in zip(here, given.float().tolist(), strict=True):
                found[i] = value
    finally:
        model.train(training)
    return found

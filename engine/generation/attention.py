"""Attention as a model on a CPU is asked for it, a token at a time and turn by turn.

A single token goes straight to torch, as the stock path has it after some questions that it asks in every layer. A few new tokens
over many that are known are the next turn of a long conversation: for them the stock path copies the keys of every group of heads,
and here the heads that share keys are folded into the queries of one. Everything else takes the stock path.
"""

from typing import Any

NAME = "few_over_many"
FEW, MANY = 64, 256  # new tokens at the most, and known ones at the least
WIDEST = 256  # of a head, that the stock path asks torch to share keys for


def use(model: Any) -> None:
    """Let a model on a CPU that computes by transformers' attention interface use it."""
    if model.device.type != "cpu" or not getattr(model, "_supports_attention_backend", False):
        return
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, dropout: float = 0.0, scaling: float | None = None, **rest: Any
) -> Any:  # fmt: skip
    """The values (rows, queries, heads, width) that ``query`` (rows, heads, queries, width) finds among ``key`` and ``value``
    (rows, heads that are shared, tokens, width); ``attention_mask`` (rows, 1, queries, tokens) is true where it may look."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rows, heads, queries, width = query.shape
    # what is not known here (sinks, soft caps) is for the stock kernel, or for its refusal
    odd = any(rest.get(name) is not None for name in ("s_aux", "softcap", "position_bias", "cache"))
    if queries == 1 and attention_mask is None and not odd and not dropout and width <= WIDEST:
        from torch.nn.functional import scaled_dot_product_attention

        alone = scaled_dot_product_attention(query, key, value, scale=scaling, enable_gqa=heads != key.shape[1])
        return alone.transpose(1, 2).contiguous(), None
    few = 1 < queries <= FEW and key.shape[2] >= MANY
    if not few or odd or dropout or attention_mask is None or attention_mask.is_floating_point() or attention_mask.shape[1] != 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **rest)
    from torch.nn.functional import scaled_dot_product_attention

    shared = key.shape[1]
    folded = query.reshape(rows, shared, heads // shared * queries, width)
    look = attention_mask.repeat(1, 1, heads // shared, 1)
    found = scaled_dot_product_attention(folded, key, value, attn_mask=look, scale=scaling)
    return found.view(rows, heads, queries, width).transpose(1, 2).contiguous(), None

"""Attention over rows laid end to end, without padding and without a dense mask.

The stock scaled-dot-product path treats a padding-free batch as one long row under a dense block mask, whose cost grows
with the square of the whole batch. Here each row attends to itself alone, by the same kernel, so the cost is that of the
rows. Registered as ``ragged``; a batch that is padded, or a generation, takes the stock path.
"""

from typing import Any

NAME = "ragged"


def register() -> str:
    """Make ``attn_implementation="ragged"`` known to transformers; returns the name."""
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, cu_seq_lens_q: Any = None, **rest: Any) -> Any:
        if cu_seq_lens_q is None:
            return sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
        # one split for all rows: the gradient of a slice is as large as the whole batch, for each row anew
        lengths = cu_seq_lens_q.diff().tolist()
        rows = [
            sdpa_attention_forward(module, q, k, v, None, **{**rest, "is_causal": True})[0]
            for q, k, v in zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
        ]
        return torch.cat(rows, dim=1), None

    def mask(*args: Any, attention_mask: Any = None, **rest: Any) -> Any:
        # without a padding mask every row is whole: causality is the kernel's flag, and no row sees another
        return None if attention_mask is None else sdpa_mask(*args, attention_mask=attention_mask, **rest)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)
    return NAME


def can_be_ragged(config: Any, longest: int) -> bool:
    """Whether full causal attention through transformers' interface is what the model does over rows of this length.

    No sliding or linear layers that bite, and no attention of the model's own, which would never see the ends of rows.
    """
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    made = AutoModelForCausalLM._model_mapping.get(type(config), None) or AutoModelForCausalLM._model_mapping.get(
        type(text), None
    )
    if made is None or not getattr(made, "_supports_attention_backend", False):
        return False
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None)
    slides = "sliding_attention" in kinds or (window is not None and getattr(text, "use_sliding_window", True))
    known = kinds <= {"full_attention", "sliding_attention"}
    softcap = getattr(text, "attn_logit_softcapping", None)
    return known and not softcap and (not slides or window is None or longest <= window)

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
    from torch.nn.functional import scaled_dot_product_attention
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def attend(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, cu_seq_lens_q: Any = None,
        dropout: float = 0.0, scaling: float | None = None, **rest: Any,
    ) -> Any:  # fmt: skip
        if cu_seq_lens_q is None:
            more = {"dropout": dropout, "scaling": scaling, **rest}
            return sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        # heads that share keys get their copies here, and one split cuts all rows: done row by row, each would pay for it
        # anew, and the gradient of a slice is as large as the whole batch
        shared = query.shape[1] // key.shape[1]
        whole = (query, repeat_kv(key, shared), repeat_kv(value, shared))
        dtype = computed_in(query.device.type, value.dtype)
        whole = tuple(part.to(dtype) for part in whole)
        lengths = cu_seq_lens_q.diff().tolist()
        with torch.autocast(query.device.type, enabled=False):
            rows = [
                scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling, is_causal=True)
                for q, k, v in zip(*(part.split(lengths, 2) for part in whole), strict=True)
            ]
        return torch.cat(rows, dim=2).transpose(1, 2).contiguous().to(query.dtype), None

    def mask(*args: Any, attention_mask: Any = None, **rest: Any) -> Any:
        # without a padding mask every row is whole: causality is the kernel's flag, and no row sees another
        return None if attention_mask is None else sdpa_mask(*args, attention_mask=attention_mask, **rest)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)
    return NAME


def computed_in(device: str, given: Any) -> Any:
    """The dtype that attention takes for values of the dtype ``given``: the kernel wants one for all, and under autocast rotated
    queries and keys are float32 where values are not."""
    import torch

    if device == "cpu":  # in bfloat16 the CPU makes a kernel for every new length, which costs more than it saves
        return torch.float32
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else given


def can_be_ragged(config: Any, longest: int) -> bool:
    """Whether full causal attention through transformers' interface is what the model does over rows of this length.

    No sliding or linear layers that bite, no attention of the model's own, which would never see the ends of rows, and none
    that adds something which the stock kernel leaves out (sinks).
    """
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    made: Any = AutoModelForCausalLM._model_mapping.get(type(config), None) or AutoModelForCausalLM._model_mapping.get(
        type(text), None
    )
    if made is None or not (made._supports_attention_backend and made._supports_sdpa):
        return False
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None)
    slides = "sliding_attention" in kinds or (window is not None and getattr(text, "use_sliding_window", True))
    known = kinds <= {"full_attention", "sliding_attention"}
    softcap = getattr(text, "attn_logit_softcapping", None)
    return known and not softcap and (not slides or window is None or longest <= window)

"""Batching: the lengths decide, and no way of batching changes what is learnt."""

import random
from pathlib import Path

import pytest
import torch

from engine.methods import attention, batching, loading
from engine.samples import pocket


def test_equal_lengths_are_padded_and_unequal_ones_are_laid_end_to_end() -> None:
    rng = random.Random(0)
    assert batching.choose([100] * 50, 8, ragged=True).way == "padded"
    uneven = [int(rng.lognormvariate(4, 0.8)) + 1 for _ in range(500)]
    chosen = batching.choose(uneven, 8, ragged=True)
    assert chosen.way == "padding_free" and chosen.waste > 1.5 and "%" in chosen.reason
    assert batching.choose(uneven, 8, ragged=False).way == "grouped"


def test_a_row_laid_beside_others_has_the_logits_and_gradients_it_has_alone() -> None:
    import torch

    model = loading.load_model(pocket.POCKET, "float32", attention=attention.register())
    rng = torch.Generator().manual_seed(1)
    rows = [torch.randint(3, 1000, (n,), generator=rng) for n in (5, 17, 1, 40)]
    bounds = torch.tensor([0, 5, 22, 23, 63], dtype=torch.int32)
    together = model(
        input_ids=torch.cat(rows)[None], position_ids=torch.cat([torch.arange(len(r)) for r in rows])[None],
        cu_seq_lens_q=bounds, cu_seq_lens_k=bounds, max_length_q=40, max_length_k=40, use_cache=False,
    ).logits[0]  # fmt: skip
    together.square().mean().backward()
    found = model.model.layers[0].self_attn.q_proj.weight.grad.clone()
    model.zero_grad()
    model.set_attn_implementation("sdpa")
    alone = torch.cat([model(input_ids=row[None], use_cache=False).logits[0] for row in rows])
    alone.square().mean().backward()
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.allclose(found, model.model.layers[0].self_attn.q_proj.weight.grad, atol=1e-6)


def test_a_padded_batch_under_the_ragged_name_is_the_stock_batch() -> None:
    import torch

    rng = torch.Generator().manual_seed(2)
    ids = torch.randint(3, 1000, (2, 9), generator=rng)
    mask = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1], [1] * 9])
    ragged, stock = (loading.load_model(pocket.POCKET, "float32", attention=name) for name in (attention.register(), "sdpa"))
    with torch.no_grad():
        a, b = (m(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, 3:] for m in (ragged, stock))
    assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("windowed", [True, False])
def test_a_model_that_looks_through_a_window_is_not_laid_end_to_end(windowed: bool, tmp_path: Path) -> None:
    from transformers import MistralConfig

    config = MistralConfig(sliding_window=32 if windowed else None)
    assert attention.can_be_ragged(config, longest=100) is not windowed
    assert attention.can_be_ragged(config, longest=20)


def test_a_model_with_an_attention_of_its_own_is_not_laid_end_to_end() -> None:
    from transformers import BloomConfig, FalconConfig, GptOssConfig, LlamaConfig

    assert not attention.can_be_ragged(BloomConfig(), longest=20)
    assert not attention.can_be_ragged(FalconConfig(), longest=20)
    assert not attention.can_be_ragged(GptOssConfig(), longest=20)  # its sinks
    assert attention.can_be_ragged(LlamaConfig(), longest=20)


@pytest.mark.parametrize(
    ("device", "autocast", "expected"), [("cpu", True, "float32"), ("cuda", True, "bfloat16"), ("cuda", False, "float16")]
)
def test_rows_are_computed_in_one_dtype_also_where_values_alone_are_in_half(
    device: str, autocast: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: autocast)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda _: torch.bfloat16)
    assert attention.computed_in(device, torch.float16) == getattr(torch, expected)

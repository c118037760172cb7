"""Batches of prompts against transformers' own generate, one prompt at a time, on small real models."""

from typing import Any

import pytest

from engine.errors import BadInput, RunFailed
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.generation.problems import TooLong
from engine.methods import loading
from tests.engine.generation.small_models import CONTEXT, SENTENCES, World

QUESTIONS = [[{"role": "user", "content": " ".join(SENTENCES[: n % 4 + 1])[: 20 + 13 * n]}] for n in range(9)]
# one token in ten ends an answer, so that rows leave their batch at different times
ENDS = list(range(2, 42))
FAMILIES = ("Qwen3", "Llama", "Mistral", "Phi3", "SmolLM3", "Gemma3Text", "Qwen3_5Text", "Lfm2")


def make(family: str) -> Any:
    """Random weights of a family; the last three look through a window, have linear attention, or convolutions."""
    import torch
    import transformers

    said: dict[str, Any] = {
        "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": ENDS,
        "initializer_range": 0.2, "tie_word_embeddings": False,
    }  # fmt: skip
    if family == "Gemma3Text":
        said |= {"sliding_window": 16, "head_dim": 16, "query_pre_attn_scalar": 16}
    if family == "Qwen3_5Text":
        said |= {"head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 16}
        said |= {"linear_value_head_dim": 16}
    torch.manual_seed(1)
    name = "Gemma3ForCausalLM" if family == "Gemma3Text" else f"{family.removesuffix('Text')}ForCausalLM"
    model = getattr(transformers, name)(getattr(transformers, f"{family}Config")(**said)).eval()
    model.generation_config.eos_token_id = ENDS
    return model


@pytest.fixture(scope="module")
def tokenizer(world: World) -> Any:
    return loading.load_tokenizer(world.model("base").path)


@pytest.fixture
def model(world: World) -> Any:
    weights = loading.load_model(world.model("base").path, "float32")
    weights.generation_config.eos_token_id = ENDS
    return weights


def one_by_one(model: Any, tokenizer: Any, prompts: list[list[int]], tokens: int) -> list[str]:
    import torch

    texts = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        ends = sorted(batch.end_tokens(model, tokenizer))
        said = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, eos_token_id=ends, pad_token_id=0
        )  # fmt: skip
        answer = said[0, len(prompt) :].tolist()
        texts.append(tokenizer.decode(answer[:-1] if answer[-1] in ends else answer, skip_special_tokens=True))
    return texts


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_says_what_each_prompt_is_answered_alone_in_every_family(family: str, tokenizer: Any) -> None:
    model = make(family)
    prompts = [batch.encode(tokenizer, question) for question in QUESTIONS]
    assert batch.generate(model, tokenizer, QUESTIONS, max_tokens=24) == one_by_one(model, tokenizer, prompts, 24)


def test_an_adapter_speaks_on_top_of_its_base(world: World, tokenizer: Any) -> None:
    from peft import PeftModel

    base = loading.load_model(world.model("base").path, "float32")
    plain = batch.generate(base, tokenizer, QUESTIONS, max_tokens=12)
    tuned = PeftModel.from_pretrained(base, world.model("left").path)
    said = batch.generate(tuned, tokenizer, QUESTIONS, max_tokens=12)
    prompts = [batch.encode(tokenizer, question) for question in QUESTIONS]
    assert said == one_by_one(tuned.eval(), tokenizer, prompts, 12)
    assert said != plain


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_size_of_a_batch_changes_no_answer(model: Any, tokenizer: Any, temperature: float) -> None:
    said = [
        batch.generate(model, tokenizer, QUESTIONS, max_tokens=16, temperature=temperature, seed=3, batch_size=size)
        for size in (1, 4, None)
    ]
    assert said[0] == said[1] == said[2]


def test_each_row_draws_for_itself_and_a_seed_repeats_all_of_it(model: Any, tokenizer: Any) -> None:
    same = [QUESTIONS[0]] * 6
    first = batch.generate(model, tokenizer, same, max_tokens=16, temperature=1.0, seed=1)
    assert len(set(first)) > 1
    assert batch.generate(model, tokenizer, same, max_tokens=16, temperature=1.0, seed=1) == first
    assert batch.generate(model, tokenizer, same, max_tokens=16, temperature=1.0, seed=2) != first


def test_a_row_that_has_ended_is_computed_no_further(model: Any, tokenizer: Any) -> None:
    rows: list[int] = []
    model.register_forward_hook(lambda module, given, out: rows.append(out.logits.shape[0]))
    prompts = [batch.encode(tokenizer, question) for question in QUESTIONS]
    done = batch.complete(model, tokenizer, prompts, Sampling(max_tokens=24))
    assert rows == sorted(rows, reverse=True)
    assert rows[0] == len(QUESTIONS) > rows[-1]
    assert sum(rows) == sum(c.tokens for c in done)


def test_an_answer_says_whether_it_ended_or_was_cut_and_shows_no_special_token(model: Any, tokenizer: Any) -> None:
    prompts = [batch.encode(tokenizer, question) for question in QUESTIONS]
    done = batch.complete(model, tokenizer, prompts, Sampling(max_tokens=6))
    assert {c.ended for c in done} == {True, False}
    assert all(c.tokens == 6 for c in done if not c.ended)
    assert not any(special in c.text for c in done for special in ("<|im_end|>", "<|im_start|>", "<|endoftext|>"))


def test_an_answer_ends_where_the_template_ends_a_turn_and_where_a_document_ends(world: World, tokenizer: Any) -> None:
    model = loading.load_model(world.model("base").path, "float32")
    model.generation_config.eos_token_id = None
    assert batch.end_tokens(model, tokenizer) == set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
    model.generation_config.eos_token_id = [7, 9]
    assert batch.end_tokens(model, tokenizer) >= {7, 9}


def test_progress_is_told_and_a_stop_is_heard_between_two_tokens(model: Any, tokenizer: Any) -> None:
    prompts, heard, asked = [batch.encode(tokenizer, question) for question in QUESTIONS], [], []
    batch.complete(model, tokenizer, prompts, Sampling(max_tokens=8), batch_size=4, progress=lambda *done: heard.append(done))
    assert heard == [(n, 9) for n in range(1, 10)]

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(batch.Stopped):
        batch.generate(model, tokenizer, QUESTIONS, max_tokens=8, stop=stop)
    assert len(asked) == 3


def test_a_model_in_training_is_in_training_again_afterwards(world: World, tokenizer: Any) -> None:
    import torch

    model = loading.load_model(world.model("base").path, "float32").train()
    batch.generate(model, tokenizer, QUESTIONS[:2], max_tokens=2)
    assert model.training
    # a later step still finds its gradients
    ids = torch.tensor([batch.encode(tokenizer, QUESTIONS[0])])
    model(input_ids=ids, labels=ids).loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_prompt_and_answer_together_never_leave_the_context(model: Any, tokenizer: Any) -> None:
    long = tokenizer(" ".join(SENTENCES * 20))["input_ids"]
    model.generation_config.eos_token_id = None
    done = batch.complete(model, tokenizer, [long[: CONTEXT - 3], long[:10]], Sampling(max_tokens=5))
    assert done[0].tokens <= 3
    assert done[1].tokens <= 5
    with pytest.raises(TooLong, match=f"Prompt 2 has {CONTEXT} tokens, and the model takes {CONTEXT}"):
        batch.complete(model, tokenizer, [long[:5], long[:CONTEXT]], Sampling(max_tokens=5))


def test_what_cannot_be_asked_is_refused_with_its_value(model: Any, tokenizer: Any) -> None:
    for tokens, temperature in ((0, 0.0), (5, -1.0)):
        with pytest.raises(BadInput, match=r"takes a (whole )?number from"):
            batch.generate(model, tokenizer, QUESTIONS, tokens, temperature)
    with pytest.raises(BadInput, match="Prompt 2 is empty"):
        batch.complete(model, tokenizer, [[5], []], Sampling(max_tokens=5))
    tokenizer_that_refuses = loading.load_tokenizer(tokenizer.name_or_path)
    tokenizer_that_refuses.chat_template = "{{ raise_exception('System turns are not supported') }}"
    with pytest.raises(BadInput, match="refuses the conversation: System turns are not supported"):
        batch.encode(tokenizer_that_refuses, QUESTIONS[0])
    assert batch.generate(model, tokenizer, [], max_tokens=5) == []


def test_weights_that_are_no_numbers_fail_the_run_instead_of_answering(model: Any, tokenizer: Any) -> None:
    import torch

    with torch.no_grad():
        model.lm_head.weight[3, 3] = float("nan")
    with pytest.raises(RunFailed, match="no numbers any more") as raised:
        batch.generate(model, tokenizer, QUESTIONS, max_tokens=5)
    assert raised.value.kind == "not a number"


def test_fewer_rows_are_computed_at_once_where_they_are_long(model: Any) -> None:
    sizes = [batch.rows_at_once(model, length, 20) for length in (20, 1_000, 10_000, 100_000, 10_000_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (batch.MOST_ROWS, 1)

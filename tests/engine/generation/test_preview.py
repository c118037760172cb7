"""A data set as a model's tokens."""

import hashlib
from pathlib import Path
from typing import Any

import polars
import pytest

from engine import registry
from engine.data import tokens
from engine.errors import BadInput, NotFound
from engine.generation import ask, preview
from engine.generation.answers import Address
from engine.methods import loading
from storage import datasets
from storage.records import Dataset
from tests.engine.generation.small_models import World, make_base


def freeze(world: World, name: str, shape: str, rows: list[dict[str, Any]]) -> Dataset:
    """Rows as a frozen data set."""
    beside = world.folder / f"{name}.parquet"
    polars.DataFrame(rows).write_parquet(beside)
    sha256 = hashlib.sha256(beside.read_bytes()).hexdigest()
    beside.rename(datasets.path(world.home, sha256))
    return datasets.insert(world.home, name=name, shape=shape, rows=len(rows), sha256=sha256, size=1, steps=[], problems=[])


def pairs(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"What is {n} plus 1?", "completion": "It is " + str(n + 1) + " sure" * (n % 7)} for n in range(count)]


def test_lengths_and_loss_are_those_that_the_trainer_sees(world: World, address: Address) -> None:
    dataset = freeze(world, "sums", "prompt_completion", pairs(50))
    tokenizer = loading.load_tokenizer(world.model("base").path)
    encoded = [tokens.encode_row(tokenizer, row, dataset.shape) for row in pairs(50)]
    lengths = [len(e.input_ids) for e in encoded]
    limit = sorted(lengths)[30]
    seen = ask.preview(world.home, "left", dataset.id, limit)
    assert (seen.rows, seen.sampled, seen.total_tokens, seen.longest) == (50, 50, sum(lengths), max(lengths))
    assert seen.cut == sum(length > limit for length in lengths)
    assert sum(seen.lengths.counts) == 50 and len(seen.lengths.edges) == len(seen.lengths.counts) + 1
    for low, high, n in zip(seen.lengths.edges, seen.lengths.edges[1:], seen.lengths.counts, strict=False):
        assert n == sum(low <= length < high for length in lengths)
    assert [loss for _, loss in seen.examples[0]] == [False, True, False]
    assert seen.examples[0][1][0] == "It is 1<|im_end|>"
    assert seen.template == "own"
    assert ask.preview(world.home, "left", dataset.id, 3).cut == 50


def test_documents_are_not_cut_but_joined(world: World, address: Address) -> None:
    dataset = freeze(world, "papers", "text", [{"text": "The ferry leaves. " * n} for n in (1, 30)])
    seen = ask.preview(world.home, "base", dataset.id, 16)
    assert seen.cut == 0 and seen.longest > 16
    assert [loss for _, loss in seen.examples[0]] == [True]


def test_a_pair_is_as_long_as_its_longer_side_and_both_are_shown(world: World, address: Address) -> None:
    rows = [{"prompt": "What is 1 plus 1?", "chosen": "It is 2.", "rejected": "It is 3" + " sure" * n} for n in (1, 20)]
    dataset = freeze(world, "pairs", "preference", rows)
    seen = ask.preview(world.home, "base", dataset.id, 400)
    tokenizer = loading.load_tokenizer(world.model("base").path)
    stop = tokens.stop_text(tokenizer)
    longest = len(tokens.encode_answer(tokenizer, rows[1]["prompt"], rows[1]["rejected"], stop).input_ids)
    assert (seen.longest, seen.cut) == (longest, 0) and ask.preview(world.home, "base", dataset.id, longest - 1).cut == 1
    assert [side[1] for side in seen.examples] == [("It is 2.<|im_end|>", True), ("It is 3 sure<|im_end|>", True)]


def test_of_a_prompt_nothing_is_learnt_and_a_marked_answer_is_shown_with_it(world: World, address: Address) -> None:
    prompts = freeze(world, "asked", "prompt", [{"prompt": "What is 1 plus 1?", "check": "{}"}] * 3)
    seen = ask.preview(world.home, "base", prompts.id, 400)
    assert [loss for _, loss in seen.examples[0]] == [False] and seen.examples[0][0][0].endswith("assistant\n")
    marked = freeze(world, "marked", "unpaired", [{"prompt": "What is 1 plus 1?", "completion": "It is 2.", "label": True}])
    assert ask.preview(world.home, "base", marked.id, 400).examples[0][1] == ("It is 2.<|im_end|>", True)


def test_a_model_without_a_template_says_that_the_standard_one_is_used(world: World, address: Address) -> None:
    folder = make_base(world.folder / "bare")
    (folder / "chat_template.jinja").unlink()
    registry.register_folder(world.home, folder, "bare", "made in a test")
    dataset = freeze(
        world, "few", "messages", [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    )
    seen = ask.preview(world.home, "bare", dataset.id, 100)
    assert seen.template == "standard"
    assert seen.examples[0][1] == ("b<|im_end|>", True)


def test_what_cannot_be_shown_is_told(world: World, address: Address) -> None:
    preference = freeze(world, "pairs", "preference", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    with pytest.raises(NotFound, match="#999"):
        ask.preview(world.home, "base", 999, 10)
    with pytest.raises(NotFound, match="nobody"):
        ask.preview(world.home, "nobody", freeze(world, "one", "text", [{"text": "x"}]).id, 10)
    with pytest.raises(BadInput, match="max_length"):
        ask.preview(world.home, "base", preference.id, 0)


def test_a_large_data_set_is_sampled_evenly_and_scaled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "MOST_ROWS", 100)
    dataset = freeze(world, "many", "text", [{"text": "word " * (1 + n // 100)} for n in range(1000)])
    seen = preview.Previews(world.home).look("base", dataset.id, 10)
    assert (seen.rows, seen.sampled) == (1000, 100)
    assert sum(seen.lengths.counts) == 100
    tokenizer = loading.load_tokenizer(Path(world.model("base").path))
    exact = sum(len(tokens.encode_row(tokenizer, {"text": "word " * (1 + n // 100)}, "text").input_ids) for n in range(1000))
    assert abs(seen.total_tokens - exact) / exact < 0.05

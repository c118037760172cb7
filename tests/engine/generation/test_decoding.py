"""The decoding loop against the plainest one there is, on one model at a time."""

from pathlib import Path
from typing import Any

import pytest

from engine import registry
from engine.generation import batch as batches
from engine.generation import decoding
from engine.generation.answers import Sampling
from engine.generation.decoding import Batch, Row
from engine.generation.weights import PROBE, Voice, Weights
from engine.methods import loading
from tests.engine.generation.small_models import QUESTION, World, make_base
from tests.engine.generation.test_batch import make

LONGER = [{"role": "user", "content": "Mara keeps a bakery beside the old bridge in Tell. " * 3 + "When does it open?"}]


def prepare(world: World, *names: str) -> tuple[Weights, list[str]]:
    """One base in memory with these voices ready, and their row names."""
    weights = Weights(Voice.find(world.home, names[0]))
    return weights, [weights.attach(Voice.find(world.home, name)).name for name in names]


def run(weights: Weights, rows: list[Row], tokens: int) -> list[list[int]]:
    """That many tokens of each row."""
    batch, starts = Batch(weights, rows), [len(row.ids) for row in rows]
    while len(rows[0].ids) < starts[0] + tokens:
        batch.step()
    return [row.ids[start:] for row, start in zip(rows, starts, strict=True)]


def alone(world: World, name: str, prompt: list[int], tokens: int = 40) -> list[int]:
    """The likeliest tokens one by one, each from the whole text so far: no cache, no padding, no batch."""
    import torch
    from peft import PeftModel

    base, adapter = registry.places(world.home, world.model(name))
    model: Any = loading.load_model(base, "float32").eval()
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(tokens):
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def prompts(world: World) -> tuple[list[int], list[int]]:
    tokenizer = loading.load_tokenizer(world.model("base").path)
    return batches.encode(tokenizer, QUESTION), batches.encode(tokenizer, LONGER)


def test_a_mixed_batch_says_what_each_model_says_alone(world: World) -> None:
    weights, names = prepare(world, "base", "left", "right")
    short, long = prompts(world)
    asked = [(name, row, ids) for ids in (short, long) for name, row in zip(("base", "left", "right"), names, strict=True)]
    said = run(weights, [Row(list(ids), row, Sampling()) for _, row, ids in asked], 40)
    assert said == [alone(world, name, ids) for name, _, ids in asked]
    assert len({tuple(tokens) for tokens in said}) == 6


def test_a_prompt_read_in_parts_is_answered_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, names = prepare(world, "left", "base")
    short, long = prompts(world)
    asked = [(long, names[0]), (short, names[1]), (long, names[1])]
    whole = run(weights, [Row(list(ids), name, Sampling()) for ids, name in asked], 20)
    monkeypatch.setattr(decoding, "PART", 7)
    assert run(weights, [Row(list(ids), name, Sampling()) for ids, name in asked], 20) == whole


def test_layers_that_look_through_a_window_are_answered_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    folder = make_base(tmp_path / "windows", "gemma3", sliding_window=16, layer_types=layers)
    registry.register_folder(world.home, folder, "windows", "made in a test")
    weights, names = prepare(world, "windows")
    monkeypatch.setattr(decoding, "PART", 11)
    said = run(weights, [Row(list(ids), names[0], Sampling()) for ids in prompts(world)], 20)
    assert said == [alone(world, "windows", ids, 20) for ids in prompts(world)]


def test_a_seed_gives_the_same_tokens_whoever_the_neighbours_are(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    short, long = prompts(world)
    warm = Sampling(seed=7, temperature=0.9, top_p=0.95)
    by_itself = run(weights, [Row(list(short), left, warm)], 30)[0]
    hot = Row(list(long), base, Sampling(seed=1, temperature=1.5))
    greedy = Row(list(long), left, Sampling())
    beside = run(weights, [hot, Row(list(short), left, warm), greedy], 30)
    assert beside[1] == by_itself
    assert beside[2] == alone(world, "left", long, 30)
    assert run(weights, [Row(list(short), left, Sampling(seed=8, temperature=0.9, top_p=0.95))], 30)[0] != by_itself


def test_rows_leave_without_a_trace_in_those_that_stay(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    short, long = prompts(world)
    rows = [Row(list(long), base, Sampling()), Row(list(short), left, Sampling()), Row(list(short), base, Sampling())]
    batch = Batch(weights, rows)
    for _ in range(5):
        batch.step()
    batch.keep([1])
    for _ in range(20):
        batch.step()
    assert rows[1].ids[len(short) :] == alone(world, "left", short, 25)
    assert len(rows[0].ids) == len(long) + 5


@pytest.mark.parametrize("family", ["Lfm2", "Qwen3_5Text", "Gemma3Text"])
def test_rows_leave_models_of_every_kind_of_cache(world: World, tmp_path: Path, family: str) -> None:
    make_base(tmp_path)  # whose tokenizer these weights take
    make(family).save_pretrained(tmp_path)
    registry.register_folder(world.home, tmp_path, family, "made in a test")
    weights, (base,) = prepare(world, family)
    short, long = prompts(world)
    rows = [Row(list(long), base, Sampling()), Row(list(short), base, Sampling())]
    batch = Batch(weights, rows)
    for _ in range(3):
        batch.step()
    batch.keep([1])
    for _ in range(9):
        batch.step()
    assert rows[1].ids[len(short) :] == alone(world, family, short, 12)


def test_rows_that_go_on_in_one_batch_say_what_they_would_have_said(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    short, long = prompts(world)
    one = Batch(weights, [Row(list(long), left, Sampling()), Row(list(short), base, Sampling())])
    assert not one.speaks
    for _ in range(4):
        one.step()
    other = Batch(weights, [Row(list(short), left, Sampling())])
    for _ in range(11):
        other.step()
    assert one.speaks and other.speaks
    one.join(other)
    for _ in range(9):
        one.step()
    said = [row.ids[len(ids) :] for row, ids in zip(one.rows, (long, short, short), strict=True)]
    assert said == [alone(world, "left", long, 13), alone(world, "base", short, 13), alone(world, "left", short, 20)]
    one.keep([2, 0])
    one.step()
    assert one.rows[0].ids[len(short) :] == alone(world, "left", short, 21)
    one.remember(1, 10**12)
    row = Row([*one.rows[1].ids, *short[:4]], left, Sampling())
    asked = list(row.ids)
    assert run(weights, [row], 8)[0] == alone(world, "left", asked, 8) and row.cached == len(asked) - 5


def test_two_rows_without_padding_that_go_on_in_one_batch_do_not_look_at_the_padding_of_the_shorter(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    short, long = prompts(world)
    one, other = Batch(weights, [Row(list(long), left, Sampling())]), Batch(weights, [Row(list(short), base, Sampling())])
    for batch in (one, other):
        for _ in range(3):
            batch.step()
    one.join(other)
    for _ in range(9):
        one.step()
    said = [row.ids[len(ids) :] for row, ids in zip(one.rows, (long, short), strict=True)]
    assert said == [alone(world, "left", long, 12), alone(world, "base", short, 12)]


def test_a_row_goes_on_in_another_batch_where_it_stood(world: World) -> None:
    weights, (left,) = prepare(world, "left")
    short, _ = prompts(world)
    warm = Sampling(seed=3, temperature=1.0)
    whole = run(weights, [Row(list(short), left, warm)], 30)[0]
    row = Row(list(short), left, warm)
    run(weights, [row], 12)
    run(weights, [row], 18)
    assert row.ids[len(short) :] == whole


def test_an_adapter_that_cannot_be_mixed_gets_a_base_of_its_own_and_speaks_right(world: World) -> None:
    voice = Voice.find(world.home, "dora")
    assert voice.place != Voice.find(world.home, "left").place
    weights, (name,) = prepare(world, "dora")
    short, _ = prompts(world)
    assert run(weights, [Row(list(short), name, Sampling())], 20)[0] == alone(world, "dora", short, 20)


def plainly(world: World, name: str, ids: list[int]) -> Any:
    """The log-probabilities of the token after each of ``ids``, without cache, padding or batch."""
    import torch
    from peft import PeftModel

    base, adapter = registry.places(world.home, world.model(name))
    model: Any = loading.load_model(base, "float32").eval()
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)


def test_the_probe_tells_how_far_each_adapter_lies_from_its_base(world: World) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    file = Path(world.adapter("nothing", 1).path) / "adapter_model.safetensors"
    save_file({n: torch.zeros_like(t) if "lora_B" in n else t for n, t in load_file(file).items()}, file)
    for name in ("left", "dora", "nothing", "base"):
        weights, _ = prepare(world, name)
        differs = weights.attach(Voice.find(world.home, name)).differs
        tuned, base = (plainly(world, each, weights.tokenizer(PROBE)["input_ids"]) for each in (name, "base"))
        expected = float((tuned.exp() * (tuned - base)).sum(-1).mean())
        assert differs == (pytest.approx(expected, rel=1e-3) if name in ("left", "dora") else {"nothing": 0, "base": None}[name])

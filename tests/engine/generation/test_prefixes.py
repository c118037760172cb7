"""What is remembered of earlier turns: the same tokens as without it, of every row, and only of its own weights."""

from pathlib import Path

import pytest
from transformers.integrations import sdpa_attention

from engine import registry
from engine.generation import attention, decoding, prefixes
from engine.generation.answers import Sampling
from engine.generation.decoding import Batch, Row
from engine.generation.weights import Weights
from tests.engine.generation.small_models import World, make_base
from tests.engine.generation.test_decoding import alone, prepare, prompts, run

FREE = 10**12


def told(weights: Weights, rows: list[Row], tokens: int) -> list[list[int]]:
    """That many tokens of each row, which is remembered."""
    batch, starts = Batch(weights, rows), [len(row.ids) for row in rows]
    while len(rows[0].ids) < starts[0] + tokens:
        batch.step()
    for place in range(len(rows)):
        batch.remember(place, FREE)
    return [row.ids[start:] for row, start in zip(rows, starts, strict=True)]


def test_the_next_turn_reads_its_new_tokens_only_and_says_the_same(world: World) -> None:
    weights, names = prepare(world, "base", "left", "right")
    short, long = prompts(world)
    rows = [Row(list(ids), name, Sampling()) for ids, name in zip((short, long, short), names, strict=True)]
    told(weights, rows, 15)
    again = [Row([*row.ids, *short[:9]], row.adapter, Sampling()) for row in rows]
    said = run(weights, again, 20)
    assert [row.cached for row in again] == [len(row.ids) - 1 for row in rows], "the last token was said, and not read"
    wanted = [alone(world, name, [*row.ids, *short[:9]], 20) for name, row in zip(("base", "left", "right"), rows, strict=True)]
    assert said == wanted


def test_rows_that_know_much_little_and_nothing_share_a_batch(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    short, long = prompts(world)
    first = Row(list(long), left, Sampling())
    told(weights, [first], 10)
    rows = [
        Row([*first.ids, *short[:5]], left, Sampling()),
        Row(list(short), base, Sampling()),
        Row([*long[:20], *short], left, Sampling()),
    ]
    asked = [list(row.ids) for row in rows]
    said = run(weights, rows, 15)
    assert [row.cached for row in rows] == [len(first.ids) - 1, 0, 20]
    assert said == [alone(world, name, ids, 15) for name, ids in zip(("left", "base", "left"), asked, strict=True)]


def test_a_branch_and_an_answer_drawn_again_go_on_from_what_is_alike(world: World) -> None:
    weights, (left,) = prepare(world, "left")
    short, long = prompts(world)
    told(weights, [Row(list(long), left, Sampling())], 30)
    again = Row(list(long), left, Sampling(seed=5, temperature=1.0))
    run(weights, [again], 3)
    assert again.cached == len(long) - 1, "one token has to be read to say the next one"
    branch = Row([*long[:30], *short], left, Sampling())
    asked = list(branch.ids)
    assert run(weights, [branch], 15)[0] == alone(world, "left", asked, 15)
    assert branch.cached == 30


def test_a_row_by_itself_goes_on_in_the_memory_that_was_kept_and_adds_tokens_without_copying(world: World) -> None:
    weights, (left,) = prepare(world, "left")
    short, long = prompts(world)
    first = Row(list(long), left, Sampling())
    told(weights, [first], 5)
    ids = [*first.ids, *short[:9]]
    kept = weights.prefixes.find(left, ids)[1]
    assert kept is not None
    batch = Batch(weights, [row := Row(list(ids), left, Sampling())])
    places = set()
    while len(row.ids) < len(ids) + 15:
        batch.step()
        places.add(batch._cache.layers[0].keys.data_ptr())
    assert places == {kept.layers[0][0].data_ptr()}
    assert row.ids[len(ids) :] == alone(world, "left", ids, 15)
    assert weights.prefixes.find(left, ids)[0] == 0, "nobody else reads what is written over"
    batch.remember(0, FREE)
    assert weights.prefixes.find(left, ids)[0] == len(ids) - 1


def test_an_answer_drawn_again_leaves_what_was_kept_as_it_is(world: World) -> None:
    weights, (left,) = prepare(world, "left")
    _, long = prompts(world)
    first = Row(list(long), left, Sampling())
    told(weights, [first], 30)
    run(weights, [Row(list(long), left, Sampling(seed=5, temperature=1.0))], 20)
    again = Row([*first.ids, *long[:4]], left, Sampling())
    asked = list(again.ids)
    assert run(weights, [again], 10)[0] == alone(world, "left", asked, 10)
    assert again.cached == len(first.ids) - 1


def test_an_adapter_does_not_go_on_from_what_another_one_read(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    _, long = prompts(world)
    told(weights, [Row(list(long), left, Sampling())], 5)
    row = Row(list(long), base, Sampling())
    assert run(weights, [row], 15)[0] == alone(world, "base", long, 15) and row.cached == 0


def test_a_row_that_stays_when_others_leave_is_remembered_right(world: World) -> None:
    weights, (base, left) = prepare(world, "base", "left")
    short, long = prompts(world)
    rows = [Row(list(long), base, Sampling()), Row(list(short), left, Sampling())]
    batch = Batch(weights, rows)
    for _ in range(8):
        batch.step()
    batch.keep([1])
    for _ in range(8):
        batch.step()
    batch.remember(0, FREE)
    row = Row([*rows[1].ids, *long[:12]], left, Sampling())
    asked = list(row.ids)
    assert run(weights, [row], 15)[0] == alone(world, "left", asked, 15)
    assert row.cached == len(rows[1].ids) - 1


def test_layers_that_look_through_a_window_read_all_anew(world: World, tmp_path: Path) -> None:
    folder = make_base(
        tmp_path / "windows",
        "gemma3",
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    registry.register_folder(world.home, folder, "windowed", "made in a test")
    weights, (name,) = prepare(world, "windowed")
    assert not weights.prefixes.kept
    _, long = prompts(world)
    first = Row(list(long), name, Sampling())
    told(weights, [first], 5)
    row = Row([*first.ids, *long[:9]], name, Sampling())
    asked = list(row.ids)
    assert run(weights, [row], 10)[0] == alone(world, "windowed", asked, 10) and row.cached == 0


def test_what_is_remembered_stays_within_its_bounds_the_oldest_going_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, (left,) = prepare(world, "left")
    short, _ = prompts(world)
    monkeypatch.setattr(prefixes, "MOST", 3)
    starts = [[token, *short] for token in range(20, 25)]
    for ids in starts:
        told(weights, [Row(list(ids), left, Sampling())], 2)
    assert [weights.prefixes.find(left, [*ids, 1, 1])[0] > 0 for ids in starts] == [False, False, True, True, True]
    told(weights, [Row([77, *short], left, Sampling())], 2)
    assert weights.prefixes.find(left, [*starts[2], 1])[0] == 0
    assert weights.prefixes.bytes > 0
    monkeypatch.setattr(prefixes, "MOST_BYTES", weights.prefixes.bytes // 2)
    told(weights, [Row([78, *short], left, Sampling())], 2)
    assert 0 < weights.prefixes.bytes <= prefixes.MOST_BYTES
    weights.prefixes.forget()
    assert weights.prefixes.bytes == 0


def test_a_longer_text_takes_the_place_of_what_it_goes_on_from(world: World) -> None:
    weights, (left,) = prepare(world, "left")
    short, _ = prompts(world)
    first = Row(list(short), left, Sampling())
    told(weights, [first], 5)
    told(weights, [Row([*first.ids, *short[:5]], left, Sampling())], 5)
    told(weights, [Row(list(short), left, Sampling())], 2)
    assert len(weights.prefixes._held) == 1


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("family", ["qwen3", "llama", "gemma3"])
def test_few_new_tokens_over_many_known_ones_are_attended_to_alike(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, padded: bool
) -> None:
    """By our own ways to the kernel, alone and in a batch with padding before and between, in three families."""
    registry.register_folder(world.home, make_base(tmp_path / family, family, seed=3), f"few {family}", "made in a test")
    weights, (name,) = prepare(world, f"few {family}")
    used = []
    monkeypatch.setattr(attention, "MANY", 4)
    monkeypatch.setattr(attention, "FEW", 16)
    stock = sdpa_attention.sdpa_attention_forward
    monkeypatch.setattr(
        sdpa_attention, "sdpa_attention_forward", lambda *args, **more: used.append(args[1].shape[2]) or stock(*args, **more)
    )
    monkeypatch.setattr(decoding, "PART", 13)
    short, long = prompts(world)
    count = 2 if padded else 1
    told(weights, [Row(list(long), name, Sampling()), Row(list(short), name, Sampling())][:count], 6)
    rows = [Row([*long, *short[:7]], name, Sampling()), Row([*short, *long[:3]], name, Sampling())][:count]
    asked = [list(row.ids) for row in rows]
    said = run(weights, rows, 12)
    assert said == [alone(world, f"few {family}", ids, 12) for ids in asked]
    # what begins without padding needs no mask
    stock_way = {1} if padded else {13}
    assert set(used) == stock_way, "but for a beginning and a single token with a mask all goes our own ways"

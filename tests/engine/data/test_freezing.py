"""What is frozen stays as it is, is named by its hash, and comes out as it went in."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from engine.data import curate
from engine.data.columns import GROUP_ROWS
from engine.data.shapes import SHAPES
from engine.errors import BadInput, Damaged, NotFound, UnreadableFile, WrongShape
from storage import datasets

GOOD = {"question": "1+1?", "answer": "2"}
BAD = {"question": "2+2?", "answer": ""}
LETTERS = list("ab Zé\n\"',;|\t{}[]<>\\#") + ["日", "🙂", "\u2028", "\r\n", "Human:"]


def text(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randint(1, 40))) + rng.choice("xyz")


def calling(rng: random.Random) -> list[dict[str, Any]]:
    arguments = {text(rng): rng.choice([1, 2.5, None, True, text(rng), [text(rng)]]) for _ in range(rng.randint(0, 3))}
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}]
    return [
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": text(rng), "tool_call_id": "c1"},
    ]


def turns(rng: random.Random, tools: bool = False) -> list[dict[str, Any]]:
    """A conversation that ends with a question."""
    said: list[dict[str, Any]] = [{"role": "system", "content": text(rng)}] if rng.random() < 0.5 else []
    for _ in range(rng.randint(0, 2)):
        said += [
            {"role": "user", "content": text(rng)},
            *(calling(rng) if tools else []),
            {"role": "assistant", "content": text(rng)},
        ]
    return [*said, {"role": "user", "content": text(rng)}]


def answer(rng: random.Random) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text(rng)}]


def row(rng: random.Random, shape: str, conversational: bool) -> dict[str, Any]:
    """A random good row of a shape."""
    asked, told = (turns, answer) if conversational else (text, text)
    made: dict[str, dict[str, Any]] = {
        "text": {"text": text(rng)},
        "messages": {
            "messages": turns(rng, tools=True) + answer(rng),
            "tools": [{"type": "function", "function": {"name": "look"}}],
        },
        "prompt_completion": {"prompt": asked(rng), "completion": told(rng)},
        "preference": {"prompt": asked(rng), "chosen": told(rng), "rejected": told(rng), "margin": rng.random()},
        "unpaired": {"prompt": asked(rng), "completion": told(rng), "label": rng.random() < 0.5},
        "prompt": {"prompt": asked(rng), "answer": text(rng), "kind of sum": text(rng)},
    }
    check = {"check": json.dumps({"kind": "exact", "value": text(rng)}, ensure_ascii=False)} if rng.random() < 0.5 else {}
    return made[shape] | check


@pytest.mark.parametrize("conversational", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_rows_come_out_as_they_went_in_and_go_in_again_as_the_same(
    shape, conversational, seed, home, tmp_path: Path, drafted, jsonl
):
    rng = random.Random(f"{shape} {conversational} {seed}")
    rows = [row(rng, shape, conversational) for _ in range(60)]
    frozen = drafted(jsonl(*rows), shape)
    assert frozen.problems == {}
    whole = [{name: value for name, value in kept.items() if value is not None} for kept in frozen.kept]
    assert whole == rows
    # rows that are frozen in this process, as the child does it
    folder = tmp_path / "draft"
    folder.mkdir()
    from engine.data import drafting

    found = drafting.draft(jsonl(*rows), folder, shape, lambda seen: None)
    dataset = curate.freeze(home, curate.Draft(path=Path("rows"), problems=[], preview=[], folder=folder, **found), "rows")
    for ending in curate.ENDINGS:
        curate.export(home, dataset, tmp_path / f"out{ending}")
        again = drafted(tmp_path / f"out{ending}", shape)
        assert (again.problems, again.sha256) == ({}, dataset.sha256), ending


def test_the_same_file_frozen_again_is_the_same_version(home, jsonl):
    first = curate.add(home, jsonl(GOOD), "sums")
    assert curate.add(home, jsonl(GOOD), "sums") == first
    assert first.title == "sums@1"
    assert [path.name for path in home.datasets.iterdir()] == [f"{first.sha256}.parquet"]
    assert list(home.uploads.iterdir()) == []


def test_a_draft_can_be_frozen_twice_and_under_two_names(home, jsonl):
    draft = curate.open_draft(jsonl(GOOD), home=home)
    first = curate.freeze(home, draft, "sums")
    assert curate.freeze(home, draft, "sums") == first
    other = curate.freeze(home, draft, "numbers")
    assert (other.sha256, other.id == first.id) == (first.sha256, False)


def test_other_rows_under_the_same_name_are_the_next_version_and_the_first_stays(home, jsonl):
    first = curate.add(home, jsonl(GOOD), "sums")
    second = curate.add(home, jsonl(GOOD, GOOD), "sums")
    assert (second.version, curate.find(home, "sums")) == (2, second)
    assert len(curate.rows(home, first)) == 1
    assert curate.find(home, "sums@1") == first == curate.find(home, f"#{first.id}")


def test_a_data_set_that_does_not_exist_is_told_with_those_that_do(home, jsonl):
    with pytest.raises(NotFound, match="There is no data set sums. There is: none yet"):
        curate.find(home, "sums")
    curate.add(home, jsonl(GOOD), "sums")
    with pytest.raises(NotFound, match="There is no data set sum@2. There is: sums."):
        curate.find(home, "sum@2")


def test_good_rows_are_kept_and_the_bad_ones_saved_so_that_they_can_be_mended(home, jsonl):
    dataset = curate.add(home, jsonl(GOOD, BAD, '{"question": '), "sums")
    assert (dataset.rows, curate.set_aside(dataset)) == (1, 2)
    assert [(p["row"], p["message"]) for p in dataset.problems] == [
        (2, "`answer` is empty."),
        (3, "Not JSON: Expecting value at character 13."),
    ]
    saved = [json.loads(line) for line in curate.problems_path(home, dataset).read_text().splitlines()]
    assert [bad["source"] for bad in saved] == [BAD, '{"question":']
    mended = curate.add(home, jsonl(saved[0]["source"] | {"answer": "4"}), "mended")
    assert curate.rows(home, mended) == [{"prompt": "2+2?", "completion": "4"}]


def test_one_bad_row_is_enough_to_refuse_when_all_are_wanted(home, jsonl):
    with pytest.raises(BadInput, match="1 of the 2 rows of rows.jsonl cannot be used. Row 2: `answer` is empty."):
        curate.add(home, jsonl(GOOD, BAD), "sums", keep_good=False)
    assert (datasets.all(home), list(home.datasets.iterdir()), list(home.uploads.iterdir())) == ([], [], [])


def test_a_file_without_a_good_row_is_not_frozen(home, jsonl):
    with pytest.raises(WrongShape, match="no row that can be used. Row 1: `answer` is empty."):
        curate.add(home, jsonl(BAD), "sums")
    assert datasets.all(home) == []


def test_bytes_that_are_no_text_do_not_keep_the_good_rows_from_being_frozen(home, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(
        b'{"question": "a", "answer": "b"}\n{"question": "caf\xe9", "answer": "c"}\n{"question": "d", "answer": "\\ud83d"}'
    )
    dataset = curate.add(home, tmp_path / "a.jsonl", "sums")
    assert [problem["row"] for problem in dataset.problems] == [2, 3]
    assert len(curate.problems_path(home, dataset).read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a@2", "#1", "x" * 81, "a\nb"])
def test_a_name_that_could_not_be_referred_to_is_refused_before_anything_is_read(name, home, tmp_path: Path):
    with pytest.raises(BadInput, match="cannot be the name"):
        curate.add(home, tmp_path / "missing.jsonl", name)


def test_where_a_data_set_comes_from_is_kept_with_it(home, jsonl):
    dataset = curate.add(home, jsonl(GOOD | {"id": 1}, BAD), "sums")
    assert dataset.steps == [
        {"step": "read", "file": "rows.jsonl", "format": "question / answer", "rows": 2, "bad": 1, "left_out": ["id"]}
    ]


def test_the_preview_shows_the_first_rows_as_they_will_be_read(home, jsonl):
    check = {"kind": "exact", "value": "2"}
    draft = curate.open_draft(jsonl(*[GOOD | {"check": check}] * 60), home=home)
    assert draft.preview == curate.rows(home, curate.freeze(home, draft, "sums"))


def test_rows_are_read_from_any_place(home, jsonl):
    dataset = curate.add(home, jsonl(*[{"prompt": "p", "n": i} for i in range(100)]), "rows")
    assert [kept["n"] for kept in curate.rows(home, dataset, 40, 3)] == [40, 41, 42]
    assert [kept["n"] for kept in curate.rows(home, dataset, 98)] == [98, 99]
    assert curate.rows(home, dataset, 100) == []


def test_the_columns_of_a_frozen_file_are_those_of_trl(home, jsonl):
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    said = [{"role": "user", "content": "a"}]
    pair = {
        "prompt": said,
        "chosen": [{"role": "assistant", "content": "b"}],
        "rejected": [{"role": "assistant", "content": "c"}],
        "margin": 1,
    }
    dataset = curate.add(home, jsonl(pair), "pairs")
    schema = pq.read_schema(datasets.path(home, dataset.sha256))
    assert schema.names == ["prompt", "chosen", "rejected", "margin"]
    assert [field.type for field in schema] == [pa.list_(turn)] * 3 + [pa.float64()]


@pytest.mark.parametrize(
    ("early", "late", "told"),
    [
        (1, 2.5, [1.0, 2.5]),
        (1, "x", ["1", "x"]),
        (True, None, [True, None]),
        (None, 3, [None, 3]),
        (2**70, 1, [str(2**70), "1"]),
        (1, [2], ["1", "[2]"]),
    ],
)
def test_a_later_row_may_widen_a_column_of_the_first(early, late, told, drafted, jsonl):
    draft = drafted(jsonl(*[{"prompt": "p", "n": early}] * GROUP_ROWS, {"prompt": "p", "n": late}))
    assert [draft.kept[0]["n"], draft.kept[-1]["n"]] == told
    assert draft.rows == draft.good == GROUP_ROWS + 1


def test_a_column_that_only_a_late_row_has_is_kept(drafted, jsonl):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    named = [{"role": "user", "content": "a", "name": "Ann"}, {"role": "assistant", "content": "b"}]
    draft = drafted(jsonl(*[{"messages": said}] * GROUP_ROWS, {"messages": named, "tools": [{"name": "look"}]}))
    assert (draft.kept[0]["messages"], draft.kept[-1]["messages"], draft.kept[-1]["tools"]) == (said, named, [{"name": "look"}])


def test_a_key_that_only_a_late_turn_has_is_kept(drafted, jsonl):
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    draft = drafted(jsonl(*[{"messages": said}] * GROUP_ROWS, {"messages": [said[0] | {"name": "Ann"}, said[1]]}))
    assert (draft.kept[0]["messages"], draft.kept[-1]["messages"][0]["name"]) == (said, "Ann")


def test_other_columns_follow_by_name(drafted, jsonl):
    row = dict.fromkeys(("zeta", "beta", "prompt", "alpha", "omega", "mu"), 1) | {"prompt": "p"}
    assert list(drafted(jsonl(row)).kept[0]) == ["prompt", "alpha", "beta", "mu", "omega", "zeta"]


def test_columns_in_another_order_are_the_same_data(drafted, jsonl):
    assert drafted(jsonl({"prompt": "p", "a": 1, "b": 2})).sha256 == drafted(jsonl({"b": 2, "a": 1, "prompt": "p"})).sha256


def test_rows_that_are_cut_short_or_gone_are_not_read_as_good(home, jsonl):
    dataset = curate.add(home, jsonl(GOOD), "sums")
    path = datasets.path(home, dataset.sha256)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(Damaged, match="no longer as they were frozen"):
        curate.rows(home, dataset)
    path.unlink()
    with pytest.raises(Damaged, match="Bring the file in again"):
        curate.rows(home, dataset)


def test_one_changed_byte_is_detected_and_mended_by_bringing_the_file_in_again(home, tmp_path: Path, jsonl):
    dataset = curate.add(home, jsonl(GOOD), "sums")
    curate.verify(home, dataset)
    path = datasets.path(home, dataset.sha256)
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match="the file's hash differs"):
        curate.verify(home, dataset)
    with pytest.raises(Damaged):
        curate.export(home, dataset, tmp_path / "out.jsonl")
    assert curate.add(home, jsonl(GOOD), "sums") == dataset
    curate.verify(home, dataset)


def test_a_draft_whose_rows_were_cleared_says_so(home, jsonl):
    draft = curate.open_draft(jsonl(GOOD), home=home)
    curate.discard(draft)
    with pytest.raises(UnreadableFile, match="Read the file again"):
        curate.freeze(home, draft, "sums")


def test_an_export_replaces_a_file_whole(home, tmp_path: Path, jsonl):
    dataset = curate.add(home, jsonl({"prompt": "é", "n": 1}), "rows")
    (tmp_path / "out.csv").write_text("older")
    curate.export(home, dataset, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == "prompt,n\r\né,1\r\n".encode()


def test_an_export_to_an_ending_that_is_not_known_or_a_place_that_cannot_be_is_refused(home, tmp_path: Path, jsonl):
    dataset = curate.add(home, jsonl(GOOD), "sums")
    with pytest.raises(BadInput, match="out.xlsx does not end with .jsonl"):
        curate.export(home, dataset, tmp_path / "out.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written.*Choose another place"):
        curate.export(home, dataset, tmp_path / "file" / "out.csv")


def test_a_frozen_file_loads_as_trl_loads_it(home, tmp_path: Path, jsonl):
    import datasets as hub

    dataset = curate.add(
        home, jsonl({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}), "rows"
    )
    loaded = hub.Dataset.from_parquet(str(datasets.path(home, dataset.sha256)), cache_dir=str(tmp_path / "cache"))
    assert loaded[0] == {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}

"""Votes and pairs in and out, in the layouts of other tools, and rows in which anything at all is wrong."""

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars
import pytest

from engine.data import curate
from engine.errors import BadInput, UnreadableFile, WrongShape
from engine.preferences import desk, exchange, freezing, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.layouts import LAYOUTS
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from storage.records import Project

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
REAL = sorted(DATA.glob("alpaca_eval_*.jsonl"))
OWN = {
    "pair": {"prompt": [{"role": "user", "content": "Hi?"}], "first": "a", "second": "b", "origin": {}, "gold": None, "extra": {}},
    "vote": {
        "labeller": "anna", "kind": "person", "choice": "first", "strength": 2, "preference": 1.2, "criteria": {"kind": "second"},
        "reason": "so", "edited": None, "seconds": 2.5, "round": 0, "flipped": True, "at": "2026-01-01T00:00:00Z", "token": "a" * 32,
        "extra": {},
    },
}  # fmt: skip
ALPACA = {
    "instruction": "Hi?", "output_1": "a", "output_2": "b", "generator_1": "x", "generator_2": "y", "annotator": "gpt", "preference": 1.8,
    "price": 0.1, "raw": {"n": [1]},
}  # fmt: skip
ARGILLA = {
    "id": "7", "fields": {"prompt": "Hi?", "response_1": "a", "response_2": "b"}, "metadata": {"source": "x"},
    "responses": {
        "preference": [{"value": "response_2", "user_id": "u1"}, {"value": "tie", "user_id": "u2"}], "reason": [{"value": "so", "user_id": "u1"}],
    },
    "suggestions": {"preference": {"value": "response_1", "agent": "gpt", "score": 0.9}}, "vectors": {},
}  # fmt: skip
STUDIO = {
    "id": 3, "data": {"prompt": "Hi?", "answer1": "a", "answer2": "b"},
    "annotations": [
        {
            "id": 9, "completed_by": {"id": 1, "email": "anna@example.org"}, "created_at": "2026-01-01T00:00:00Z", "lead_time": 4.5,
            "result": [
                {"from_name": "pw", "to_name": "answer1,answer2", "type": "pairwise", "value": {"selected": "right"}},
                {"from_name": "why", "to_name": "prompt", "type": "textarea", "value": {"text": ["so"]}},
            ],
        },
        {"id": 10, "completed_by": 2, "was_cancelled": True, "result": []},
    ],
}  # fmt: skip
ARENA = {
    "model_a": "x", "model_b": "y", "winner": "tie (bothbad)", "judge": "arena_user_1",
    "conversation_a": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "a"}],
    "conversation_b": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "b"}],
}  # fmt: skip
PLAIN = {"prompt": "Hi?", "response_a": "a", "response_b": "b", "winner": "model_b", "annotator": "anna", "note": 1}
CHOSEN = {"prompt": "Hi?", "chosen": "a", "rejected": [{"role": "assistant", "content": "b"}], "margin": 0.5}
SAMPLES = {
    "jsonl": OWN, "alpaca_eval": ALPACA, "argilla": ARGILLA, "label_studio": STUDIO, "arena": ARENA, "pairs": PLAIN, "preference": CHOSEN,
}  # fmt: skip


def written(folder: Path, rows: list[Any], name: str = "votes.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def said(home: Home, project: Project) -> Counter[tuple[str, ...]]:
    """Each vote as prompt, what was chosen and by whom."""
    held = {pair.id: pair for pair in preferences.pairs(home, project.id)}
    return Counter(
        (
            str(held[v.pair_id].prompt[-1]["content"]),
            {"first": held[v.pair_id].first, "second": held[v.pair_id].second}.get(v.choice, v.choice),
            v.labeller,
            v.reason,
        )
        for v in preferences.votes(home, project.id)
    )


@pytest.fixture
def labelled(home: Home) -> Project:
    """Twenty pairs labelled by two people, with reasons, a tie, and corrections."""
    project = projects.create(home, "from", {"overlap": 1.0, "repeats": 0.0, "gold": 0.0, "criteria": ["kind"]})
    new = [NewPair([{"role": "user", "content": f"{i}?"}], f"a {i}", f"b {i}", {"first": {"name": "m"}}) for i in range(20)]
    pairs.add(home, project, new)
    for labeller, choices in (("anna", "left"), ("ben", "right")):
        for i in range(20):
            shown = desk.look(home, project, labeller)[0]
            choice = ("tie", "bad", choices)[min(i, 2)]
            desk.vote(home, shown.showing.token, Given(choice, 2, {"kind": "left"}, f"since {i}", "better" if i == 5 else None))
    return project


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_of_each_layout_is_recognised_and_read(home: Home, tmp_path: Path, name: str) -> None:
    project = projects.create(home, "to")
    brought = exchange.bring(home, project, written(tmp_path, [SAMPLES[name]]))
    assert (brought.layout, brought.pairs, brought.bad) == (name, 1, 0)
    pair, votes = preferences.pairs(home, project.id)[0], preferences.votes(home, project.id)
    assert (pair.prompt[-1]["content"], pair.first, pair.second) == ("Hi?", "a", "b")
    told = [(v.labeller, v.choice, v.kind) for v in votes]
    assert (
        told
        == {
            "jsonl": [("anna", "first", "person")],
            "alpaca_eval": [("gpt", "second", "judge")],
            "argilla": [("u1", "second", "person"), ("u2", "tie", "person"), ("gpt", "first", "judge")],
            "label_studio": [("anna-example.org", "second", "person")],
            "arena": [("arena_user_1", "bad", "person")],
            "pairs": [("anna", "second", "person")],
            "preference": [("the file", "first", "judge")],
        }[name]
    )


@pytest.mark.parametrize("layout", [name for name, layout in LAYOUTS.items() if layout.write and name != "alpaca_eval"])
def test_what_goes_out_comes_in_the_same(home: Home, labelled: Project, tmp_path: Path, layout: str) -> None:
    file = tmp_path / ("out.jsonl" if LAYOUTS[layout].lines else "out.json")
    exchange.export(home, labelled, file, layout)
    project = projects.create(home, "to")
    brought = exchange.bring(home, project, file)
    assert (brought.layout, brought.pairs, brought.votes, brought.bad) == (layout, 20, 40, 0)
    assert said(home, project) == said(home, labelled)


def test_temper_own_export_keeps_every_field_and_makes_tokens_anew_for_another_project(
    home: Home, labelled: Project, tmp_path: Path
) -> None:
    exchange.export(home, labelled, tmp_path / "out.jsonl")
    project = projects.create(home, "to")
    exchange.bring(home, project, tmp_path / "out.jsonl")
    exchange.export(home, project, tmp_path / "again.jsonl")
    first, second = (lines(tmp_path / name) for name in ("out.jsonl", "again.jsonl"))
    for one, other in zip(first, second, strict=True):
        assert one["vote"].pop("token") != other["vote"].pop("token")
        assert one == other
    assert exchange.bring(home, project, tmp_path / "again.jsonl").votes == 0
    assert exchange.bring(home, labelled, tmp_path / "out.jsonl").votes == 0


@pytest.mark.skipif(len(REAL) < 2, reason="the real files are not here")
def test_real_judgments_go_out_equal_and_pairs_of_the_same_answers_are_kept_and_not_frozen(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "real")
    for file in REAL:
        brought = exchange.bring(home, project, file)
        assert (brought.rows, brought.votes, brought.bad) == (805, 805, 0)
        assert exchange.bring(home, project, file).known_votes == 805
    exchange.export(home, project, tmp_path / "out.json", "alpaca_eval")
    rows = [row for file in REAL for row in lines(file)]
    assert Counter(map(key, json.loads((tmp_path / "out.json").read_text()))) == Counter(map(key, rows))
    votes = preferences.votes(home, project.id)
    assert {vote.kind for vote in votes} == {"judge"} and all(1 <= (vote.preference or 1) <= 2 for vote in votes)
    alike = sum(row["output_1"].strip() == row["output_2"].strip() for row in rows)
    assert alike > 0
    assert freezing.settle(home, project, freezing.Rule(by="judges")).left_out["alike"] == alike


def key(row: Any) -> str:
    return json.dumps(row, sort_keys=True)


def test_the_same_pair_in_the_other_order_is_the_same_pair_with_the_vote_turned_round(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    other = {**ALPACA, "output_1": "b", "output_2": "a", "annotator": "other", "preference": 1.1}
    brought = exchange.bring(home, project, written(tmp_path, [ALPACA, other]))
    assert (brought.pairs, brought.known_pairs, brought.votes) == (1, 1, 2)
    votes = preferences.votes(home, project.id)
    assert [(v.choice, v.preference) for v in votes] == [("second", 1.8), ("second", pytest.approx(1.9))]
    exchange.export(home, project, tmp_path / "out.json", "alpaca_eval")
    out = json.loads((tmp_path / "out.json").read_text())
    assert out[0] == ALPACA
    assert out[1] == {**other, "preference": pytest.approx(1.1)}


WRONG: list[Any] = [
    None,
    3,
    -1.5,
    True,
    [],
    {},
    "",
    [1],
    {"x": 1},
    ["x", None],
    float("nan"),
    "x" * 2000,
    "\ud800",
    {"role": "user"},
    [{"role": "x"}],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a row, however deep."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        found += places(part, (*path, name))
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_whatever_stands_in_the_wrong_place_is_a_problem_of_its_row_and_of_no_other(
    home: Home, tmp_path: Path, name: str
) -> None:
    sample: Any = SAMPLES[name]
    rows: list[Any] = [sample, "text", 3, None, [sample]]
    for place in places(sample):
        for wrong in WRONG:
            row = copy.deepcopy(sample)
            inside = row
            for step in place[:-1]:
                inside = inside[step]
            inside[place[-1]] = wrong
            rows.append(row)
    project = projects.create(home, "to")
    brought = exchange.bring(home, project, written(tmp_path, rows), name)
    assert brought.rows == len(rows)
    assert brought.bad + brought.pairs + brought.known_pairs == len(rows)
    assert brought.bad >= 5 and brought.pairs >= 1
    assert all(problem.message and problem.row > 0 for problem in brought.problems)
    assert preferences.counts(home, project.id).pairs == brought.pairs
    for row in preferences.pairs(home, project.id):
        assert isinstance(row.first, str) and isinstance(row.prompt, list)
    exchange.export(home, project, tmp_path / "out.jsonl")


def test_what_holds_no_compared_answers_is_refused_in_words_and_stores_nothing(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    with pytest.raises(WrongShape, match="no compared answers that are known here: only text"):
        exchange.bring(home, project, written(tmp_path, [{"text": "x"}]))
    with pytest.raises(WrongShape, match="No row can be used. Row 1: second is int, not a text"):
        exchange.bring(home, project, written(tmp_path, [{"prompt": "x", "first": "y", "second": 3}]))
    polars.DataFrame({"a": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(UnreadableFile, match="Votes are read from JSON, JSON lines and CSV"):
        exchange.bring(home, project, tmp_path / "x.parquet")
    with pytest.raises(BadInput, match="There is no layout 'x'"):
        exchange.bring(home, project, tmp_path / "x.parquet", "x")
    with pytest.raises(UnreadableFile, match="There is no file"):
        exchange.bring(home, project, tmp_path / "gone.json")
    with pytest.raises(BadInput, match="cannot be written as 'arena'"):
        exchange.export(home, project, tmp_path / "y", "arena")
    assert preferences.counts(home, project.id).pairs == 0


def test_a_data_set_of_pairs_comes_in_and_another_shape_does_not(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    data = curate.add(home, written(tmp_path, [{"prompt": f"{i}?", "chosen": "a", "rejected": "b"} for i in range(5)]), "pairs")
    assert exchange.from_dataset(home, project, data).pairs == 5
    other = curate.add(home, written(tmp_path, [{"text": "x"}], "t.jsonl"), "text")
    with pytest.raises(WrongShape, match="of the shape preference"):
        exchange.from_dataset(home, project, other)

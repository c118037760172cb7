"""Battles from votes and files, in and out as FastChat has them, and ranked from the command line."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput, WrongShape
from engine.preferences import arena, desk, exchange, pairs, projects, ranking
from engine.preferences.desk import Given
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from storage.records import Project
from tests.engine.preferences.at_desk import PLAIN

LONG = "# Title\n\n- one\n- two\n\nThis is **bold** and goes on for a while."


def begin(home: Home, count: int = 12) -> Project:
    """Answers of ``a`` and ``b`` in either order, of which those of ``a`` are looked up and liked; every fourth is a tie."""
    project = projects.create(home, "arena", PLAIN)
    for i in range(count):
        written, names = ((LONG, "short"), ("a", "b")) if i % 2 else (("short", LONG), ("b", "a"))
        origin = {side: {"name": name} for side, name in zip(("first", "second"), names, strict=True)}
        prompt = [{"role": "user", "content": f"Question {i}?"}]
        pairs.add(home, project, [NewPair(prompt, *written, origin, {"topic": "even" if i % 4 < 2 else "odd"})])
    said = 0
    while shown := desk.look(home, project, "anna"):
        choice = "tie" if said % 4 == 3 else "left" if shown[0].left == LONG else "right"
        desk.vote(home, shown[0].showing.token, Given(choice))
        said += 1
    return project


def test_votes_are_battles_between_those_who_wrote_the_answers(home: Home) -> None:
    project = begin(home)
    found = arena.battles(home, project)
    assert len(found) == 12
    assert ranking.wins(found)["a", "b"] == (9 + 1.5, 12)
    turned = [b for b in found if b.first == "b"]
    assert turned and all(b.score in (0.0, 0.5) for b in turned)
    first = next(b for b in found if b.first == "a")
    assert first.style == arena.style(LONG, "short") and first.labeller == "anna"
    assert {len(arena.some(found, topic=topic)) for topic in ("even", "odd")} == {6}
    assert arena.some(found, labeller="ben") == []


def test_what_a_model_said_twice_or_nobody_is_known_to_have_written_is_no_battle(home: Home) -> None:
    project = projects.create(home, "arena", PLAIN)
    prompt = [{"role": "user", "content": "?"}]
    pairs.add(
        home, project, [NewPair(prompt, "x", "y", {"first": {"name": "a"}, "second": {"name": "a"}}), NewPair(prompt, "v", "w")]
    )
    while shown := desk.look(home, project, "anna"):
        desk.vote(home, shown[0].showing.token, Given("left"))
    assert arena.battles(home, project) == []


def test_how_answers_look_is_told_from_minus_one_to_one() -> None:
    assert arena.style("same", "same") == (0.0, 0.0, 0.0, 0.0)
    length, headings, items, bold = arena.style(LONG, "short")
    assert 0 < length < 1 and (headings, items, bold) == (1.0, 1.0, 1.0)
    assert arena.style("short", LONG) == tuple(-each for each in arena.style(LONG, "short"))
    code = "So:\n```python\n# a\n# b\n- c\n__init__\n```\nand `**kw**`"
    assert arena.style(code, "x" * len(code)) == (0.0, 0.0, 0.0, 0.0), "code is no formatting of the answer"
    assert arena.style("1. a\n2. b\n* c", "- d")[2] == pytest.approx(0.5)


def test_battles_go_out_as_fastchat_has_them_and_come_in_the_same(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    assert arena.export(home, project, tmp_path / "out.jsonl") == 12
    row = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert set(row) == {*arena.COLUMNS, "conversation_a", "conversation_b"}
    assert arena.read(tmp_path / "out.jsonl") == arena.battles(home, project)
    other = projects.create(home, "other")
    assert exchange.bring(home, other, tmp_path / "out.jsonl").layout == "arena"
    assert ranking.wins(arena.battles(home, other)) == ranking.wins(arena.battles(home, project))
    assert sorted(b.topic for b in arena.battles(home, other)) == ["even"] * 6 + ["odd"] * 6
    assert arena.export(home, project, tmp_path / "out.csv") == 12
    with (tmp_path / "out.csv").open() as file:
        assert next(csv.DictReader(file)).keys() == set(arena.COLUMNS)
    assert ranking.wins(arena.read(tmp_path / "out.csv")) == ranking.wins(arena.battles(home, project))
    assert [b.topic for b in arena.read(tmp_path / "out.csv")] == [b.topic for b in arena.battles(home, project)]


@pytest.mark.parametrize("row", [{"model_a": "x"}, {"model_a": "x", "model_b": "y", "winner": "z"}, [1], "x"])
def test_a_file_that_holds_no_battles_is_refused_with_its_row(tmp_path: Path, row: Any) -> None:
    file = tmp_path / "battles.jsonl"
    good = {"model_a": "x", "model_b": "y", "winner": "model_a"}
    file.write_text("".join(json.dumps(each) + "\n" for each in (good, row)))
    with pytest.raises(WrongShape, match="Row 2 of battles.jsonl"):
        arena.read(file)


def test_the_time_of_a_battle_goes_out_as_seconds_and_comes_in_again(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    arena.export(home, project, tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    times = [datetime.fromtimestamp(row["tstamp"], UTC) for row in rows]
    assert all(abs(datetime.now(UTC) - each) < timedelta(minutes=10) for each in times)
    rows[0]["tstamp"] = 1_682_351_591.125
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    exchange.bring(home, "other", tmp_path / "in.jsonl")
    stored = [vote.at for vote in preferences.votes(home, projects.find(home, "other").id)]
    assert stored == ["2023-04-24T15:53:11.125Z", *(vote.at for vote in preferences.votes(home, project.id)[1:])]


def test_a_battle_of_a_model_with_itself_ranks_nothing_and_spaces_make_no_other_model(tmp_path: Path) -> None:
    file = tmp_path / "battles.jsonl"
    names = [("x", "y"), (" x", "y "), ("x", "x "), ("y", "y")]
    file.write_text("".join(json.dumps({"model_a": a, "model_b": b, "winner": "model_a"}) + "\n" for a, b in names))
    assert [(battle.first, battle.second) for battle in arena.read(file)] == [("x", "y")] * 2


def test_a_file_that_cannot_be_used_begins_no_project(home: Home, tmp_path: Path) -> None:
    for body in ("", '{"model_a": "x"}\n', '{"conversation_a": [], "conversation_b": [], "winner": "tie"}\n'):
        file = tmp_path / "battles.jsonl"
        file.write_text(body)
        with pytest.raises(BadInput):
            exchange.bring(home, "new", file, "arena")
    assert [each.name for each in preferences.projects(home)] == []

"""Votes and pairs in and out, in the layouts of other tools."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.data import curate
from engine.errors import WrongShape
from engine.preferences import arena, desk, exchange, freezing, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.layouts import LAYOUTS
from engine.preferences.pairs import NewPair
from storage import db, preferences
from storage.home import Home
from storage.preferences import DECIDING
from storage.records import Project
from tests.engine.preferences.rows import ALPACA, ARGILLA, OWN, PLAIN, SAMPLES, STUDIO, written

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
REAL = sorted(DATA.glob("alpaca_eval_*.jsonl"))


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


@pytest.mark.parametrize("layout", ["argilla", "label_studio"])
def test_other_columns_come_in_and_go_out_again(home: Home, tmp_path: Path, layout: str) -> None:
    part = "metadata" if layout == "argilla" else "data"
    row = json.loads(json.dumps(SAMPLES[layout]))
    row[part] |= {"source": "x", "length": 3}
    project = projects.create(home, "to")
    exchange.bring(home, project, written(tmp_path, [row]))
    assert preferences.pairs(home, project.id)[0].extra == {"source": "x", "length": 3}
    exchange.export(home, project, tmp_path / "out.json", layout)
    out = json.loads((tmp_path / "out.json").read_text())[0][part]
    assert (out["source"], out["length"]) == ("x", 3)


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
    by = {"generator_1": ALPACA["generator_2"], "generator_2": ALPACA["generator_1"]}
    other = {**ALPACA, **by, "output_1": "b", "output_2": "a", "annotator": "other", "preference": 1.1}
    brought = exchange.bring(home, project, written(tmp_path, [ALPACA, other]))
    assert (brought.pairs, brought.known_pairs, brought.votes) == (1, 1, 2)
    votes = preferences.votes(home, project.id)
    assert [(v.choice, v.preference) for v in votes] == [("second", 1.8), ("second", pytest.approx(1.9))]
    exchange.export(home, project, tmp_path / "out.json", "alpaca_eval")
    out = json.loads((tmp_path / "out.json").read_text())
    assert out[0] == ALPACA
    assert out[1] == {**other, "preference": pytest.approx(1.1)}


def test_the_same_texts_by_other_models_are_another_pair_and_by_nobody_known_the_same(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    rows = [ALPACA, {**ALPACA, "generator_2": "a third"}, {**ALPACA, "generator_1": None, "generator_2": None}, ALPACA]
    brought = exchange.bring(home, project, written(tmp_path, rows))
    assert (brought.pairs, brought.known_pairs) == (2, 2)


def test_a_pair_that_was_stored_by_its_texts_alone_is_still_known_by_who_wrote_it(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    exchange.bring(home, project, written(tmp_path, [ALPACA]))
    with db.transaction(home) as connection:  # as all were stored once
        connection.execute("UPDATE pair SET digest = substr(digest, 1, 64)")
    brought = exchange.bring(home, project, written(tmp_path, [ALPACA, {**ALPACA, "generator_2": "a third"}]))
    assert (brought.pairs, brought.known_pairs) == (1, 1)


def test_battles_without_conversations_are_refused_with_what_ranks_them(home: Home, tmp_path: Path) -> None:
    battle = {"model_a": "x", "model_b": "y", "winner": "model_a", "judge": "u", "anony": True, "tstamp": 1700000000.5}
    with pytest.raises(WrongShape, match="`arena rank FILE` ranks such battles"):
        exchange.bring(home, "to", written(tmp_path, [battle]), "arena")
    assert len(arena.read(written(tmp_path, [battle, {**battle, "anony": False}]))) == 1, "shown names are not ranked"


def test_what_was_said_of_three_answers_at_once_stays_one_act_on_its_way_out_and_in(home: Home, tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "Which?"}]
    rows = [
        {"model_a": a, "model_b": b, "winner": "model_a", "judge": "u", "act": act, "anony": blind,
         "conversation_a": [*talk, {"role": "assistant", "content": f"by {a}"}],
         "conversation_b": [*talk, {"role": "assistant", "content": f"by {b}"}]}
        for a, b, act, blind in (("x", "y", "1", True), ("x", "z", "1", True), ("y", "z", "", False))
    ]  # fmt: skip
    exchange.bring(home, "to", written(tmp_path, rows), "arena")
    project = projects.find(home, "to")
    arena.export(home, project, tmp_path / "out.jsonl")
    for found in (arena.battles(home, project), arena.read(tmp_path / "out.jsonl"), arena.read(written(tmp_path, rows))):
        assert [(b.first, b.second, b.act) for b in found] == [("x", "y", "u 1"), ("x", "z", "u 1")]


def test_a_data_set_of_pairs_comes_in_and_another_shape_does_not(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    data = curate.add(home, written(tmp_path, [{"prompt": f"{i}?", "chosen": "a", "rejected": "b"} for i in range(5)]), "pairs")
    assert exchange.from_dataset(home, project, data).pairs == 5
    other = curate.add(home, written(tmp_path, [{"text": "x"}], "t.jsonl"), "text")
    with pytest.raises(WrongShape, match="of the shape preference"):
        exchange.from_dataset(home, project, other)


def test_judges_layout_keeps_every_choice_and_a_second_import_adds_nothing(home: Home, labelled: Project, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    exchange.export(home, labelled, file, "alpaca_eval")
    project = projects.create(home, "to")
    assert exchange.bring(home, project, file).votes == 40
    chosen = [Counter(told[:3] for told in said(home, each).elements()) for each in (project, labelled)]
    merged = [Counter((p, "tie" if c == "bad" else c, who) for p, c, who in each.elements()) for each in chosen]
    assert merged[0] == merged[1], "it has one word for tie and both bad"
    again = exchange.bring(home, project, file)
    assert (again.votes, again.known_votes, again.pairs) == (0, 40, 0)


def test_who_wrote_an_answer_goes_out_beside_that_answer(home: Home, tmp_path: Path) -> None:
    one = {"prompt": "q", "response_a": "a", "response_b": "b", "model_a": "A", "model_b": "B", "winner": "a", "annotator": "x"}
    other = {**one, "response_a": "b", "response_b": "a", "model_a": "B", "model_b": "A", "annotator": "y"}
    project = projects.create(home, "to")
    exchange.bring(home, project, written(tmp_path, [one, other]))
    exchange.export(home, project, tmp_path / "out.json", "alpaca_eval")
    for row in json.loads((tmp_path / "out.json").read_text()):
        assert (row["generator_1"], row["generator_2"]) == (row["output_1"].upper(), row["output_2"].upper())


def test_a_vote_that_is_turned_round_twice_goes_out_as_it_came(home: Home, tmp_path: Path) -> None:
    other = {**ALPACA, "output_1": "b", "output_2": "a", "annotator": "other", "preference": 1.25}
    first, second = projects.create(home, "first"), projects.create(home, "second")
    exchange.bring(home, first, written(tmp_path, [ALPACA, other]))
    exchange.export(home, first, tmp_path / "own.jsonl")
    pairs.add(home, second, [NewPair([{"role": "user", "content": "Hi?"}], "b", "a")])
    exchange.bring(home, second, tmp_path / "own.jsonl")
    exchange.export(home, second, tmp_path / "out.json", "alpaca_eval")
    rows = json.loads((tmp_path / "out.json").read_text())
    assert sorted(map(key, rows)) == sorted(map(key, [{**ALPACA, "preference": 1.8}, other]))


def test_a_decision_that_comes_in_stays_a_decision(home: Home, tmp_path: Path) -> None:
    one, other = projects.create(home, "one"), projects.create(home, "other")
    pairs.add(home, one, [NewPair([{"role": "user", "content": "Hi?"}], "a", "b")])
    for i, choice in enumerate(("first", "second")):
        desk.decide(home, preferences.pairs(home, one.id)[0], "boss", choice)
        exchange.export(home, one, tmp_path / f"{i}.jsonl")
        exchange.bring(home, other, tmp_path / f"{i}.jsonl")
    assert {vote.round for vote in preferences.votes(home, other.id)} == {DECIDING}


@pytest.mark.parametrize("layout", ["argilla", "label_studio"])
def test_what_somebody_said_first_goes_out_once_however_often_they_were_asked(home: Home, tmp_path: Path, layout: str) -> None:
    project, other = projects.create(home, "one"), projects.create(home, "other")
    given: dict[str, Any] = {**OWN["vote"], "preference": None, "token": None}
    again = {**given, "choice": "second", "round": 1, "reason": "again"}
    exchange.bring(home, project, written(tmp_path, [{**OWN, "vote": given}, {**OWN, "vote": again}]))
    exchange.export(home, project, tmp_path / "out.json", layout)
    exchange.bring(home, other, tmp_path / "out.json")
    first = [(vote.choice, vote.reason) for vote in preferences.votes(home, other.id) if vote.round == 0]
    assert first == [("first", "so")]
    if layout == "argilla":
        told = json.loads((tmp_path / "out.json").read_text())[0]["responses"]["preference"]
        assert [each["user_id"] for each in told] == ["anna"], "a record holds one response of a user to a question"


@pytest.mark.parametrize("word", ["response_1", "Response 1", "response_a", "left", "A", "model_a", "1"])
def test_the_same_word_for_a_choice_is_known_in_every_layout(home: Home, tmp_path: Path, word: str) -> None:
    rows: dict[str, Any] = {
        "pairs": {**PLAIN, "winner": word},
        "argilla": {**ARGILLA, "suggestions": {}, "responses": {"preference": [{"value": word, "user_id": "u1"}]}},
        "label_studio": {
            **STUDIO,
            "annotations": [{"completed_by": 1, "result": [{"type": "choices", "value": {"choices": [word]}}]}],
        },
    }
    for name, row in rows.items():
        project = projects.create(home, name)
        exchange.bring(home, project, written(tmp_path, [row]))
        assert [vote.choice for vote in preferences.votes(home, project.id)] == ["first"], name


@pytest.mark.parametrize(("said", "chosen"), [((0, 1, 1), "fss"), ((1, 2, 1), "fsf"), (("0", "1", "0"), "fsf")])
def test_numbers_for_the_better_answer_count_from_0_where_a_file_holds_a_0(
    home: Home, tmp_path: Path, said: tuple[Any, ...], chosen: str
) -> None:
    rows = [{"prompt": f"{i}?", "first": "a", "second": "b", "label": each} for i, each in enumerate(said)]
    project = projects.create(home, "to")
    exchange.bring(home, project, written(tmp_path, rows))
    found = [vote.choice[0] for vote in preferences.votes(home, project.id)]
    assert "".join(found) == chosen

"""Advice that is kept: once however often it is asked for, with the runs begun on it, the cost of trainings, and whether it held."""

import argparse
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine import advice, rubric
from engine.__main__ import parser
from engine.commands import rubric as commands
from engine.errors import BadInput, NotFound
from engine.rubric import costs
from storage import db, events, runs
from storage.home import Home
from storage.records import Advice, Run
from tests import filled

ANSWERS: dict[str, Any] = {
    "goal": "knowledge", "prompting": "untried", "needed": 80, "changes": "daily", "citations": "yes", "data": ["documents"],
    "document_tokens": 2e6, "seconds": 10, "hours": 8, "privacy": "inside", "hardware": "cpu", "regressions": "some",
}  # fmt: skip
TASTE = {**ANSWERS, "goal": "taste", "data": ["pairs"], "pair_rows": 5_000, "prompting": "short"}
SKILL = {**ANSWERS, "goal": "skill", "data": ["prompts"], "prompt_rows": 2_000, "prompting": "short"}


def bakeoff(home: Home, *found: tuple[str, float, float, float], status: str = "succeeded") -> Run:
    """A bake-off that has ended, with what it measured of each kind: value, low, high."""
    run = runs.insert(home, kind="bakeoff", name="four ways", request={}, token=None)
    runs.claim(home)
    told = [
        {"name": f"{kind} one", "kind": kind, "value": value, "low": low, "high": high, "n": 300}
        for kind, value, low, high in found
    ]
    runs.end(home, run.id, status, summary={"candidates": told})
    return run


def measured(home: Home, answers: Mapping[str, Any], *found: tuple[str, float, float, float]) -> advice.Held:
    kept = advice.save(home, answers)
    advice.hang(home, kept.id, bakeoff(home, *found).id)
    return advice.held(home, kept)


def test_an_advice_is_kept_once_for_a_token_and_found_as_it_was(home: Home) -> None:
    first = advice.save(home, ANSWERS, "a click")
    assert advice.save(home, ANSWERS, "a click") == first
    assert advice.save(home, ANSWERS, "another").id != first.id
    assert advice.find(home, "#1") == advice.find(home, 1) == first
    assert advice.given(first) == rubric.advise(ANSWERS)
    assert [kept.id for kept in advice.every(home)] == [2, 1]
    assert first.answers == rubric.questions.kept(ANSWERS)
    with pytest.raises(NotFound, match="no advice '7'. There is: #1, #2"):
        advice.find(home, "7")
    with pytest.raises(BadInput, match="Still to be answered"):
        advice.save(home, {"goal": "taste"})


def test_only_bake_offs_and_trainings_hang_on_an_advice_and_twice_is_once(home: Home) -> None:
    kept = advice.save(home, ANSWERS)
    run = bakeoff(home, ("base", 0.1, 0.05, 0.15))
    advice.hang(home, kept.id, run.id)
    advice.hang(home, kept.id, run.id)
    assert [one.id for one in advice.runs_of(home, kept)] == [run.id]
    other = runs.insert(home, kind="measure", name="m", request={}, token=None)
    with pytest.raises(BadInput, match="is of the kind measure"):
        advice.hang(home, kept.id, other.id)
    with pytest.raises(NotFound):
        advice.hang(home, kept.id, 99)


def test_before_a_bake_off_has_ended_well_nothing_is_claimed(home: Home) -> None:
    kept = advice.save(home, ANSWERS)
    assert advice.held(home, kept).word == "not measured yet"
    advice.hang(home, kept.id, bakeoff(home, ("retrieval", 0.9, 0.85, 0.93), status="stopped").id)
    assert advice.held(home, kept).word == "not measured yet"
    assert measured(home, ANSWERS, ("base", 0.1, 0.05, 0.2), ("tuned", 0.8, 0.7, 0.85)).sentence.startswith(
        "Not measured yet: the bake-off of run 2 had no candidate for Retrieval"
    )


@pytest.mark.parametrize(
    ("answers", "found", "word", "said"),
    [
        (ANSWERS, (("base", 0.1, 0.05, 0.2), ("retrieval", 0.84, 0.8, 0.88), ("tuned", 0.86, 0.82, 0.9)), "held",
         "It held: Retrieval reached 0.84 (0.80 to 0.88), and the bar was 0.80."),
        (ANSWERS, (("retrieval", 0.6, 0.55, 0.65), ("tuned", 0.86, 0.82, 0.9)), "did not hold", "training is clearly better with 0.86 (0.82 to 0.90)"),
        (ANSWERS, (("retrieval", 0.7, 0.65, 0.75), ("tuned", 0.72, 0.67, 0.77)), "open", "not clearly better, but the bar of 0.80 is not reached yet"),
        (TASTE, (("prompt", 0.5, 0.45, 0.55), ("guards", 0.52, 0.47, 0.57), ("tuned", 0.9, 0.86, 0.93)), "held",
         "training reached 0.90 (0.86 to 0.93), prompting with validators 0.52"),
        (TASTE, (("prompt", 0.88, 0.84, 0.92), ("tuned", 0.9, 0.86, 0.93)), "did not hold", "the cheaper way would have done"),
        (TASTE, (("prompt", 0.9, 0.86, 0.93), ("tuned", 0.5, 0.45, 0.55)), "did not hold", "Do not train."),
        (TASTE, (("tuned", 0.9, 0.86, 0.93),), "open", "nothing cheaper was measured beside it"),
    ],
)  # fmt: skip
def test_whether_an_advice_held_is_told_from_intervals(home: Home, answers: Any, found: Any, word: str, said: str) -> None:
    held = measured(home, answers, *found)
    assert (held.word, held.run_id) == (word, 1)
    assert said in held.sentence and "n = 300" in held.sentence


def test_what_was_measured_changes_the_advice(home: Home) -> None:
    kept = advice.save(home, TASTE)
    assert advice.given(kept).train
    advice.hang(
        home, kept.id, bakeoff(home, ("prompt", 0.7, 0.6, 0.8), ("guards", 0.85, 0.8, 0.9), ("prompt", 0.75, 0.7, 0.8)).id
    )
    found = advice.measured(home, kept)
    assert (found["prompt"].value, found["guards"].value) == (0.75, 0.85)
    assert not rubric.advise(kept.answers, found).train


def way(answers: Mapping[str, Any], id: str) -> Any:
    return next(way for way in rubric.advise(answers).ways if way.id == id)


def test_a_training_is_filled_in_with_the_base_and_own_data_before_samples_and_never_with_what_is_held_out(pocket: Home) -> None:
    place = advice.filled(pocket, way(SKILL, "reinforcement"))
    assert place.query == {"method": "grpo", "model": "pocket", "data": "pocket-sums@1"}
    assert place.command == ("train", "--method", "grpo", "--model", "pocket", "--data", "pocket-sums@1")
    filled.freeze(pocket, "our-sums", "prompt", [{"prompt": "1 + 1 = ?", "check": filled.CHECK}] * 3)
    filled.freeze(pocket, "our-sums-held-out", "prompt", [{"prompt": "2 + 1 = ?", "check": filled.CHECK}] * 3)
    assert advice.filled(pocket, way(SKILL, "reinforcement")).query["data"] == "our-sums@1"
    assert advice.filled(pocket, way(TASTE, "preference")).query["data"] == "pocket-preferences@1"
    road = advice.filled(pocket, way({**TASTE, "data": ["pairs", "demonstrations"], "demonstration_rows": 2_000}, "chain"))
    assert road.query == {"road": "stablelm-zephyr", "model": "pocket"}
    assert road.command == ("chain", "begin", "stablelm-zephyr", "--model", "pocket", "--name", "stablelm-zephyr")


def test_the_command_lines_that_advice_gives_are_understood(pocket: Home) -> None:
    for answers in (ANSWERS, TASTE, SKILL, {**TASTE, "pair_rows": 5}):
        for one in rubric.advise(answers).ways:
            parser().parse_args(list(advice.filled(pocket, one).command))
    assert "bare:model=pocket" in advice.filled(pocket, way(TASTE, "prompting")).command


def test_on_an_empty_home_an_advice_names_the_method_alone(home: Home) -> None:
    assert advice.filled(home, way(SKILL, "reinforcement")).query == {"method": "grpo"}


def ended(home: Home, model_id: int, seconds: float) -> None:
    recipe = {"method": "sft", "model_id": model_id, "dataset_id": 1, "settings": {"batch_size": 16}}
    run = runs.insert(home, kind="train", name="r", request=recipe, token=None)
    runs.claim(home)
    events.add_metrics(home, run.id, [("training_seconds", 10, seconds)])
    runs.end(home, run.id, "succeeded", summary={})


def test_costs_come_from_runs_here_of_a_similar_size_and_else_from_the_pocket_lab(home: Home) -> None:
    filled.freeze(home, "d", "messages", [{"messages": filled.turns("a", "b")}])
    small, large = filled.model(home, "small"), filled.model(home, "large", parameters=500_000_000)
    before = costs.costs(home)["sft"]
    assert before.runs == 0 and before.basis.startswith("never run here yet: the Pocket lab took") and before.seconds
    for seconds in (100, 300, 200):
        ended(home, small.id, seconds)
    ended(home, large.id, 9_000)
    near = costs.costs(home, ["sft"], small.parameters)["sft"]
    assert (near.seconds, near.low, near.high, near.runs) == (200, 100, 300, 3)
    assert costs.costs(home, ["sft"])["sft"].runs == 4
    assert set(costs.costs(home)) == {"sft", "pretrain", "dpo", "kto", "reward", "ppo", "rloo", "grpo", "rejection"}


def told(home: Home, *words: str) -> int:
    """Run ``rubric`` with these words."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true")
    top = argparse.ArgumentParser()
    commands.add_to(top.add_subparsers(required=True), common)
    given = top.parse_args(["rubric", *words])
    return given.command(home, given)


def pairs(answers: Mapping[str, Any]) -> list[str]:
    texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in answers.items()}
    return [word for name, text in texts.items() for word in ("--answer", f"{name}={text}")]


def test_the_command_gives_keeps_and_shows_advice(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(home, "advise", *pairs(ANSWERS), "--save") == 0
    said = capsys.readouterr().out
    assert "Do not train yet. Retrieval comes first" in said and "Kept as advice #1" in said and "1. Retrieval: try first" in said
    run = bakeoff(home, ("retrieval", 0.9, 0.85, 0.93))
    assert told(home, "hang", "1", str(run.id)) == 0
    assert told(home, "show", "1") == 0
    said = capsys.readouterr().out
    assert "It held: Retrieval reached 0.90" in said and "How often do the facts change?" in said
    assert told(home, "list", "--json") == 0
    assert [(one["id"], one["held"], one["runs"]) for one in json.loads(capsys.readouterr().out)] == [(1, "held", [run.id])]
    assert told(home, "advise", *pairs(TASTE), "--json") == 0
    assert json.loads(capsys.readouterr().out)["ways"][0]["id"] == "preference"


def test_answers_come_from_a_file_and_the_line_goes_before_it(
    home: Home, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.toml"
    file.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in ANSWERS.items()))
    assert told(home, "advise", "--file", str(file), "--answer", "changes=never", "--json") == 0
    assert json.loads(capsys.readouterr().out)["answers"]["changes"] == "never"
    (tmp_path / "answers.json").write_text("[1]")
    with pytest.raises(BadInput, match="holds no answers"):
        told(home, "advise", "--file", str(tmp_path / "answers.json"))
    (tmp_path / "bad.toml").write_text("goal = ")
    with pytest.raises(BadInput, match="cannot be read"):
        told(home, "advise", "--file", str(tmp_path / "bad.toml"))


def test_the_dialogue_asks_again_goes_back_and_ends_in_advice(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["9", "2", "<", "6", "1", "85", "4", "50", "<", "5k", "", "", "1", "", "2"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
    assert told(home, "ask", "--save", "--json") == 0
    out, heard = capsys.readouterr()
    answers = json.loads(out)["answers"]
    assert (answers["goal"], answers["data"], answers["pair_rows"], answers["seconds"]) == ("taste", ["pairs"], 5_000, 10)
    assert answers["hardware"] == advice.hardware(home)
    assert "goal takes one of" in heard and "1 of at most 12" in heard
    assert db.row(home, "SELECT COUNT(*) AS n FROM advice")["n"] == 1


def test_every_question_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(home, "questions") == 0
    said = capsys.readouterr().out
    assert all(question.text in said and question.why in said for question in rubric.QUESTIONS)


def test_an_empty_list_of_advice_says_how_to_begin(home: Home) -> None:
    with pytest.raises(NotFound, match="none yet; `rubric ask` begins"):
        advice.find(home, "1")
    assert advice.every(home) == []
    assert isinstance(advice.save(home, ANSWERS), Advice)

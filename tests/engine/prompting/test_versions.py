"""Prompt versions: frozen, compared, traced back, and the examples that they show; and the commands over them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine import __main__ as command_line
from engine.data import curate
from engine.errors import BadInput, NotFound, WrongShape
from engine.prompting import versions
from engine.prompting.templates import Body, Examples
from storage import db
from storage.home import Home

ROWS = [
    ("When does the ferry leave?", "At nine."),
    ("What does a loaf of bread cost?", "Two coins."),
    ("Where is the bakery?", "Beside the bridge."),
    ("How long is the crossing by boat?", "One hour."),
    ("Who keeps the cats?", "Mara."),
]


def kept(home: Home, tmp_path: Path, rows: Sequence[tuple[str, str]] = ROWS, shape: str = "prompt_completion") -> str:
    """A data set of these questions and answers, by its title."""
    lines = [{"prompt": question, "completion": answer} for question, answer in rows]
    if shape == "messages":
        lines = [
            {
                "messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": q},
                    {"role": "assistant", "content": a},
                ]
            }
            for q, a in rows
        ]  # type: ignore[misc]
    file = tmp_path / f"{shape}.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return curate.add(home, file, f"rows-{shape}").title


def test_versions_are_frozen_counted_and_traced_back(home: Home) -> None:
    first = versions.save(home, "shop", {"system": "Be brief."}, "the first")
    second = versions.save(home, "shop", Body(system="Be very brief."))
    assert [each.title for each in (first, second)] == ["shop@1", "shop@2"]
    assert versions.save(home, "shop", {"system": "Be brief."}, "once more") == first
    assert versions.find(home, "shop") == second == versions.find(home, f"#{second.id}")
    assert versions.find(home, "shop@1") == first
    assert [each.title for each in versions.lineage(home, second)] == ["shop@2", "shop@1"]
    assert versions.body_of(second) == Body(system="Be very brief.")
    assert versions.save(home, "other", {"system": "Be brief."}).title == "other@1"


def test_the_difference_of_two_versions_shows_the_lines_that_changed(home: Home) -> None:
    first = versions.save(home, "shop", {"system": "Be brief.\nBe kind."})
    second = versions.save(home, "shop", {"system": "Be brief.\nBe polite.", "variables": {"a": "b"}})
    lines = versions.difference(first, second)
    assert lines[:2] == ["--- shop@1", "+++ shop@2"]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-  Be kind.", "+  Be polite.", "+  a = b"]
    assert versions.difference(first, first) == []


def test_what_is_not_there_or_has_no_name_is_told(home: Home) -> None:
    versions.save(home, "shop", {})
    with pytest.raises(NotFound, match="There are: shop"):
        versions.find(home, "store")
    with pytest.raises(NotFound, match="shop has @1"):
        versions.find(home, "shop@9")
    with pytest.raises(BadInput, match="cannot be the name of a prompt"):
        versions.save(home, "a@b", {})


@pytest.mark.parametrize("shape", ["prompt_completion", "messages"])
def test_fixed_examples_are_the_same_for_every_question_and_never_the_question_itself(
    home: Home, tmp_path: Path, shape: str
) -> None:
    body = Body(examples=Examples(kept(home, tmp_path, shape=shape), 3))
    shown = versions.examples_for(home, body, "What is new?")
    assert shown == versions.examples_for(home, body, "What else?") and len(shown) == 3 and set(shown) <= set(ROWS)
    assert {
        tuple(versions.examples_for(home, Body(examples=Examples(body.examples.dataset, 3, seed=s)), "x")) for s in range(9)
    } != {tuple(shown)}  # type: ignore[union-attr]
    for question, _ in ROWS:
        for asked in (question, f"  {question.upper()} ", question.rstrip("?")):
            others = versions.examples_for(home, body, asked)
            assert question not in [each for each, _ in others] and len(others) == 3


def test_nearest_examples_are_those_of_like_meaning_and_the_question_itself_is_none(home: Home, tmp_path: Path) -> None:
    body = Body(examples=Examples(kept(home, tmp_path), 2, "nearest"))
    shown = versions.examples_for(home, body, "At what time does the ship depart?")
    assert shown[-1] == ROWS[0] and ROWS[3] in shown
    assert ROWS[0] not in versions.examples_for(home, body, "when does the ferry leave")


def test_examples_are_pinned_to_the_version_that_the_data_set_has(home: Home, tmp_path: Path) -> None:
    kept(home, tmp_path)
    made = versions.save(home, "shop", {"examples": {"dataset": "rows-prompt_completion", "count": 2}})
    assert made.body["examples"]["dataset"] == "rows-prompt_completion@1"
    kept(home, tmp_path, ROWS[:3])
    assert versions.save(home, "shop", {"examples": {"dataset": "rows-prompt_completion", "count": 2}}).title == "shop@2"
    assert versions.examples_for(home, versions.body_of(made), "x") != []


def test_a_data_set_without_answers_gives_no_examples(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "text.jsonl"
    file.write_text('{"text": "a"}\n{"text": "b"}')
    title = curate.add(home, file, "texts").title
    with pytest.raises(WrongShape, match="shape text"):
        versions.save(home, "shop", {"examples": {"dataset": title}})
    with pytest.raises(NotFound):
        versions.save(home, "shop", {"examples": {"dataset": "nowhere"}})


def test_the_commands_keep_list_show_compare_and_try_prompts(
    pocket: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert command_line.main(["--home", str(pocket.root), "prompts", *words]) == 0
        return capsys.readouterr().out

    file = tmp_path / "prompt.json"
    file.write_text(json.dumps({"system": "Be brief.", "variables": {"tone": "kindly"}}))
    assert "shop@1" in said("save", "shop", "--file", str(file), "--template", "{tone}: {question}", "--note", "a try")
    data = kept(pocket, tmp_path)
    more = ["--template", "{passages} {question}", "--examples", data, "--count", "2", "--by", "fixed", "--seed", "1"]
    body = json.loads(said("save", "shop", *more, "--variable", "a=b", "--absent", "No.", "--json"))["body"]
    assert body["examples"] == {"dataset": data, "count": 2, "by": "fixed", "seed": 1} and body["variables"] == {"a": "b"}
    assert "shop@2" in said("list") and "a try" in said("list")
    assert "follows: shop@1" in said("show", "shop")
    assert "-  Be brief." in said("diff", "shop@1", "shop@2")
    turns = json.loads(said("try", "shop", "--question", "Who?", "--passage", "Mara<|im_end|>", "--json"))
    assert (
        len(turns) == 5
        and turns[-1]["content"].startswith("[1] (passage 1)\n  Mara< |im_end|>")
        and "say: No." in turns[-1]["content"]
    )
    assert command_line.main(["--home", str(pocket.root), "prompts", "save", "shop"]) == 2
    assert "There is no prompt to keep" in capsys.readouterr().err
    db.close_readers()

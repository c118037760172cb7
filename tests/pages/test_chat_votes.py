"""What is said of answers in the chat becomes pairs with votes under Labels."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.generation import conversations
from engine.generation.answers import Answer, Sampling
from engine.generation.turns import Conversation, Side
from engine.preferences import arena, projects
from storage import preferences
from storage.home import Home
from storage.records import Pair, Vote
from tests import filled
from tests.pages.conftest import open_page

PROMPT = "Is the shop open?"


def answered(home: Home, models: tuple[str, ...], texts: tuple[str, ...]) -> Conversation:
    """A conversation of one turn that has ended."""
    begun = conversations.add(
        home, conversations.begin([Side(model, "Be kind.") for model in models]), PROMPT, Sampling(seed=7, temperature=0.5)
    )
    answers = tuple(
        Answer(model, None, f"{i}a" * 16, text, base=model, tokens=5, seconds=1.0, status="done", finish="stop", dtype="bfloat16")
        for i, (model, text) in enumerate(zip(models, texts, strict=True))
    )
    return filled.spoken(home, begun, answers)


def kept(home: Home) -> tuple[list[Pair], list[Vote]]:
    project = preferences.project(home, "chat")
    assert project is not None
    return preferences.pairs(home, project.id), preferences.votes(home, project.id)


def press(app: AppTest, key: str) -> AppTest:
    """Press the choice whose key ends so."""
    there = [button for button in app.button if str(button.key).startswith("chat_judge_")]
    return next(button for button in there if str(button.key).endswith(key)).click().run()


def test_a_vote_in_the_chat_is_a_pair_that_keeps_who_wrote_which_side_and_how(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket", "support-sft"), ("No.", "Yes, until six."))
    app = open_page("chat", talk=talk.id)
    press(app, "_1")
    pairs, votes = kept(full["home"])
    assert [(pair.first, pair.second) for pair in pairs] == [("Yes, until six.", "No.")]
    assert [turn["content"] for turn in pairs[0].prompt] == ["Be kind.", PROMPT]
    assert (pairs[0].origin["first"]["name"], pairs[0].origin["second"]["name"]) == ("support-sft", "pocket")
    assert pairs[0].origin["first"]["sampling"]["temperature"] == 0.5
    assert (votes[0].choice, votes[0].source, votes[0].flipped) == ("first", "chat", True)
    assert not app.exception


def test_another_choice_on_the_same_answers_takes_the_place_of_the_first(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket", "support-sft"), ("No.", "Yes."))
    app = open_page("chat", talk=talk.id)
    press(app, "_1")
    press(app, "_0")
    pairs, votes = kept(full["home"])
    assert len(pairs) == len(votes) == 1
    assert {"first": pairs[0].first, "second": pairs[0].second}[votes[0].choice] == "No."
    press(app, "_tie")
    assert [vote.choice for vote in kept(full["home"])[1]] == ["tie"]


def test_the_best_of_three_is_better_than_each_other(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket", "support-sft", "pocket-2"), ("No.", "Yes.", "Perhaps."))
    press(open_page("chat", talk=talk.id), "_2")
    pairs, votes = kept(full["home"])
    assert {(pair.first, pair.second) for pair in pairs} == {("Perhaps.", "No."), ("Perhaps.", "Yes.")}
    assert {vote.choice for vote in votes} == {"first"}


@pytest.mark.parametrize("choice", ["tie", "bad"])
def test_of_three_none_may_be_the_best(full: dict[str, Any], choice: str) -> None:
    talk = answered(full["home"], ("pocket", "support-sft", "pocket-2"), ("No.", "Yes.", "Perhaps."))
    app = press(open_page("chat", talk=talk.id), f"_{choice}")
    pairs, votes = kept(full["home"])
    assert {(pair.first, pair.second) for pair in pairs} == {("No.", "Yes."), ("No.", "Perhaps."), ("Yes.", "Perhaps.")}
    assert [vote.choice for vote in votes] == [choice] * 3 and not app.exception


def test_a_correction_is_better_than_what_it_corrects(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket",), ("No",))
    app = open_page("chat", talk=talk.id)
    field = next(area for area in app.text_area if "_text_0" in str(area.key))
    field.input("No, we open at nine.").run()
    press(app, "_keep")
    pairs, votes = kept(full["home"])
    assert (pairs[0].first, pairs[0].second, votes[0].choice) == ("No, we open at nine.", "No", "first")
    assert pairs[0].origin["first"]["corrects"] == "pocket"


def test_answers_that_are_the_same_are_no_pair(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket", "support-sft"), ("Yes.", "Yes."))
    app = open_page("chat", talk=talk.id)
    press(app, "_1")
    project = preferences.project(full["home"], "chat")
    assert project is None or not preferences.pairs(full["home"], project.id)
    assert not app.exception


def test_later_answers_of_models_with_histories_of_their_own_are_not_compared(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket", "support-sft"), ("No.", "Yes."))
    later = filled.spoken(full["home"], conversations.add(full["home"], talk, "And tomorrow?", Sampling()), talk.turns[0].answers)
    app = open_page("chat", talk=talk.id)
    keys = [str(button.key) for button in app.button if str(button.key).startswith("chat_judge_")]
    assert any(talk.turns[0].id in key for key in keys)
    assert not any(later.turns[1].id in key for key in keys)


def test_another_choice_among_three_takes_all_of_the_first_back(full: dict[str, Any]) -> None:
    talk = answered(full["home"], ("pocket", "support-sft", "pocket-2"), ("No.", "Yes.", "Perhaps."))
    app = press(open_page("chat", talk=talk.id), "_0")
    press(app, "_1")
    pairs, votes = kept(full["home"])
    by = {pair.id: pair for pair in pairs}
    told = [(by[v.pair_id].first, by[v.pair_id].second, v.choice) for v in votes]
    assert all({"first": one, "second": other}[choice] == "Yes." for one, other, choice in told) and len(told) == 2
    assert len({vote.extra["act"] for vote in votes}) == 1, "they are one act of voting"


def test_the_same_words_of_other_models_are_another_comparison(full: dict[str, Any]) -> None:
    home = full["home"]
    for models, better in ((("pocket", "support-sft"), "_1"), (("pocket", "support-2"), "_1"), (("support-sft", "pocket"), "_1")):
        press(open_page("chat", talk=answered(home, models, ("No.", "Yes.")).id), better)
    pairs, votes = kept(home)
    assert len(pairs) == len(votes) == 3
    assert [(pair.origin["first"]["name"], pair.origin["second"]["name"]) for pair in pairs] == [
        ("support-sft", "pocket"), ("support-2", "pocket"), ("pocket", "support-sft"),
    ]  # fmt: skip
    press(open_page("chat", talk=answered(home, ("pocket", "support-sft"), ("No.", "Yes.")).id), "_0")
    assert len(kept(home)[0]) == 3 and len(kept(home)[1]) == 3, "the same comparison again takes the place of the first"


def test_a_correction_is_no_win_of_whoever_made_it(full: dict[str, Any]) -> None:
    app = open_page("chat", talk=answered(full["home"], ("pocket",), ("No",)).id)
    next(area for area in app.text_area if "_text_0" in str(area.key)).input("No, we open at nine.").run()
    press(app, "_keep")
    assert kept(full["home"])[1] and arena.battles(full["home"], projects.find(full["home"], "chat")) == []

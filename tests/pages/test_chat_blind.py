"""Blind comparisons in the chat: nothing tells which model answered until somebody has chosen, and only such votes are ranked."""

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.generation import conversations
from engine.generation.answers import Answer, Sampling
from engine.generation.turns import Conversation
from engine.preferences import arena, projects
from storage import preferences
from storage.home import Home
from storage.records import Vote
from tests import filled
from tests.pages.conftest import open_page
from tests.pages.test_chat_votes import kept, press

MODELS = ("pocket", "support-sft")


def blind(home: Home, order: tuple[int, int], texts: tuple[str, str] = ("No.", "Yes, until six."), **more: Any) -> Conversation:
    """A blind conversation of one turn that has ended, its models in this order."""
    begun = replace(conversations.begin(list(MODELS), blind=True), order=order, **more)
    asked = conversations.add(home, begun, "Is the shop open?", Sampling())
    answers = tuple(
        Answer(model, None, f"{i}a" * 16, text, base=model, tokens=5, seconds=1.0, status="done", finish="stop", dtype="bfloat16")
        for i, (model, text) in enumerate(zip(MODELS, texts, strict=True))
    )
    return filled.spoken(home, asked, answers)


def how(vote: Vote) -> dict[str, Any]:
    """What is kept of a vote beside its choice, without what names the act."""
    return {name: value for name, value in vote.extra.items() if name != "act"}


def said(app: AppTest) -> list[str]:
    """The texts of the page outside of what is chosen in the controls, in order."""
    return [str(each.value) for kind in (app.markdown, app.caption, app.text) for each in kind] + [b.label for b in app.button]


def test_which_model_gave_which_answer_is_told_by_nothing_until_somebody_has_chosen(full: dict[str, Any]) -> None:
    talk = blind(full["home"], (1, 0))
    app = open_page("chat", talk=talk.id)
    assert [m.value for m in app.markdown if "Answer" in str(m.value)] == ["**Answer 1**", "**Answer 2**"]
    assert not any(name in text for text in said(app) for name in ("pocket", "support", "0a0a", "1a1a", "tokens/s"))
    press(app, "_0")  # the one on the left, which is the second model
    assert [m.value for m in app.markdown if "Answer" in str(m.value)] == [
        r"**Answer 1: support\-sft**",
        "**Answer 2: pocket**",
    ]
    assert conversations.read(full["home"], talk.id).revealed
    pairs, votes = kept(full["home"])
    assert (pairs[0].origin["first"]["name"], votes[0].choice, votes[0].flipped) == ("support-sft", "first", False)
    found = arena.battles(full["home"], projects.find(full["home"], "chat"))
    assert [(b.first, b.second, b.score) for b in found] == [("support-sft", "pocket", 1.0)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_tie_reveals_too_and_sides_are_told_as_they_were_seen(full: dict[str, Any], order: tuple[int, int]) -> None:
    talk = blind(full["home"], order)
    press(open_page("chat", talk=talk.id), "_tie")
    _, votes = kept(full["home"])
    assert conversations.read(full["home"], talk.id).revealed and votes[0].choice == "tie"
    assert votes[0].flipped == (order == (1, 0)) and votes[0].extra["blind"] is True


def test_votes_with_names_and_answers_that_name_themselves_are_kept_and_not_ranked(full: dict[str, Any]) -> None:
    home = full["home"]
    app = press(open_page("chat", talk=blind(home, (0, 1), revealed=True).id), "_0")
    assert any("not ranked, since the names were shown" in button.label for button in app.button)
    app = press(open_page("chat", talk=blind(home, (0, 1), ("I am Qwen, made to help.", "Yes.")).id), "_1")
    assert any("not ranked, since an answer says Qwen" in button.label for button in app.button)
    press(open_page("chat", talk=blind(home, (0, 1), ("Here support-sft writes.", "Sure.")).id), "_1")
    _, votes = kept(home)
    assert [how(vote) for vote in votes] == [
        {"blind": False}, {"blind": True, "named": "Qwen"}, {"blind": True, "named": "support-sft"},
    ]  # fmt: skip
    assert arena.battles(home, projects.find(home, "chat")) == []


def test_a_plain_word_counts_as_a_name_only_where_somebody_says_it_is_theirs() -> None:
    assert arena.named(["Put it in your pocket."], ["pocket"]) == ""
    assert arena.named(["My name is Pocket and I help."], ["pocket"]) == "pocket"
    assert arena.named(["x", "as sft-2 says"], ["sft-2"]) == "sft-2" and arena.named(["sft-22"], ["sft-2"]) == ""


def test_sides_are_drawn_anew_for_each_blind_conversation_and_for_no_other() -> None:
    drawn = {conversations.begin(list(MODELS), blind=True).order for _ in range(60)}
    assert drawn == {(0, 1), (1, 0)}
    assert conversations.begin(list(MODELS)).order == () and conversations.begin(list(MODELS)).shown == (0, 1)


def test_what_was_revealed_is_not_gone_on_with_blindly(full: dict[str, Any]) -> None:
    talk = blind(full["home"], (0, 1), revealed=True)
    app = open_page("chat", talk=talk.id)
    assert app.toggle(key="chat_blind").value is True
    assert any("has been revealed: the next prompt begins a new one" in str(c.value) for c in app.caption)
    app.toggle(key="chat_blind").set_value(False).run()
    assert any("The names are shown from now on" in str(c.value) for c in app.caption)


def test_a_side_that_failed_does_not_tell_its_name_and_the_names_can_be_shown_without_a_choice(full: dict[str, Any]) -> None:
    home = full["home"]
    talk = blind(home, (1, 0))
    turn = talk.turns[0]
    failed = replace(turn.answers[1], status="failed", text="", error="The adapter of support-sft is gone from /x/support-sft.")
    filled.spoken(home, talk, (turn.answers[0], failed))
    app = open_page("chat", talk=talk.id)
    assert [error.value for error in app.error] == [
        r"This side gave no answer\. Why it did not is told when the names are shown\."
    ]
    assert not any("support" in text for text in said(app))
    app.button(key="chat_reveal").click().run()
    assert "is gone from" in app.error[0].value and conversations.read(home, talk.id).revealed
    assert not [button for button in app.button if button.key == "chat_reveal"]


def test_a_choice_after_the_names_were_shown_is_kept_and_not_ranked(full: dict[str, Any]) -> None:
    app = open_page("chat", talk=blind(full["home"], (0, 1)).id)
    app.button(key="chat_reveal").click().run()
    press(app, "_0")
    assert [how(vote) for vote in kept(full["home"])[1]] == [{"blind": False}]
    assert arena.battles(full["home"], projects.find(full["home"], "chat")) == []


def test_blind_sides_are_asked_the_same_since_their_own_prompts_would_tell_them_apart(full: dict[str, Any]) -> None:
    app = open_page("chat", models="pocket,support-sft")
    app.toggle(key="chat_each").set_value(True).run()
    app.toggle(key="chat_blind").set_value(True).run()
    assert app.toggle(key="chat_each").disabled and app.chat_input and not app.exception
    app.chat_input[0].set_value("Hello?").run()
    (talk,) = conversations.recent(full["home"])
    assert talk.blind and talk.turns[0].shared


def test_names_shown_in_another_tab_are_known_to_a_vote_in_this_one(full: dict[str, Any]) -> None:
    talk = blind(full["home"], (0, 1))
    app = open_page("chat", talk=talk.id)
    conversations.reveal(full["home"], talk.id)
    press(app, "_0")
    assert [how(vote) for vote in kept(full["home"])[1]] == [{"blind": False}]


def test_a_vote_in_a_conversation_that_is_gone_is_not_kept(full: dict[str, Any]) -> None:
    talk = blind(full["home"], (0, 1))
    app = open_page("chat", talk=talk.id)
    conversations.delete(full["home"], talk.id)
    press(app, "_0")
    project = preferences.project(full["home"], "chat")
    assert project is None or not preferences.votes(full["home"], project.id)


def test_the_same_choice_again_changes_nothing_and_another_one_takes_the_blind_one_back(full: dict[str, Any]) -> None:
    home = full["home"]
    app = press(open_page("chat", talk=blind(home, (0, 1)).id), "_0")
    before = kept(home)[1]
    press(app, "_0")
    assert kept(home)[1] == before and how(before[0]) == {"blind": True}
    press(app, "_1")
    assert [how(vote) for vote in kept(home)[1]] == [{"blind": False}]
    assert arena.battles(home, projects.find(home, "chat")) == []


def test_a_name_said_in_another_branch_of_the_conversation_spoils_this_one_too(full: dict[str, Any]) -> None:
    home = full["home"]
    talk = blind(home, (1, 0), ("I am SmolLM2.", "Hello."))
    beside = conversations.add(home, replace(talk, leaf=""), "Is the shop open?", Sampling(), aside=True)
    filled.spoken(home, beside, blind(home, (1, 0)).turns[0].answers)
    press(open_page("chat", talk=talk.id), "_0")
    assert [how(vote) for vote in kept(home)[1]] == [{"blind": True, "named": "SmolLM2"}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I am Qwen2.5, made in Hangzhou.", "Qwen2.5"),
        ("i am chatgpt", "chatgpt"),
        ("I was trained by Google.", "Google"),
        ("I'm a model from the GPT-4o family", "GPT-4o"),
        ("As an AI model by Meta I cannot.", "Meta"),
        ("Here support-sft writes.", "support-sft"),
        ("I am qwen3 and I help.", "qwen3"),
        ("Claude Monet painted this.", ""),
        ("Gemini is a sign of the zodiac; a llama is an animal.", ""),
        ("Search for it with Google.", ""),
        ("The base of the tower is old.", ""),
    ],
)
def test_answers_that_tell_their_model_are_found_and_others_are_not(text: str, found: str) -> None:
    assert arena.named([text], ["support-sft@200", "qwen3:8b@ollama", "base"]) == found


def test_nothing_in_the_page_is_keyed_by_the_place_of_a_model_while_it_is_blind(full: dict[str, Any]) -> None:
    keys = []
    for order in ((0, 1), (1, 0)):
        app = open_page("chat", talk=blind(full["home"], order).id)
        turn = conversations.recent(full["home"])[0].turns[0].id
        keys.append([str(each.key).replace(turn, "") for each in app.button if turn in str(each.key)])
    assert keys[0] == keys[1], "the order of the sides could be read from the keys"

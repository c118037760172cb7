"""Chat: which models are asked, and conversations found again as they were written down."""

import dataclasses
from dataclasses import replace
from typing import Any

from streamlit.testing.v1 import AppTest

from engine.generation import conversations
from engine.generation.answers import Answer, Sampling
from engine.generation.conversations import Conversation
from storage.home import Home
from tests import filled
from tests.pages.conftest import open_page, words

PROMPT = "What is 2 plus 2? <b>now</b>"


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


def answered(home: Home, text: str = "It is 4.", **more: Any) -> Conversation:
    """A conversation that has ended: the base and the tuned model have both answered."""
    begun = conversations.begin(home, ["pocket", "support-sft"])
    begun = conversations.add(home, begun, PROMPT, Sampling(seed=7, temperature=0.5))
    spoken = {"tokens": 21, "seconds": 1.1, "first_token_seconds": 0.1, "status": "done", "finish": "stop", "dtype": "bfloat16"}
    weights = (("pocket", None, "aa11bb22cc33dd44"), ("support-sft", "support-sft", "ee55ff66aa77bb88"))
    answers = tuple(Answer(model, adapter, print_, text, base="pocket", **spoken, **more) for model, adapter, print_ in weights)
    turn = replace(begun.turns[-1], answer_set="one", answers=answers)
    ended = replace(begun, turns=(turn,))
    conversations._write(home, ended)
    return ended


def test_the_base_and_the_newest_tuned_model_are_chosen_by_themselves(full: dict[str, Any]) -> None:
    app = open_page("chat")
    assert app.multiselect(key="chat_models").value == ["pocket", "support-sft"]
    assert "Ask the base and the tuned model the same" in said(app)


def test_the_address_chooses_the_models_and_says_which_are_not_there(full: dict[str, Any]) -> None:
    app = open_page("chat", models="support-sft,gone")
    assert app.multiselect(key="chat_models").value == ["support-sft"]
    assert "Not in the registry: gone" in said(app)


def test_choosing_models_is_kept_in_the_address_for_a_reload(full: dict[str, Any]) -> None:
    filled.model(full["home"], "other")
    app = open_page("chat")
    app.multiselect(key="chat_models").set_value(["other", "pocket"]).run()
    assert app.query_params["models"] == "other,pocket"
    again = open_page("chat", models=str(app.query_params["models"]))
    assert again.multiselect(key="chat_models").value == ["other", "pocket"]


def test_without_a_model_the_page_says_where_to_get_one(empty_home: Home) -> None:
    app = open_page("chat")
    assert not app.exception
    assert "No model yet" in said(app)


def test_the_decoding_is_said_in_words_and_is_the_same_for_all(full: dict[str, Any]) -> None:
    app = open_page("chat")
    assert "The same for all: the likeliest token, seed 0, at most 256 tokens" in said(app)
    app.slider(key="chat_temperature").set_value(0.7)
    app.number_input(key="chat_seed").set_value(5).run()
    assert "temperature 0.7, seed 5, at most 256 tokens" in said(app)


def test_a_conversation_is_found_again_with_its_weights_its_pace_and_its_decoding(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    assert not app.exception
    told = said(app)
    for part in (
        "**pocket**",
        "**support-sft**",
        "`aa11bb22cc33`",
        "`ee55ff66aa77`",
        "adapter on pocket",
        "21 tokens",
        "20 tokens/s",
        "first after 0.10 s",
    ):
        assert part in told, part
    assert "temperature 0.5, seed 7" in told
    assert [text.value for text in app.text] == [PROMPT, "It is 4.", "It is 4."]
    assert app.slider(key="chat_temperature").value == 0.5
    assert not app.chat_input[0].disabled


def test_an_answer_can_do_nothing_to_the_page(full: dict[str, Any]) -> None:
    app = open_page("chat", talk=answered(full["home"], filled.HOSTILE).id)
    assert [text.value for text in app.text][1:] == [filled.HOSTILE] * 2
    for element in (*app.markdown, *app.caption):
        assert "<img" not in str(element.value)


def test_a_failed_answer_says_why_beside_the_other(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    failed = replace(talk.turns[0].answers[1], status="failed", error="There was not enough memory for this answer.", text="It")
    conversations._write(full["home"], replace(talk, turns=(replace(talk.turns[0], answers=(talk.turns[0].answers[0], failed)),)))
    app = open_page("chat", talk=talk.id)
    assert "not enough memory" in app.error[0].value
    assert "It is 4." in [text.value for text in app.text]


def test_a_conversation_stays_while_another_page_is_open(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    app.switch_page("pages/home/page.py").run()
    app.query_params.clear()
    app.switch_page("pages/chat/page.py").run()
    assert "It is 4." in [text.value for text in app.text]
    assert app.query_params["talk"] == talk.id


def test_a_new_conversation_begins_empty_and_the_earlier_one_can_be_reopened(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    app.button(key="chat_new").click().run()
    assert not [text.value for text in app.text]
    assert "talk" not in app.query_params
    app.session_state["chat_earlier"] = True
    app.run()
    app.button(key=f"talk_{talk.id}").click().run()
    assert "It is 4." in [text.value for text in app.text]


def test_other_models_begin_another_conversation_and_that_is_said_before(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    app.multiselect(key="chat_models").set_value(["pocket"]).run()
    assert "the next prompt begins a new one" in said(app)


def test_an_address_of_no_conversation_is_said_in_words_and_the_page_goes_on(full: dict[str, Any]) -> None:
    for name in ("gone", "../../temper.db", "%2e%2e"):
        app = open_page("chat", talk=name)
        assert not app.exception
        assert "There is no conversation" in app.error[0].value
        assert not app.chat_input[0].disabled


def test_what_was_written_down_is_read_back_as_it_was(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    assert dataclasses.asdict(conversations.read(full["home"], talk.id)) == dataclasses.asdict(talk)
    assert [one.id for one in conversations.recent(full["home"])] == [talk.id]

"""Chat: which models are asked, and conversations found again as they were written down."""

import dataclasses
import errno
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import TemperError
from engine.generation import ask, conversations
from engine.generation.answers import Answer, Sampling
from engine.generation.turns import Conversation, Side
from pages.chat import asking
from storage import db, files
from storage.home import Home
from tests import filled
from tests.pages.conftest import open_page, words

PROMPT = "What is 2 plus 2? <b>now</b>"


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


def answered(home: Home, text: str = "It is 4.", system: str = "", **more: Any) -> Conversation:
    """A conversation that has ended: the base and the tuned model have both answered."""
    begun = conversations.begin([Side("pocket", system), Side("support-sft", system)])
    begun = conversations.add(home, begun, PROMPT, Sampling(seed=7, temperature=0.5))
    spoken = {"tokens": 21, "seconds": 1.1, "first_token_seconds": 0.1, "status": "done", "finish": "stop", "dtype": "bfloat16"}
    weights = (("pocket", None, "aa11bb22cc33dd44"), ("support-sft", "support-sft", "ee55ff66aa77bb88"))
    answers = tuple(Answer(model, adapter, print_, text, base="pocket", **spoken, **more) for model, adapter, print_ in weights)
    return filled.spoken(home, begun, answers)


def chosen(app: AppTest) -> list[str]:
    """The models of the sides, from left to right."""
    return [str(box.value) for box in app.selectbox if str(box.key).startswith("chat_model_")]


def choose(app: AppTest, *models: str) -> AppTest:
    """Have sides with these models."""
    while len(chosen(app)) < len(models):
        app.button(key="chat_add").click().run()
    while len(chosen(app)) > len(models):
        [button for button in app.button if str(button.key).startswith("chat_remove_")][-1].click().run()
    for box, model in zip([b for b in app.selectbox if str(b.key).startswith("chat_model_")], models, strict=True):
        box.set_value(model)
    return app.run()


def test_the_base_and_the_newest_tuned_model_are_chosen_by_themselves(full: dict[str, Any]) -> None:
    app = open_page("chat")
    assert chosen(app) == ["pocket", "support-sft"]
    assert "Ask the base and the tuned model the same" in said(app)


def test_the_address_chooses_the_models_and_says_which_are_not_there(full: dict[str, Any]) -> None:
    app = open_page("chat", models="support-sft,gone")
    assert chosen(app) == ["support-sft"]
    assert "Not in the registry: gone" in said(app)


def test_choosing_models_is_kept_in_the_address_for_a_reload(full: dict[str, Any]) -> None:
    filled.model(full["home"], "other")
    app = open_page("chat")
    choose(app, "other", "pocket")
    assert all(part.isdigit() for part in str(app.query_params["models"]).split(","))
    again = open_page("chat", models=str(app.query_params["models"]))
    assert chosen(again) == ["other", "pocket"]


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


def test_a_reload_keeps_the_decoding_and_the_system_prompt_and_the_next_prompt_goes_on(full: dict[str, Any]) -> None:
    talk = answered(full["home"], system="Be brief.")
    app = open_page("chat", talk=talk.id)
    again = open_page("chat", talk=talk.id, models=str(app.query_params["models"]))
    assert again.text_area(key="chat_system").value == "Be brief."
    assert (again.slider(key="chat_temperature").value, again.number_input(key="chat_seed").value) == (0.5, 7)
    assert "begins a new one" not in said(again)
    again.chat_input[0].set_value("And 3 plus 3?").run()
    assert again.query_params["talk"] == talk.id
    assert [turn.prompt for turn in conversations.read(full["home"], talk.id).turns] == [PROMPT, "And 3 plus 3?"]


def test_another_system_prompt_begins_another_conversation_and_that_is_said_before(full: dict[str, Any]) -> None:
    app = open_page("chat", talk=answered(full["home"]).id)
    app.text_area(key="chat_system").set_value("Be brief.").run()
    assert "The system prompt is another" in said(app) and "the next prompt begins a new one" in said(app)


def test_a_model_with_a_comma_in_its_name_is_reached_from_its_run(full: dict[str, Any]) -> None:
    home, tuned = full["home"], full["done"]
    with db.transaction(home) as connection:
        connection.execute("UPDATE model SET name = 'support, tuned' WHERE run_id = ?", (tuned,))
    app = open_page("runs", run=str(tuned))
    app.button(key="run_chat").click().run()
    assert chosen(app) == ["pocket", "support, tuned"]
    assert chosen(open_page("chat", models=str(app.query_params["models"])))[1] == "support, tuned"


def twice() -> None:
    """Both halves of a double click, with what the page had drawn before the first."""
    from dataclasses import replace

    from engine.generation import conversations
    from engine.generation.answers import Sampling
    from engine.generation.turns import Side
    from pages.chat import asking
    from pages.parts import session

    home = session.home()
    for _ in range(2):
        asking.ask(home, None, (Side("pocket"),), Sampling(), "Hello?")
    (begun,) = conversations.recent(home)
    conversations._write(home, replace(begun, every=(replace(begun.every[0], problem="no host"),)))
    drawn = conversations.read(home, begun.id)
    for _ in range(2):
        asking.ask_again(home, drawn, (Side("pocket"),), Sampling(seed=3))


def test_a_double_click_asks_once(full: dict[str, Any]) -> None:
    app = AppTest.from_function(twice).run()
    assert not app.exception
    found = conversations.recent(full["home"])
    assert sorted(turn.samplings[0].seed for talk in found for turn in talk.every) == [0, 3]


def test_a_prompt_that_another_tab_did_not_see_is_neither_lost_nor_answered_by_the_others(full: dict[str, Any]) -> None:
    home = full["home"]
    talk = answered(home)
    app = open_page("chat", talk=talk.id)
    elsewhere = conversations.add(home, talk, "From tab A", Sampling())
    answers = tuple(replace(answer, text="To tab A") for answer in talk.turns[0].answers)
    filled.spoken(home, elsewhere, answers)
    app.chat_input[0].set_value("From tab B").run()
    assert "asked in this conversation meanwhile" in app.error[0].value
    assert "To tab A" in [text.value for text in app.text]
    assert [turn.prompt for turn in conversations.read(home, talk.id).turns] == [PROMPT, "From tab A"]


def test_what_the_disk_did_not_take_is_told_and_sent_once_there_is_room(
    full: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = full["home"]
    talk = conversations.add(home, conversations.begin(["pocket"]), PROMPT, Sampling())
    monkeypatch.setattr(ask, "start_each", lambda *_, **__: "one")
    with monkeypatch.context() as full_disk:
        full_disk.setattr(files, "write_text", no_space)
        with pytest.raises(TemperError, match="No space left on device"):
            until_sent(home, talk.id)
    monkeypatch.setattr(ask, "look", lambda *_: [Answer("pocket", status="running")])
    assert until_sent(home, talk.id).turns[0].answer_set == "one"


def no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def until_sent(home: Home, name: str) -> Conversation:
    end = time.monotonic() + 30
    while not (talk := asking.look(home, name, "")).turns[-1].asked:
        assert time.monotonic() < end
        time.sleep(0.02)
    return talk


def test_an_answer_can_do_nothing_to_the_page(full: dict[str, Any]) -> None:
    app = open_page("chat", talk=answered(full["home"], filled.HOSTILE).id)
    assert [text.value for text in app.text][1:] == [filled.HOSTILE] * 2
    for element in (*app.markdown, *app.caption):
        assert "<img" not in str(element.value)


def test_a_failed_answer_says_why_beside_the_other(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    failed = replace(talk.turns[0].answers[1], status="failed", error="There was not enough memory for this answer.", text="It")
    filled.spoken(full["home"], talk, (talk.turns[0].answers[0], failed))
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
    app.button(key=f"talk_{talk.id}").click().run()
    assert "It is 4." in [text.value for text in app.text]


def test_other_models_begin_another_conversation_and_that_is_said_before(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    choose(app, "pocket")
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

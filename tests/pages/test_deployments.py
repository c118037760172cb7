"""Deployments: what one is made of, whether it is whole, its scores, its next version, its end; and asking one in the chat."""

import re
from typing import Any

import pytest

from engine.generation import conversations
from engine.generation.answers import Answer, Sampling, Source
from engine.generation.turns import Side
from storage import db, deployments, runs
from storage.home import Home
from tests import around, filled
from tests.filled import HOSTILE
from tests.pages.conftest import open_page, words


@pytest.fixture
def known(full: dict[str, Any]) -> dict[str, Any]:
    """The filled home with a deployment."""
    return {**full, **around.fill(full["home"], full)}


def test_an_empty_home_is_told_what_a_deployment_is(empty_home: Home) -> None:
    assert "A deployment is a model with its prompt, documents and guards" in words(open_page("deployments"))


def test_one_shows_its_parts_its_fingerprint_and_that_it_is_whole(known: dict[str, Any]) -> None:
    app = open_page("deployments", deployment="desk@1")
    assert not app.exception and not app.error
    said = words(app)
    assert known["deployment"].fingerprint[:16] in said
    assert "Whole" in said
    table = str(app.table[0].value)
    assert "support" in table and "2 passages of handbook" in table and "Forbidden words" in table
    assert list(app.dataframe[0].value["Last score"]) == ["90 % (80 to 95, n = 60)"]


def test_one_whose_weights_were_changed_is_said_to_be_no_longer_whole(known: dict[str, Any]) -> None:
    with db.transaction(known["home"]) as connection:
        connection.execute("UPDATE model SET fingerprint = 'another' WHERE name = 'support-sft'")
    app = open_page("deployments", deployment="desk@1")
    assert not app.exception
    assert "Not whole" in words(app)
    assert "is not what was frozen any more" in app.error[0].value.replace("\\", "")


def test_a_deployment_is_put_together_from_nothing(full: dict[str, Any]) -> None:
    app = open_page("deployments")
    app.text_input(key="deployments_new_name").set_value("plain").run()
    app.selectbox(key="deployments_new_model").set_value("support-sft").run()
    app.button(key="deployments_new_freeze").click().run()
    assert not app.exception
    made = deployments.find(full["home"], "plain")
    assert made is not None and made.model_id == full["tuned"].id
    assert "plain" in words(app)


def test_the_next_version_begins_with_what_there_is(known: dict[str, Any]) -> None:
    app = open_page("deployments", deployment="desk@1")
    assert app.selectbox(key="deployments_next_index").value == "handbook@1"
    app.number_input(key="deployments_next_passages").set_value(5).run()
    app.button(key="deployments_next_freeze").click().run()
    assert not app.exception
    made = deployments.find(known["home"], "desk")
    assert made is not None
    assert (made.version, made.body["passages"], made.body["guards"]["refusal"]) == (2, 5, "It is not said.")


def test_it_is_measured_by_its_name_and_version(known: dict[str, Any], engine_there: None) -> None:
    app = open_page("deployments", deployment="desk@1")
    app.selectbox(key=f"deployments_against_{known['deployment'].id}").set_value("support-sft").run()
    app.button(key="deployments_measure").click().run()
    assert not app.exception and not app.error
    made = next(run for run in runs.page(known["home"]) if run.kind == "measure")
    assert (made.request["subject"], made.request["against_id"]) == ("desk@1", known["tuned"].id)


def test_deleting_says_first_what_goes(known: dict[str, Any]) -> None:
    app = open_page("deployments", deployment="desk@1")
    app.button(key="deployments_delete").click().run()
    assert "goes, with 1 score" in words(app).replace("\\", "")
    assert deployments.find(known["home"], "desk"), "nothing goes before it is confirmed"


def test_the_chat_offers_it_and_a_version_is_no_checkpoint(known: dict[str, Any]) -> None:
    app = open_page("chat", models="desk@1")
    assert not app.exception
    slot = app.session_state["chat_slots"][0]
    box = app.selectbox(key=f"chat_model_{slot}")
    assert box.value == "desk@1" and "desk@1" in box.options
    assert "step 1" not in words(app)


def test_a_sides_own_documents_are_marked(known: dict[str, Any]) -> None:
    app = open_page("chat", models=str(known["base"].id))
    slot = app.session_state["chat_slots"][0]
    app.selectbox(key=f"chat_index_{slot}").set_value("handbook").run()
    assert not app.exception
    assert "documents handbook" in words(app)


def test_an_answer_shows_its_sources_and_what_the_guards_did(known: dict[str, Any]) -> None:
    home = known["home"]
    talk = conversations.add(home, conversations.begin((Side("desk@1"),), "one"), "When do you open?", Sampling())
    sources = (Source(1, "hours.md", "Hours", "We open at nine."), Source(2, HOSTILE, "", HOSTILE, True))
    given = Answer(
        "desk@1", base="pocket", adapter="support-sft", fingerprint="ab12" * 16, text="At nine [2].", status="done",
        deployment="desk@1", sources=sources, tries=2, refused=True, problems=(HOSTILE,), tokens=4,
    )  # fmt: skip
    talk = filled.spoken(home, talk, [given])
    app = open_page("chat", talk=talk.id)
    assert not app.exception
    said = words(app)
    assert "refused" in said and "2 tries" in said
    assert [one.label for one in app.expander if "Sources" in one.label] == ["Sources: 1 of 2 used"]
    assert "cited" in said and "We open at nine." in said
    assert "desk@1" in said.replace("\\", "").replace("\u2060", "")
    for element in (*app.markdown, *app.caption):
        for acts in ("<img", "![x](", "[click](javascript", ":red[red]"):
            assert not re.search(rf"(?<!\\){re.escape(acts)}", str(element.value))

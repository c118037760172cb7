"""Bake-off: candidates built in the browser, what is in the way, prompt versions, and the result with its picture."""

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine import advice, rubric
from engine.evaluation import robustness
from engine.prompting import versions
from engine.retrieval import indexes
from pages.bakeoff import form, picture
from pages.parts import validators
from storage import deployments, runs
from storage.home import Home
from tests import around
from tests.filled import HOSTILE
from tests.pages.conftest import open_page, words


@pytest.fixture
def known(full: dict[str, Any]) -> dict[str, Any]:
    """The filled home with prompts, an index, a bake-off and a deployment."""
    return {**full, **around.fill(full["home"], full)}


def launched(home: Home) -> dict[str, Any]:
    """What the newest bake-off was asked for."""
    return next(run for run in runs.page(home) if run.kind == "bakeoff").request


def test_every_way_to_ask_otherwise_and_every_kind_of_candidate_has_its_words() -> None:
    from engine.deployments.setup import KINDS

    assert set(form.VARIANTS) == set(robustness.KINDS)
    assert set(picture.KINDS) == set(KINDS)
    assert len({symbol for _, symbol in picture.KINDS.values()}) == len(KINDS), "each kind has a marker of its own"


def test_presets_fill_the_cards_and_launching_queues_once(known: dict[str, Any], engine_there: None) -> None:
    app = open_page("bakeoff")
    for preset in ("+ passages", "Each tuned model", "+ passages"):
        app.button(key=f"bakeoff_preset_{preset}").click().run()
    assert not app.exception and not app.error
    before = len(runs.page(known["home"], 100))
    app.button(key="bakeoff_launch").click().run()
    assert not app.exception
    assert len(runs.page(known["home"], 100)) == before + 1
    asked = launched(known["home"])
    assert [one["name"] for one in asked["candidates"]] == ["pocket", "pocket + handbook", "support-sft"]
    assert asked["candidates"][1]["index"] == "handbook@1"
    assert "Waiting for its turn" in "\n".join(str(element.text) for element in app.get("progress")) or app.query_params["run"]


def test_the_equal_command_is_shown_with_the_guards_in_a_file(known: dict[str, Any]) -> None:
    app = open_page("bakeoff")
    app.button(key="bakeoff_preset_+ passages").click().run()
    app.multiselect(key="bakeoff_2_guard_checks").set_value(["length"]).run()
    app.number_input(key="bakeoff_2_guard_most").set_value(8).run()
    assert not app.error
    line = app.code[-1].value
    assert "bakeoff run --data sums-held-out@1 --candidate pocket:model=pocket" in line
    assert '"most": 8' in line and "> guards-2.json" in line and "guards=guards-2.json" in line


def test_what_cannot_be_launched_says_why_beside_the_button(known: dict[str, Any]) -> None:
    app = open_page("bakeoff")
    assert app.button(key="bakeoff_launch").disabled
    assert "at least two candidates" in words(app)
    app.button(key="bakeoff_preset_+ passages").click().run()
    app.text_input(key="bakeoff_2_name").set_value("pocket").run()
    assert "Two candidates are called pocket" in app.error[0].value.replace("\\", "")
    assert app.button(key="bakeoff_launch").disabled


def test_a_guard_that_is_no_json_is_named(known: dict[str, Any]) -> None:
    app = open_page("bakeoff")
    app.multiselect(key="bakeoff_1_guard_checks").set_value(["json_schema"]).run()
    app.text_area(key="bakeoff_1_guard_schema").set_value("{no").run()
    assert "JSON Schema: this is not JSON" in app.error[0].value.replace("\\", "")


def test_a_link_of_the_rubric_fills_the_form_and_the_run_hangs_on_its_advice(known: dict[str, Any], engine_there: None) -> None:
    kept = advice.save(known["home"], complete())
    app = open_page("bakeoff", goal="retrieval", data="sums-held-out@1", advice=str(kept.id))
    app.button(key="bakeoff_launch").click().run()
    assert not app.exception
    assert [one["index"] for one in launched(known["home"])["candidates"]] == ["", "handbook@1"]
    assert [run.kind for run in advice.runs_of(known["home"], kept)] == ["bakeoff"]


def complete() -> dict[str, Any]:
    """Answers to all that the rubric asks, the first choice or the usual number each."""
    given: dict[str, Any] = {}
    while (question := rubric.asked(given)) is not None:
        if question.choices:
            first = question.choices[0].id
            given[question.id] = [first] if question.several else first
        for number in question.fields(given):
            given[number.id] = number.default if number.default is not None else number.low
    return given


def test_an_earlier_bake_off_fills_the_form_again(known: dict[str, Any]) -> None:
    app = open_page("bakeoff", again=str(known["bakeoff"].id))
    assert not app.exception
    names = [app.text_input(key=f"bakeoff_{slot}_name").value for slot in app.session_state["bakeoff_slots"]]
    assert names == list(around.KINDS)
    assert app.multiselect(key="bakeoff_5_guard_checks").value == ["length", "words"]
    assert app.text_input(key="bakeoff_5_guard_refusal").value == "It is not said."


def test_the_result_shows_the_sentences_and_the_table_and_nothing_of_it_acts(known: dict[str, Any]) -> None:
    app = open_page("bakeoff", run=str(known["bakeoff"].id))
    assert not app.exception and not app.error
    said = words(app).replace("\\", "")
    assert "Training with something around it" in said and "retrieval alone" in said
    table = app.dataframe[0].value
    assert list(table["Kind"]) == ["Base", "Prompt", "Retrieval", "Training", "Combined", "Guards"]
    assert next(iter(table["Difference"])) == "the cheapest"
    assert "▼" in "".join(app.dataframe[1].value["Under hostile instructions"])
    for element in (*app.markdown, *app.caption, *app.subheader):
        for acts in ("<img", "![x](", "[click](javascript", ":red[red]"):
            assert not re.search(rf"(?<!\\){re.escape(acts)}", str(element.value))


def test_a_name_is_no_markup_in_the_picture() -> None:
    assert "<img" not in picture.lines(HOSTILE) and "&lt;img" in picture.lines(HOSTILE)


def test_the_questions_are_shown_where_the_candidates_differ(known: dict[str, Any]) -> None:
    app = open_page("bakeoff", run=str(known["bakeoff"].id))
    shown = app.dataframe[-1].value
    assert 0 < len(shown) <= around.ASKED
    assert all(len({str(row[name])[0] for name in around.KINDS}) > 1 for _, row in shown.iterrows())


def test_a_candidate_is_deployed_under_a_name(known: dict[str, Any]) -> None:
    app = open_page("bakeoff", run=str(known["bakeoff"].id))
    key = f"bakeoff_deploy_{known['bakeoff'].id}"
    assert app.selectbox(key=f"{key}_candidate").value == "support-sft, passages, guards", "the best one stands first"
    app.text_input(key=f"{key}_name").set_value("guide").run()
    app.button(key="bakeoff_deploy_it").click().run()
    assert not app.exception
    made = deployments.find(known["home"], "guide")
    assert made is not None and made.body["guards"]["refusal"] == "It is not said."


def test_a_name_that_a_model_has_is_refused_in_words(known: dict[str, Any]) -> None:
    app = open_page("bakeoff", run=str(known["bakeoff"].id))
    app.text_input(key=f"bakeoff_deploy_{known['bakeoff'].id}_name").set_value("pocket").run()
    app.button(key="bakeoff_deploy_it").click().run()
    assert "There is a model pocket" in app.error[0].value.replace("\\", "")


def prompts_page(**held: str) -> AppTest:
    app = open_page("bakeoff", view="prompts")
    for what, value in held.items():
        (app.text_input if what in ("name", "note", "absent") else app.text_area)(key=f"wording_{what}").set_value(value)
    return app


def test_saving_a_prompt_makes_a_version_and_shows_what_it_changed(empty_home: Home) -> None:
    app = prompts_page(name="cite", system="Be brief.", variables="company = Acme", template="For {company}: {question}")
    app.button(key="wording_save").click().run()
    app.text_area(key="wording_system").set_value("Be very brief.")
    app.button(key="wording_save").click().run()
    assert not app.exception and not app.error
    assert versions.find(empty_home, "cite").version == 2
    assert "+  Be very brief." in app.code[0].value
    assert "cite@2 ← cite@1" in words(app).replace("\\", "")


def test_a_template_that_names_what_is_not_there_is_refused_in_words(empty_home: Home) -> None:
    app = prompts_page(name="cite", template="{question} {nothing}")
    app.button(key="wording_save").click().run()
    assert "{nothing}" in app.error[0].value.replace("\\", "")


def test_guards_come_out_of_the_form_as_they_went_in() -> None:
    import streamlit as st

    given = {
        "checks": [
            {"kind": "json_schema", "schema": {"type": "object"}},
            {"kind": "length", "least": 1, "most": 9, "unit": "characters"},
            {"kind": "words", "forbidden": ["sorry", "cannot"]},
            {"kind": "supported"},
            {"kind": "contains", "value": "km"},
        ],
        "retries": 3,
        "refusal": "No.",
        "constrain": {"json_schema": {"type": "object"}},
    }
    validators.fill("there", given)
    assert validators.asked("there") == given
    st.session_state.clear()


def test_an_index_that_holds_nothing_is_not_offered(full: dict[str, Any]) -> None:
    indexes.create(full["home"], "bare")
    app = open_page("bakeoff")
    assert app.selectbox(key="bakeoff_1_index").options == ["None"]
    assert app.button(key="bakeoff_preset_+ passages").disabled

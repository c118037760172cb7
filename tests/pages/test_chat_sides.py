"""Chat: sides with settings of their own, branches, what differs, tokens, sets of prompts, and the ranking."""

import time
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import TryLater
from engine.evaluation import prompts
from engine.generation import ask, conversations, outside, prompt_sets
from engine.generation.answers import Answer, Heat, Sampling
from engine.generation.prompt_sets import PromptSet
from engine.generation.turns import Conversation, Side
from engine.preferences import arena, desk
from pages.chat import sets
from storage import datasets, preferences
from storage.home import Home
from tests import filled
from tests.pages.conftest import open_page
from tests.pages.test_chat import PROMPT, answered, choose, chosen, said
from tests.pages.test_chat_blind import blind
from tests.pages.test_chat_votes import press

HEAT = Heat(("At", " nine", "."), (-0.1, -0.2, -0.3), (-2.1, -0.2, -0.1))


def newest(full: dict[str, Any]) -> Conversation:
    return conversations.recent(full["home"])[0]


def test_the_same_model_stands_twice_with_a_system_prompt_of_its_own_and_that_is_marked(full: dict[str, Any]) -> None:
    app = choose(open_page("chat"), "pocket", "pocket")
    slot = app.session_state["chat_slots"][1]
    app.toggle(key=f"chat_own_{slot}").set_value(True).run()
    app.text_area(key=f"chat_system_{slot}").set_value("Be brief.")
    app.number_input(key=f"chat_temperature_{slot}").set_value(0.8).run()
    assert "own system prompt, temperature 0.8" in said(app) and "The same for all but what is marked" in said(app)
    app.chat_input[0].set_value("Hello?").run()
    talk = newest(full)
    assert talk.sides == (Side("pocket"), Side("pocket", "Be brief.", temperature=0.8))
    assert [s.temperature for s in talk.turns[0].samplings] == [0.0, 0.8]
    again = open_page("chat", talk=talk.id)
    assert "own system prompt, temperature 0.8" in said(again) and "begins a new one" not in said(again)


def test_sides_that_are_alike_are_told_so_before_a_prompt_is_typed(full: dict[str, Any]) -> None:
    app = choose(open_page("chat"), "pocket", "pocket")
    assert app.chat_input[0].disabled and "Two sides are the same" in app.chat_input[0].placeholder
    app.number_input(key=f"chat_seed_{app.session_state['chat_slots'][1]}").set_value(5).run()
    assert not app.chat_input[0].disabled and app.chat_input[0].placeholder == "Ask all of them the same"


def test_a_prompt_that_could_not_be_asked_stands_in_its_field_again(
    full: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise TryLater("Something else was asked in this conversation meanwhile.")

    monkeypatch.setattr(conversations, "add", refused)
    app = choose(open_page("chat"), "pocket", "support-sft")
    app.chat_input[0].set_value("A long prompt").run()
    assert "meanwhile" in "".join(str(each.value) for each in app.error) and app.chat_input[0].proto.value == "A long prompt"
    app.toggle(key="chat_each").set_value(True).run()
    app.text_area(key="chat_prompt_0").set_value("One?")
    next(button for button in app.button if button.label == "Ask").click().run()
    assert app.text_area(key="chat_prompt_0").value == "One?"


def test_prompts_that_were_typed_for_a_set_are_there_after_another_page(full: dict[str, Any]) -> None:
    app = open_page("chat", view="prompts")
    app.segmented_control(key="chat_set_source").set_value(sets.TYPED).run()
    app.text_area(key="chat_set_typed").set_value("One?\nTwo?").run()
    app.switch_page("pages/home/page.py").run()
    app.query_params["view"] = "prompts"
    app.switch_page("pages/chat/page.py").run()
    assert app.text_area(key="chat_set_typed").value == "One?\nTwo?"


def test_each_side_can_be_asked_something_of_its_own(full: dict[str, Any]) -> None:
    app = choose(open_page("chat"), "pocket", "support-sft")
    app.toggle(key="chat_each").set_value(True).run()
    assert not app.chat_input
    app.text_area(key="chat_prompt_0").set_value("One?")
    app.text_area(key="chat_prompt_1").set_value("Two?")
    next(button for button in app.button if button.label == "Ask").click().run()
    assert newest(full).turns[0].prompts == ("One?", "Two?")
    assert not app.exception


def test_up_to_four_sides_and_never_none(full: dict[str, Any]) -> None:
    app = choose(open_page("chat"), "pocket", "pocket", "pocket", "support-sft")
    assert app.button(key="chat_add").disabled and len(chosen(app)) == 4
    app = choose(app, "pocket")
    assert not [button for button in app.button if str(button.key).startswith("chat_remove_")]


def test_a_changed_prompt_stands_beside_the_first_and_arrows_go_back(full: dict[str, Any]) -> None:
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    turn = talk.turns[0].id
    app.text_area(key=f"chat_instead_{turn}").set_value("What is 3 plus 3?")
    app.button(key=f"chat_instead_{turn}_ask").click().run()
    branch = conversations.read(full["home"], talk.id)
    assert [each.prompt for each in branch.turns] == ["What is 3 plus 3?"] and len(branch.every) == 2
    filled.spoken(full["home"], branch, talk.turns[0].answers)
    app = open_page("chat", talk=talk.id)
    assert "2 of 2" in said(app) and PROMPT not in [text.value for text in app.text]
    app.button(key=f"chat_turn_-1_{branch.turns[0].id}").click().run()
    assert "1 of 2" in said(app) and PROMPT in [text.value for text in app.text]
    assert app.query_params["at"] == turn
    assert f"talk={talk.id}&at={turn}" in app.code[0].value


def test_what_differs_in_decoding_and_who_spoke_outside_is_said_at_the_answer(full: dict[str, Any]) -> None:
    home = full["home"]
    outside.allow(home, "away", "http://localhost:9/v1", models=["big"])
    begun = conversations.begin([Side("pocket"), Side("big@away", seed=9)])
    begun = conversations.add(home, begun, PROMPT, Sampling())
    ours = Answer(
        "pocket", fingerprint="aa" * 16, text="4", status="done", base="pocket", differs=0.0, cached_tokens=30, prompt_tokens=40
    )
    theirs = Answer("big@away", text="Four", status="done", base="big-2026", outside="http://localhost:9/v1", unheeded=("seed",))
    filled.spoken(home, begun, (ours, theirs))
    app = open_page("chat", talk=begun.id)
    assert not app.exception
    for part in ("seed 9", "big-2026 at http:", "which proves nothing of itself", "seed not taken there", "speaks exactly as its base",
                 "10 of 40 prompt tokens read"):  # fmt: skip
        assert part in said(app), part
    assert chosen(app) == ["pocket", "big@away"]


def test_a_model_that_reads_every_turn_anew_says_so(full: dict[str, Any]) -> None:
    talk = answered(full["home"], cached_tokens=None, prompt_tokens=1200)
    assert "all 1,200 prompt tokens read anew, as in every turn" in said(open_page("chat", talk=talk.id))


def test_the_tokens_of_an_answer_are_compared_with_what_it_was_trained_from(
    full: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "heat", lambda *given: HEAT if given[1:3] == ("support-sft", "pocket") else None)
    talk = answered(full["home"])
    app = open_page("chat", talk=talk.id)
    app.button(key=f"chat_heat_{talk.turns[0].id}_1").click().run()
    assert not app.exception
    assert [(m.label, m.value) for m in app.metric][:2] == [
        ("Implicit reward", "+0.18"),
        ("A token under support\\-sft", "-0.20 nats"),
    ]
    hidden = open_page("chat", talk=blind(full["home"], (0, 1)).id)
    assert not [button for button in hidden.button if str(button.key).startswith("chat_heat_")], "tokens would tell who it is"


def asked_set(home: Home, texts: tuple[tuple[str, str], ...]) -> PromptSet:
    sides = [Side("pocket"), Side("support-sft")]
    prompts = [[{"role": "user", "content": f"Question {i}?"}] for i in range(len(texts))]
    # a name as it may be drawn by chance, with what a component's key does not take
    made = prompt_sets.begin(home, sides, prompts, Sampling(), "Questions", "_a__b_")
    told = [
        Answer(side.model, fingerprint="aa" * 16, text=text, status="done", tokens=3, seconds=1.0, base="pocket")
        for both in texts for side, text in zip(sides, both, strict=True)
    ]  # fmt: skip
    prompt_sets._write(home, replace(made, answer_set="one", answers=tuple(told)))
    return prompt_sets.read(home, made.id)


def test_a_set_of_prompts_is_a_table_of_which_the_different_ones_can_be_seen_and_labelled(full: dict[str, Any]) -> None:
    home = full["home"]
    made = asked_set(home, (("Yes.", "Yes."), ("No.", "Perhaps."), ("One.", "Two.")))
    app = open_page("chat", view="prompts", set=made.id)
    assert not app.exception
    assert "2 of 3 prompts answered differently" in said(app)
    assert list(app.dataframe[0].value.columns) == ["Prompt", "pocket", "support-sft"] and len(app.dataframe[0].value) == 3
    app.toggle(key="chat_set_different").set_value(True).run()
    assert [row["Prompt"] for _, row in app.dataframe[0].value.iterrows()] == ["Question 1?", "Question 2?"]
    app.text_input(key="chat_set_find").set_value("perhaps").run()
    assert [row["Prompt"] for _, row in app.dataframe[0].value.iterrows()] == ["Question 1?"]
    app.button(key="chat_set_label").click().run()
    project = preferences.project(home, sets.project_of(made))
    assert project is not None
    kept = preferences.pairs(home, project.id)
    assert {(pair.first, pair.second) for pair in kept} == {("No.", "Perhaps."), ("One.", "Two.")}
    assert kept[0].origin["second"]["name"] == "support-sft"


def test_the_topics_of_a_data_set_go_with_its_prompts_to_the_labels_and_on_to_the_ranking(
    full: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = full["home"]
    rows = [{"prompt": [{"role": "user", "content": f"Question {i}?"}], "topic": ("towns", "sums")[i % 2]} for i in range(4)]
    monkeypatch.setattr(prompts, "asked", lambda *_: rows)
    monkeypatch.setattr(ask, "start_each", lambda *_: "one")
    app = open_page("chat", view="prompts")
    app.selectbox(key="chat_set_data").set_value(next(d.id for d in datasets.all(home) if d.name == "sums-held-out")).run()
    app.button(key="chat_set_ask").click().run()
    while not (made := prompt_sets.recent(home)[0]).asked:
        time.sleep(0.02)  # the page sends it in the background
    told = [
        Answer(side.model, fingerprint="aa" * 16, text=side.model, status="done", tokens=3, seconds=1.0, base="pocket")
        for _ in made.prompts for side in made.sides
    ]  # fmt: skip
    prompt_sets._write(home, replace(made, answer_set="one", answers=tuple(told)))
    app = open_page("chat", view="prompts", set=made.id)
    app.button(key="chat_set_label").click().run()
    project = preferences.project(home, sets.project_of(made))
    assert project is not None and not app.exception
    while shown := desk.look(home, project, "anna"):
        desk.vote(home, shown[0].showing.token, desk.Given("left"))
    assert sorted(battle.topic for battle in arena.battles(home, project)) == ["sums", "sums", "towns", "towns"]
    app = open_page("chat", view="ranking")
    app.selectbox(key="ranks_project").set_value(project.name).run()
    app.selectbox(key="ranks_topic").set_value("sums").run()
    assert "2 votes" in said(app) and not app.exception


def test_a_set_is_asked_from_a_data_set_or_from_lines(full: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "start_each", lambda *_: "one")
    app = open_page("chat", view="prompts")
    app.selectbox(key="chat_set_data").set_value(next(d.id for d in datasets.all(full["home"]) if d.name == "sums-held-out"))
    app.number_input(key="chat_set_count").set_value(7).run()
    app.button(key="chat_set_ask").click().run()
    assert not app.exception
    assert len(prompt_sets.recent(full["home"])[0].prompts) == 7
    app = open_page("chat", view="prompts")
    app.session_state["chat_set"] = None
    app.segmented_control(key="chat_set_source").set_value("Typed here").run()
    app.text_area(key="chat_set_typed").set_value("5 * 8?\n\n  Two?  ").run()
    app.button(key="chat_set_ask").click().run()
    made = prompt_sets.recent(full["home"])[0]
    assert [turn["content"] for (turn,) in made.prompts] == ["5 * 8?", "Two?"] and made.title == "5 * 8?"


def test_votes_move_the_ranking_and_it_says_what_they_do_not_tell(full: dict[str, Any]) -> None:
    home = full["home"]
    assert "No ranking yet" in said(open_page("chat", view="ranking"))
    for place in (1, 1, 0):
        press(
            open_page("chat", talk=blind(home, (0, 1), (f"No {place}.", f"Yes {preferences.projects(home)}."[:60])).id),
            f"_{place}",
        )
    app = open_page("chat", view="ranking")
    app.selectbox(key="ranks_project").set_value("chat").run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Model"]) == ["support-sft", "pocket"] and list(table["Won"]) == [2, 1]
    best, last = table["Against the next"]
    assert best.startswith("open, about ") and last == ""
    app.toggle(key="ranks_style").set_value(True).run()
    assert "Twice the length is worth" in said(app)
    app.selectbox(key="ranks_anchor").set_value("pocket").run()
    assert list(app.dataframe[0].value["Rating"])[1] == 1000


def test_an_address_outside_is_put_on_the_list_and_taken_off_with_its_key(full: dict[str, Any]) -> None:
    app = open_page("chat")
    app.text_input(key="away_name").set_value("away")
    app.text_input(key="away_address").set_value("http://example.com/v1")
    app.text_input(key="away_key").set_value("sk-1")
    app.text_input(key="away_models").set_value("big, small")
    button = next(button for button in app.button if button.label == "Allow this address")
    button.click().run()
    assert "not encrypted" in said(app) + "".join(str(e.value) for e in app.error).replace("\\", "")
    app.text_input(key="away_address").set_value("https://example.com/v1")
    app.text_input(key="away_models").set_value("big, small")
    next(button for button in app.button if button.label == "Allow this address").click().run()
    assert [place.references for place in outside.places(full["home"])] == [["big@away", "small@away"]]
    app.button(key="away_forget_away").click().run()
    assert not outside.places(full["home"])

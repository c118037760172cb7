"""The Labels page by AppTest: beginning a project, bringing pairs in, deciding, marking, the team's settings, freezing."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.preferences import desk, freezing, pairs, projects
from engine.preferences.pairs import NewPair
from pages.labels import screen
from pages.parts import difference, readable
from storage import preferences, runs
from storage.home import Home
from tests.filled import HOSTILE, freeze
from tests.pages.conftest import APP, open_page, words


def press(app: AppTest, label: str) -> AppTest:
    """Press the button that says so."""
    return next(button for button in app.button if button.label == label).click().run()


def look(project: int, view: str, **more: str) -> AppTest:
    return open_page("labels", project=str(project), view=view, **more)


def test_a_project_is_begun_with_instructions_and_criteria(empty_home: Home) -> None:
    app = open_page("labels")
    app.text_input(key="labels_first_name").input("tone")
    app.text_area(key="labels_first_instructions").input("Which is friendlier?")
    app.multiselect(key="labels_first_criteria").select("helpful")
    press(app, "Begin the project")
    made = preferences.projects(empty_home)[0]
    assert (made.name, projects.settings(made).criteria) == ("tone", ("helpful",))
    assert projects.settings(made).instructions == "Which is friendlier?"
    assert not app.exception


def test_a_project_without_a_name_is_refused_in_words_and_what_was_typed_stays(empty_home: Home) -> None:
    app = open_page("labels")
    app.text_area(key="labels_first_instructions").input("Which is friendlier?")
    press(app, "Begin the project")
    assert "cannot be the name of a project" in app.error[0].value.replace("\\", "")
    assert app.text_area(key="labels_first_instructions").value == "Which is friendlier?"


def test_a_file_by_its_path_comes_in_and_its_bad_rows_are_said(full: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    rows = [
        {"prompt": "Hi", "first": "Hello", "second": "Go away", "choice": "first", "labeller": "Cleo"},
        {"prompt": "Hi", "first": 3},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = preferences.counts(full["home"], full["labels"])
    app = look(full["labels"], "pairs")
    app.segmented_control(key="labels_source").set_value("From a file").run()
    app.text_input(key="labels_source_path").input(str(file)).run()
    press(app, "Bring it in")
    after = preferences.counts(full["home"], full["labels"])
    assert (after.pairs, after.votes) == (before.pairs + 1, before.votes + 1)
    assert "1 of 2 rows could not be used. Row 2" in words(app).replace("\\", "")


def test_pairs_of_a_data_set_come_in_with_its_own_choice_as_a_vote(full: dict[str, Any]) -> None:
    app = look(full["labels"], "pairs")
    app.segmented_control(key="labels_source").set_value("From a data set").run()
    press(app, "Take its pairs")
    assert not app.exception
    assert preferences.counts(full["home"], full["labels"]).pairs == 4 + 30
    assert any(each.labeller == "the file" for each in preferences.progress(full["home"], full["labels"]))


@pytest.mark.usefixtures("engine_there")
def test_models_are_asked_for_pairs_as_a_run_that_keeps_who_writes_and_how(full: dict[str, Any]) -> None:
    app = look(full["labels"], "pairs")
    app.text_input(key="labels_source_s0").input("Be kind.").run()
    press(app, "Let them answer")
    run = runs.page(full["home"], 1)[0]
    assert (run.kind, run.request["project_id"]) == ("pairs", full["labels"])
    assert [voice["system"] for voice in run.request["voices"]] == ["Be kind.", ""]
    assert not app.exception


@pytest.mark.usefixtures("engine_there")
def test_a_judge_is_asked_as_a_run(full: dict[str, Any]) -> None:
    app = look(full["labels"], "pairs")
    app.segmented_control(key="labels_source").set_value("A judge beside people").run()
    app.text_input(key="labels_source_address").input("http://127.0.0.1:1/v1")
    app.text_input(key="labels_source_judge").input("wise").run()
    press(app, "Let it judge")
    run = runs.page(full["home"], 1)[0]
    assert (run.kind, run.request["judge"]) == ("label", "wise")


def test_judges_decide_which_pairs_come_first(full: dict[str, Any]) -> None:
    app = look(full["labels"], "pairs")
    app.segmented_control(key="labels_source").set_value("Which come first").run()
    app.segmented_control(key="labels_source_by").set_value("What judges disagree on").run()
    press(app, "Put them in this order")
    told = words(app).replace("\\", "")
    assert "waits" in told, "all of this project's pairs have been seen"
    assert not app.exception


def test_what_people_differ_on_is_offered_and_decided(full: dict[str, Any]) -> None:
    home, project = full["home"], full["labels"]
    disputed = look(project, "pairs", only="To decide")
    assert "To decide (1)" in str(disputed.segmented_control(key="labels_only").options)
    pair = preferences.pairs(home, project)[2]
    desk.decide(home, pair, "anna", "first", "it is plainer")
    assert freezing.settle(home, projects.find(home, "tone"), freezing.Rule(rule="unanimous")).pairs == 2
    assert "To decide (0)" in str(look(project, "pairs").segmented_control(key="labels_only").options)


def test_the_teams_settings_are_changed_and_a_wrong_one_is_said(full: dict[str, Any]) -> None:
    project, app = full["labels"], look(full["labels"], "team")
    app.number_input(key=f"labels_team_{project}_overlap").set_value(50.0)
    app.number_input(key=f"labels_team_{project}_raters").set_value(3)
    press(app, "Save")
    chosen = projects.settings(projects.find(full["home"], "tone"))
    assert (chosen.overlap, chosen.raters) == (0.5, 3)
    assert {"anna", "ben", "a judge"} <= set(app.dataframe[0].value["Labeller"])


def test_a_double_click_on_undo_takes_one_vote_back(full: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    home, project = full["home"], projects.find(full["home"], "tone")
    monkeypatch.setattr(screen.st, "session_state", {})
    before = desk.can_undo(home, project, "anna")
    assert before > 1
    for _ in range(2):
        screen.undo(home, project, "anna")
    assert desk.can_undo(home, project, "anna") == before - 1


def test_what_stands_in_one_projects_form_is_not_saved_for_another(full: dict[str, Any]) -> None:
    other = projects.create(full["home"], "other", {"instructions": "Other words.", "raters": 4})
    app = look(full["labels"], "team")
    app.text_area(key=f"labels_team_{full['labels']}_instructions").set_value("Words for tone.")
    app.selectbox(key="labels_project").set_value(other.id).run()
    press(app, "Save")
    kept = projects.settings(projects.find(full["home"], "other"))
    assert (kept.instructions, kept.raters) == ("Other words.", 4)


def test_a_way_to_what_is_to_be_decided_leads_there_whatever_was_looked_at_before(full: dict[str, Any]) -> None:
    app = look(full["labels"], "pairs")
    app.segmented_control(key="labels_only").set_value("All").run()
    app.query_params["only"] = "To decide"
    app.run()
    assert app.segmented_control(key="labels_only").value == "To decide"
    app.segmented_control(key="labels_only").set_value("All").run()
    assert app.segmented_control(key="labels_only").value == "All", "the address does not ask for it any more"


def test_quality_shows_agreement_bias_and_the_judge(full: dict[str, Any]) -> None:
    app = look(full["labels"], "quality")
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Krippendorff's alpha"] not in ("", "not defined")
    assert shown["To decide"] == "1"
    assert "a judge" in words(app)
    assert not app.exception


def test_freezing_counts_what_the_rule_leaves_and_makes_a_data_set_with_a_card(full: dict[str, Any]) -> None:
    app = look(full["labels"], "freeze")
    assert {metric.label: metric.value for metric in app.metric}["Rows"] == "1"
    app.selectbox(key="labels_freeze_shape").select("unpaired").run()
    app.selectbox(key="labels_freeze_ties").select("keep").run()
    assert {metric.label: metric.value for metric in app.metric}["Rows"] == "4"
    press(app, "Freeze")
    assert "Train KTO on this" in [button.label for button in app.button]
    assert "tone: labelled answers" in words(app)
    assert not app.exception


def test_freezing_under_the_name_of_another_shape_is_refused_in_words(full: dict[str, Any]) -> None:
    freeze(full["home"], "tone-labels", "prompt", [{"prompt": "Hi"}])
    app = look(full["labels"], "freeze")
    press(app, "Freeze")
    assert "holds prompt, not preference" in app.error[0].value.replace("\\", "")


def test_a_labeller_without_a_name_is_asked_for_one_and_offered_those_before(full: dict[str, Any]) -> None:
    app = look(full["labels"], "label")
    assert {"anna", "ben"} <= {button.label for button in app.button}
    app.text_input(key="labels_typed").input("a/b")
    press(app, "Begin")
    assert "cannot be the name of a labeller" in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize("name", ["a/b", "x" * 200, "  ", "\x00"])
def test_a_name_in_the_address_that_is_none_is_said_and_another_one_asked_for(full: dict[str, Any], name: str) -> None:
    app = look(full["labels"], "label", labeller=name)
    assert "cannot be the name of a labeller" in app.error[0].value.replace("\\", "")
    app.text_input(key="labels_typed").input("dora")
    press(app, "Begin")
    assert "dora" in words(app) and not app.error
    assert app.query_params["labeller"] == "dora"


def test_somebody_else_can_sit_down(full: dict[str, Any]) -> None:
    app = look(full["labels"], "label", labeller="dora")
    press(app, "Not you?")
    assert "Who labels?" in words(app) and "labeller" not in app.query_params
    app.text_input(key="labels_typed").input("eli")
    press(app, "Begin")
    assert "eli" in words(app) and "dora" not in words(app)


def test_who_is_signed_in_labels_under_their_own_name_and_no_other(full: dict[str, Any]) -> None:
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.secrets["auth"] = {"client_id": "temper"}
    app.user = {"is_logged_in": True, "email": "dora@example.org"}
    app.query_params["labeller"] = "anna"
    app.run().switch_page("pages/labels/page.py").run()
    project = projects.create(full["home"], "signed", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(full["home"], project, [NewPair([{"role": "user", "content": "Hi?"}], "Hello", "Bye")])
    app.query_params["project"], app.query_params["view"] = str(project.id), "label"
    app.run()
    assert not app.error and not app.exception
    assert "dora-example.org" in words(app).replace("\\", "") and "Not you?" not in {button.label for button in app.button}
    assert [s.pair.first for s in desk.look(full["home"], project, "dora-example.org")] == ["Hello"], "it lies before them"


def test_what_is_too_long_to_mark_or_the_same_is_said(full: dict[str, Any]) -> None:
    project = projects.create(full["home"], "long", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    text = "word " * difference.LONGEST
    pairs.add(full["home"], project, [NewPair([{"role": "user", "content": "Hi?"}], text + "a", text + "b")])
    app = look(project.id, "label", labeller="anna")
    assert "Too long to mark" not in words(app)
    app.segmented_control(key="labels_view").set_value("Differences").run()
    assert "Too long to mark" in words(app)


def test_the_text_to_correct_is_that_of_the_side_that_is_edited(full: dict[str, Any]) -> None:
    project = projects.create(full["home"], "edited", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(full["home"], project, [NewPair([{"role": "user", "content": "Hi?"}], "Hello", "Bye")])
    app = look(project.id, "label", labeller="anna")
    shown = desk.look(full["home"], project, "anna")[0]
    for side, key, text in (("right", "P", shown.right), ("left", "E", shown.left), ("right", "P", shown.right)):
        press(app, f"Edit the {side} · {key}")
        boxes = {area.label: area.value for area in app.text_area}
        assert boxes[f"A better text of the {side} answer"] == text


def test_who_has_seen_all_is_told_so(full: dict[str, Any]) -> None:
    app = look(full["labels"], "label", labeller="anna")
    assert "All done" in words(app)


def test_a_pair_tells_nobody_who_wrote_it(full: dict[str, Any]) -> None:
    home = full["home"]
    project = projects.create(home, "blind")
    origin = {"first": {"name": "secret-model-a"}, "second": {"name": "secret-model-b"}}
    pairs.add(home, project, [NewPair([{"role": "user", "content": "Hi?"}], "Hello", "Bye", origin)])
    app = look(project.id, "label", labeller="anna")
    assert "Hi?" in words(app).replace("\\", "")
    assert "secret-model" not in str(app.main)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("**bold** and `code [x](y)`", "**bold** and `code [x](y)`"),
        ("1. one\n2. two", "1. one  \n2. two"),
        ("$x^2$ costs $5 and $6", "$x^2$ costs \\$5 and \\$6"),
        ("\\(a_1\\)", "$a_1$"),
        ("# Title", "**Title**"),
        ("```py\n[a](b) <img>\n```", "```py\n[a](b) <img>\n```"),
    ],
)
def test_markdown_keeps_what_only_shows(text: str, kept: str) -> None:
    assert readable.safe(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE, "![a](http://e.test/b.png)", "[a](http://e.test)", "[a]: http://e.test\n[a]", "<img src=x>", ":red[x] :material/bolt:",
        "$ ![x](http://e.test/b) $", "$$ [x](http://e.test) $$", "`open [x](http://e.test)", "~~~\nopen", "http://e.test www.e.test",
        "\\[ ![x](http://e.test) \\]", "[x][y]\n\n[y]: javascript:alert(1)", "&lt;img&gt;", "Title\n===",
    ],
)  # fmt: skip
def test_markdown_that_would_act_is_escaped(text: str) -> None:
    shown = readable.safe(text)
    for live in ("](", "][", "]:"):
        for at in range(len(shown)):
            if shown.startswith(live, at) and "`" not in shown[:at]:
                assert shown[at - 1] == "\\" or shown[at : at + 1] != "]", shown
    assert "<img" not in shown.replace("\\<img", "")
    assert ":red" not in shown.replace("\\:red", "")
    assert "http://" not in shown


def test_what_differs_between_two_answers_is_marked_word_by_word() -> None:
    left, right = difference.marked("The shop is open today.", "The shop is closed today.")
    assert [text for text, own in left if own] == ["open"]
    assert [text for text, own in right if own] == ["closed"]
    assert "".join(text for text, _ in left) == "The shop is open today."

"""Knowledge: making an index, bringing documents in, what it holds, and what keeps it from being deleted."""

import re
from pathlib import Path
from typing import Any

import pytest

from engine.data import curate, uploads
from engine.jobs import supervisor
from engine.retrieval import indexes
from storage import runs
from storage.home import Home
from tests import around
from tests.pages.conftest import open_page, words


@pytest.fixture
def known(full: dict[str, Any]) -> dict[str, Any]:
    """The filled home with an index, a bake-off and a deployment."""
    return {**full, **around.fill(full["home"], full)}


def test_an_empty_home_is_told_what_an_index_is_for(empty_home: Home) -> None:
    said = words(open_page("knowledge"))
    assert "No index yet" in said and "finds those that fit a question" in said


def test_an_index_is_made_and_looked_at(empty_home: Home) -> None:
    app = open_page("knowledge")
    app.text_input(key="knowledge_first_name").set_value("manual")
    app.number_input(key="knowledge_first_passage_tokens").set_value(64)
    next(button for button in app.button if button.label == "Make the index").click().run()
    assert not app.exception
    made = indexes.find(empty_home, "manual")
    assert made.settings["passage_tokens"] == 64
    assert app.query_params["index"] == "manual"
    assert "It holds nothing yet" in words(app)


def test_a_setting_that_does_not_fit_is_refused_in_words(empty_home: Home) -> None:
    app = open_page("knowledge")
    app.text_input(key="knowledge_first_name").set_value("manual")
    app.number_input(key="knowledge_first_overlap").set_value(100)
    next(button for button in app.button if button.label == "Make the index").click().run()
    assert "overlap must be less than half" in app.error[0].value.replace("\\", "")
    assert indexes.all(empty_home) == []


def test_a_path_is_brought_in_as_a_run_once(empty_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ensure", lambda home: None)  # no engine takes the run
    indexes.create(empty_home, "manual")
    (tmp_path / "notes.md").write_text("# Hours\n\nWe open at nine.")
    app = open_page("knowledge")
    app.segmented_control(key="knowledge_source").set_value("From a path").run()
    app.text_input(key="knowledge_path").set_value(str(tmp_path / "notes.md")).run()
    app.button(key="knowledge_add").click().run()
    assert not app.exception
    made = runs.page(empty_home)
    assert [run.kind for run in made] == ["index"]
    assert made[0].request["paths"] == [str(tmp_path / "notes.md")]


def test_a_path_that_is_not_there_is_refused_in_words(empty_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ensure", lambda home: None)
    indexes.create(empty_home, "manual")
    app = open_page("knowledge")
    app.segmented_control(key="knowledge_source").set_value("From a path").run()
    app.text_input(key="knowledge_path").set_value("/nowhere/at/all").run()
    app.button(key="knowledge_add").click().run()
    assert "is not there" in app.error[0].value.replace("\\", "")
    assert runs.page(empty_home) == []


def test_only_text_data_sets_are_offered_as_documents(full: dict[str, Any], engine_there: None) -> None:
    indexes.create(full["home"], "manual")
    app = open_page("knowledge")
    app.segmented_control(key="knowledge_source").set_value("From a data set").run()
    assert app.selectbox(key="knowledge_data").options == ["handbook@1  ·  40 rows  ·  text"]
    app.button(key="knowledge_add").click().run()
    made = next(run for run in runs.page(full["home"]) if run.kind == "index")
    assert curate.find(full["home"], f"#{made.request['dataset_id']}").name == "handbook"


def test_a_filled_index_shows_its_documents_and_nothing_of_them_acts(known: dict[str, Any]) -> None:
    app = open_page("knowledge", index="handbook")
    assert not app.exception and not app.error
    assert [metric.value for metric in app.metric][:3] == ["2", "2", "1"]
    assert "hours.md" in list(app.dataframe[0].value["Document"])
    for element in (*app.markdown, *app.caption):
        assert not re.search(r"(?<!\\)<img", str(element.value))


def test_an_index_that_a_deployment_rests_on_cannot_be_deleted(known: dict[str, Any]) -> None:
    app = open_page("knowledge", index="handbook")
    assert app.button(key="knowledge_delete").disabled
    assert "desk@1 rests on it" in words(app).replace("\\", "")


def test_deleting_says_first_what_goes(empty_home: Home) -> None:
    indexes.create(empty_home, "manual")
    app = open_page("knowledge")
    app.button(key="knowledge_delete").click().run()
    assert "goes with 0 documents" in words(app)
    assert indexes.all(empty_home), "nothing goes before it is confirmed"


@pytest.mark.parametrize("name", ["Öffnungszeiten.md", "帮助.txt", "a b (c).pdf"])
def test_an_uploaded_document_keeps_its_name(empty_home: Home, tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("We open at nine.")
    with file.open("rb") as stream:
        assert uploads.document(empty_home, name, stream).name == name


def test_an_uploaded_name_leads_to_no_other_folder(empty_home: Home, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("We open at nine.")
    for name in ("../../evil.md", "..", "/etc/passwd", ".hidden.md", "x" * 400 + ".md", "\x00a.md"):
        with file.open("rb") as stream:
            assert uploads.document(empty_home, name, stream).parent.parent == empty_home.uploads

"""Datasets: a file becomes a frozen version through the page, and what is wrong with it is said row by row."""

import json
from pathlib import Path
from typing import Any

from engine.data import curate
from storage import datasets
from storage.home import Home
from tests.pages.conftest import open_page, words

GOOD = [{"question": f"What is {i} and {i}?", "answer": f"It is {2 * i}."} for i in range(1, 13)]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_uploaded_file_is_recognised_and_frozen(empty_home: Home, tmp_path: Path) -> None:
    app = open_page("datasets")
    app.file_uploader[0].upload("sums.jsonl", written(tmp_path / "sums.jsonl", GOOD).read_bytes()).run()
    assert not app.exception
    assert {m.label: m.value for m in app.metric}["Good"] == "12"
    assert "What is 1 and 1?" in [text.value for text in app.text]
    app.button(key="freeze").click().run()
    assert not app.exception
    frozen = datasets.find(empty_home, "sums")
    assert frozen is not None and frozen.rows == 12
    assert "sums@1" in words(app).replace("\\", "")
    assert curate.rows(empty_home, frozen, 0, 1)[0]["prompt"].startswith("What is 1")


def test_bad_rows_are_shown_with_their_numbers_and_set_aside(empty_home: Home, tmp_path: Path) -> None:
    path = written(tmp_path / "mixed.jsonl", [*GOOD[:3], {"question": "Why?", "answer": ""}, *GOOD[3:]])
    app = open_page("datasets")
    app.segmented_control(key="source_way").set_value("From a path").run()
    app.text_input(key="source_path").set_value(str(path)).run()
    assert {m.label: m.value for m in app.metric}["With a problem"] == "1"
    assert app.dataframe[0].value["row"].tolist() == [4]
    app.checkbox(key="draft_keep").uncheck().run()
    assert app.button(key="freeze").disabled
    app.checkbox(key="draft_keep").check().run()
    app.text_input(key="draft_name").set_value("kept").run()
    app.button(key="freeze").click().run()
    frozen = datasets.find(empty_home, "kept")
    assert frozen is not None and (frozen.rows, curate.set_aside(frozen)) == (12, 1)


def test_a_wrong_recognition_can_be_overridden(empty_home: Home, tmp_path: Path) -> None:
    app = open_page("datasets")
    app.segmented_control(key="source_way").set_value("From a path").run()
    app.text_input(key="source_path").set_value(str(written(tmp_path / "sums.jsonl", GOOD))).run()
    app.selectbox(key="draft_shape").set_value("preference").run()
    assert not app.exception
    assert app.error, "rows without two answers cannot be preference pairs, and the page has to say so"
    app.selectbox(key="draft_shape").set_value("recognised").run()
    assert not app.error
    assert {m.label: m.value for m in app.metric}["Good"] == "12"


def test_a_file_under_review_is_still_there_after_another_page(empty_home: Home, tmp_path: Path) -> None:
    app = open_page("datasets")
    app.file_uploader[0].upload("sums.jsonl", written(tmp_path / "sums.jsonl", GOOD).read_bytes()).run()
    app.text_input(key="draft_name").set_value("mine").run()
    app.switch_page("pages/home/page.py").run()
    app.switch_page("pages/datasets/page.py").run()
    assert not app.exception
    assert {m.label: m.value for m in app.metric}["Good"] == "12"
    assert app.text_input(key="draft_name").value == "mine"
    app.button(key="draft_drop").click().run()
    assert not app.metric and not list(empty_home.uploads.glob("draft-*"))


def test_a_link_to_a_version_leads_away_from_a_file_under_review(full: dict[str, Any]) -> None:
    app = open_page("datasets")
    app.segmented_control(key="datasets_view").set_value("Bring in a file").run()
    assert app.file_uploader and "dataset" not in app.query_params
    app.switch_page("pages/home/page.py").run()
    app.switch_page("pages/datasets/page.py").run()
    assert app.file_uploader, "the view is kept"
    app.query_params["dataset"] = str(full["data"]["text"].id)
    app.run()
    assert "handbook@1" in words(app).replace("\\", "")


def test_a_path_that_is_not_there_is_one_worded_error(empty_home: Home) -> None:
    app = open_page("datasets")
    app.segmented_control(key="source_way").set_value("From a path").run()
    app.text_input(key="source_path").set_value("/nowhere/at/all.jsonl").run()
    assert not app.exception
    assert len(app.error) == 1 and "all.jsonl" in app.error[0].value.replace("\\", "")


def test_the_second_half_of_a_double_click_freezes_nothing_twice(empty_home: Home, tmp_path: Path) -> None:
    app = open_page("datasets")
    app.file_uploader[0].upload("sums.jsonl", written(tmp_path / "sums.jsonl", GOOD).read_bytes()).run()
    app.button(key="freeze").click().run()
    assert [d.title for d in datasets.all(empty_home)] == ["sums@1"]
    assert not list(empty_home.uploads.glob("draft-*")), "a draft that was frozen leaves nothing behind"


def test_a_link_opens_the_version_it_names(full: dict[str, Any]) -> None:
    handbook = full["data"]["text"]
    app = open_page("datasets", dataset=str(handbook.id))
    assert "handbook@1" in words(app).replace("\\", "")
    assert any(text.value.startswith("Section 1.") for text in app.text)


def test_every_shape_shows_its_rows(full: dict[str, Any]) -> None:
    for dataset in full["data"].values():
        app = open_page("datasets", dataset=str(dataset.id))
        assert not app.exception and not app.error
        assert app.text, dataset.shape


def test_rows_are_paged(full: dict[str, Any]) -> None:
    dataset = full["data"]["messages"]
    app = open_page("datasets", dataset=str(dataset.id))
    assert "What is 1 plus 1?" in [text.value for text in app.text]
    app.session_state[f"page_{dataset.id}"] = 48
    app.run()
    assert "What is 240 plus 240?" in [text.value for text in app.text]

"""Models: lineage, scores, what depends on a model before it goes, and what checkpoints take."""

from pathlib import Path
from typing import Any

from storage import events, models, runs
from storage.home import Home
from tests import filled
from tests.pages.conftest import open_page, words


def test_a_trained_model_shows_the_way_it_came(full: dict[str, Any]) -> None:
    said = words(open_page("models", model=str(full["tuned"].id))).replace("\\", "")
    assert "support-questions@2" in said
    assert "**sft** on pocket" in said
    assert full["tuned"].fingerprint[:12] in said


def test_a_model_that_others_rest_on_cannot_be_deleted_and_the_page_says_which(full: dict[str, Any]) -> None:
    app = open_page("models", model=str(full["base"].id))
    assert app.button(key="delete").disabled
    assert "support-sft rests on it" in words(app).replace("\\", "")


def test_deleting_says_first_what_goes(full: dict[str, Any]) -> None:
    alone = filled.model(full["home"], "alone")
    app = open_page("models", model=str(alone.id))
    app.button(key="delete").click().run()
    said = words(app).replace("\\", "")
    assert "leaves the registry, with 0 scores" in said and "are removed from" in said
    assert models.get(full["home"], alone.id) is not None, "nothing goes before it is confirmed"


def test_measuring_queues_a_run_against_the_base_once(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("models", model=str(full["tuned"].id))
    before = len(runs.page(full["home"], 100))
    app.button(key="measure").click().run()
    assert not app.exception
    made = runs.page(full["home"], 100)
    assert len(made) == before + 1
    assert made[0].request["against_id"] == full["base"].id


def test_a_folder_that_is_no_model_is_refused_in_words(empty_home: Home, tmp_path: Path) -> None:
    app = open_page("models")
    app.text_input(key="add_folder").set_value(str(tmp_path)).run()
    app.button(key="add").click().run()
    assert not app.exception
    assert "config.json" in app.error[0].value.replace("\\", "")
    assert models.all(empty_home) == []


def test_what_checkpoints_take_is_shown_by_run(full: dict[str, Any]) -> None:
    app = open_page("models")
    app.segmented_control(key="models_view").set_value("Disk").run()
    table = app.dataframe[0].value
    assert table["Size"].tolist()[0] == "80.0 kB"
    assert len(table) == len({c.run_id for c in events.checkpoints(full["home"])})

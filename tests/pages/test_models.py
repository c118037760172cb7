"""Models: lineage, scores, what depends on a model before it goes, and what checkpoints take."""

from pathlib import Path
from typing import Any

from engine import hub
from engine.jobs import submit
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
    app = open_page("models", models_view="Get a model")
    app.text_input(key="add_folder").set_value(str(tmp_path)).run()
    app.button(key="add").click().run()
    assert not app.exception
    assert "config.json" in app.error[0].value.replace("\\", "")
    assert models.all(empty_home) == []


def test_each_model_to_pick_from_says_whether_it_fits_this_machine(empty_home: Home) -> None:
    app = open_page("models", models_view="Get a model")
    assert not app.exception
    table = app.dataframe[0].value
    assert set(table["Chat"]) <= {"✓ fits", "≈ tight", "✕ exceeds"}
    assert table["Chat"].tolist() == sorted(table["Chat"], key=("✓ fits", "≈ tight", "✕ exceeds").index), "larger needs more"


def test_a_hub_out_of_reach_is_said_in_words_and_the_id_stays_typed(empty_home: Home) -> None:
    app = open_page("models", models_view="Get a model")
    app.text_input(key="hub_id").set_value("owner/name").run()
    app.button(key="look_up").click().run()
    assert not app.exception
    assert "owner/name could not be fetched" in app.error[0].value.replace("\\", "")
    assert app.text_input(key="hub_id").value == "owner/name"


def test_a_stopped_download_offers_to_go_on_and_a_live_one_to_stop(empty_home: Home) -> None:
    live = submit.download(empty_home, "owner/first")
    runs.claim(empty_home)
    submit.stop(empty_home, submit.download(empty_home, "owner/second").id)
    app = open_page("models", models_view="Get a model")
    assert not app.button(key=f"stop_{live.id}").disabled
    app.button(key=f"stop_{live.id}").click().run()
    assert submit.find(empty_home, live.id).stop_requested
    assert app.button(key=f"resume_{live.id + 1}").label == "Resume"
    assert submit.download(empty_home, "owner/first").id == live.id, "one that is under way is not begun twice"


def test_a_token_is_kept_out_of_the_page_and_can_be_forgotten(empty_home: Home) -> None:
    app = open_page("models", models_view="Get a model")
    app.text_input(key="hub_token").set_value("hf_secret").run()
    app.button(key="save_token").click().run()
    assert hub.read_token(empty_home) == "hf_secret"
    assert app.text_input(key="hub_token").value == "" and "hf_secret" not in words(app)
    app.button(key="forget_token").click().run()
    assert not hub.token_file(empty_home).exists()


def test_what_checkpoints_take_is_shown_by_run(full: dict[str, Any]) -> None:
    app = open_page("models")
    app.segmented_control(key="models_view").set_value("Disk").run()
    table = app.dataframe[0].value
    assert table["Size"].tolist()[0] == "80.0 kB"
    assert len(table) == len({c.run_id for c in events.checkpoints(full["home"])})

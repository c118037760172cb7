"""Models: lineage, scores, what depends on a model before it goes, and what checkpoints take."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine import hub, registry
from engine.data import curate
from engine.errors import TryLater
from engine.jobs import submit, supervisor
from storage import db, evaluations, events, models, runs
from storage.home import Home
from tests import filled
from tests.pages.conftest import open_page, words


def test_a_trained_model_shows_the_way_it_came(full: dict[str, Any]) -> None:
    said = words(open_page("models", model=str(full["tuned"].id))).replace("\\", "")
    assert "support-questions@2" in said
    assert "**sft** on pocket" in said
    assert full["tuned"].fingerprint[:12] in said


def test_an_address_that_names_no_model_shows_the_newest(full: dict[str, Any]) -> None:
    for name in ("x", "-1", "999999", ""):
        app = open_page("models", model=name)
        assert not app.exception and app.query_params["model"] == str(full["tuned"].id)


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
    assert "The hub could not be reached for owner/name" in app.error[0].value.replace("\\", "")
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
    app.button(key="save_token").click().run()
    assert hub.read_token(empty_home) == "hf_secret", "an empty field takes nothing away"
    app.button(key="forget_token").click().run()
    assert not hub.token_file(empty_home).exists()


def test_a_download_that_cannot_go_on_says_why_beside_its_button(empty_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: Home) -> None:
        raise TryLater("The engine did not start.")

    monkeypatch.setattr(supervisor, "ensure", absent)
    stopped = submit.stop(empty_home, submit.download(empty_home, "owner/second").id)
    app = open_page("models", models_view="Get a model")
    app.button(key=f"resume_{stopped.id}").click().run()
    assert "did not start" in app.error[0].value
    assert submit.find(empty_home, stopped.id).status == stopped.status


def test_a_score_says_how_many_answers_were_cut_off(full: dict[str, Any]) -> None:
    home, tuned = full["home"], full["tuned"]
    found = evaluations.of_model(home, tuned.id)[0]
    with db.transaction(home) as connection:
        connection.execute("UPDATE evaluation SET settings = json_set(settings, '$.cut', 3) WHERE id = ?", (found.id,))
    app = open_page("models", model=str(tuned.id))
    cells = [str(cell) for table in app.dataframe for cell in table.value.to_numpy().ravel()]
    assert any(cell.endswith(", 3 cut off") for cell in cells)


def test_a_measurement_takes_the_longest_answer_and_no_model_beside_itself(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("models", model=str(full["base"].id))
    against = app.selectbox(key=f"measure_against_{full['base'].id}")
    assert against.options and not any(option.startswith("pocket ") for option in against.options)
    app.number_input(key="measure_tokens").set_value(900).run()
    app.button(key="measure").click().run()
    assert runs.page(full["home"])[0].request["max_tokens"] == 900


def test_nothing_is_freed_where_more_are_to_be_kept_than_there_are(full: dict[str, Any]) -> None:
    app = open_page("models", models_view="Disk")
    app.number_input(key="keep").set_value(10).run()
    ids = [str(use.run.id) for use in registry.checkpoint_usage(full["home"])]
    # ticks are kept for these runs in this order: after a clean-up, or another run, they begin anew
    app.session_state[f"checkpoints_{'_'.join(ids)}"] = {"selection": {"rows": list(range(len(ids))), "columns": [], "cells": []}}
    app.run()
    assert app.button(key="clear").label == "Free 0 B" and app.button(key="clear").disabled


def test_what_checkpoints_take_is_shown_by_run(full: dict[str, Any]) -> None:
    app = open_page("models")
    app.segmented_control(key="models_view").set_value("Disk").run()
    table = app.dataframe[0].value
    assert table["Size"].tolist()[0] == "80.0 kB"
    assert len(table) == len({c.run_id for c in events.checkpoints(full["home"])})


def test_a_measurement_under_way_is_seen_beside_the_form(full: dict[str, Any]) -> None:
    app = open_page("models", model=str(full["tuned"].id))
    assert any("support-sft on sums-held-out@1" in bar.text.replace("\\", "") for bar in app.progress)
    runs.end(full["home"], full["queued"], "stopped", before="queued", reason="Stopped before it began.")
    app = open_page("models", model=str(full["tuned"].id))
    assert not app.progress


def test_what_is_offered_to_measure_on_is_the_held_out_set_of_the_training_data(full: dict[str, Any]) -> None:
    rows = [{"prompt": "What is 1 plus 1?", "check": '{"kind": "number", "value": 2}'}]
    source = full["home"].uploads / "held.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    kept = curate.add(full["home"], source, "support-questions-held-out", shape="prompt")
    curate.add(full["home"], source, "something-newer", shape="prompt")
    app = open_page("models", model=str(full["tuned"].id))
    assert app.selectbox(key=f"measure_data_{full['tuned'].id}").value == kept.id

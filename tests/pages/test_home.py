"""Home says what is so: the road, what is at work, the machine."""

from typing import Any

from engine.samples import road
from storage import runs
from storage.home import Home
from tests.pages.conftest import open_page, words


def test_on_an_empty_home_bringing_data_is_next_and_nothing_is_done(empty_home: Home) -> None:
    assert [s.state for s in road.stations(empty_home)] == ["next", "later", "later", "later", "later"]
    assert "Next: bring data" in words(open_page("home"))


def test_on_a_filled_home_the_road_names_the_facts(full: dict[str, Any]) -> None:
    states = {s.name: s for s in road.stations(full["home"])}
    assert states["data"].state == "done" and "6 data sets" in states["data"].fact
    assert states["train"].state == "live"
    assert states["watch"].fact.startswith("Step 200, loss ")
    assert states["chat"].state == "ready"


def test_measuring_is_next_when_a_model_is_trained_and_nothing_measured(full: dict[str, Any]) -> None:
    from storage import db

    home = full["home"]
    with db.transaction(home) as connection:
        connection.execute("DELETE FROM evaluation_item")
        connection.execute("DELETE FROM evaluation")
        connection.execute("UPDATE run SET status = 'stopped', ended_at = created_at WHERE status IN ('running', 'queued')")
    assert [s.state for s in road.stations(home)] == ["done", "done", "done", "ready", "next"]


def test_live_runs_show_with_their_step_and_what_is_left(full: dict[str, Any]) -> None:
    app = open_page("home")
    said = words(app)
    assert "support\\-sft\\-2" in said
    assert any("step 200 of 300, about 40 s left" in bar.text for bar in app.progress)


def test_a_run_whose_process_is_gone_is_not_called_running(full: dict[str, Any]) -> None:
    import os
    import time

    full["lock"].close()
    beat = full["home"].run(full["live"]) / "heartbeat"
    os.utime(beat, (time.time() - 60, time.time() - 60))
    app = open_page("home")
    assert any("process is gone" in bar.text for bar in app.progress)


def test_no_button_walks_a_road_that_has_no_pocket_lab(empty_home: Home) -> None:
    assert road.offer(empty_home) is None
    assert "Train Pocket" not in [button.label for button in open_page("home").button]
    assert runs.page(empty_home) == []

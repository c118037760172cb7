"""Home in a real browser: live progress without a reload, and the button that walks the road."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from engine.samples import pocket, road
from storage import events, runs
from tests import filled
from tests.browser.conftest import App


def test_a_step_of_a_live_run_shows_by_itself(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(full_app.url)
    expect(tab.get_by_text("step 200 of 300").first).to_be_visible()
    events.add_metrics(full_app.home, full_app.made["live"], [("loss", 251, 1.05)])
    expect(tab.get_by_text("step 251 of 300").first).to_be_visible(timeout=6000)


def test_a_double_click_on_the_road_queues_one_run(empty_app: App, open_tab: Callable[..., Page]) -> None:
    home = empty_app.home
    filled.model(home, road.BASE)
    filled.freeze(home, road.DATA, "messages", [{"messages": filled.turns("Say yes.", "yes")}])
    tab = open_tab(empty_app.url)
    tab.get_by_role("button", name="Train Pocket").dblclick()
    expect(tab.get_by_text("Waiting for its turn").first).to_be_visible()
    tab.wait_for_timeout(1500)
    assert [run.name for run in runs.page(home)] == [road.TUNED]


def test_the_lab_that_ships_is_what_the_road_walks() -> None:
    assert road.BASE == pocket.NAME
    assert {road.DATA, road.HELD_OUT} <= {path.stem for path in pocket.SAMPLES.glob("*.jsonl")}

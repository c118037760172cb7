"""Runs in a real browser: live without a reload, the same in every tab, stopped after asking, compared."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from engine.jobs import submit
from storage import events, runs
from tests.browser.conftest import App, filled_app, settle


@pytest.fixture
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a filled home of its own, since these tests change runs."""
    with filled_app(tmp_path_factory.mktemp("runs")) as app:
        yield app


def steps(app: App, first: int, last: int) -> None:
    """What the live run's worker would write meanwhile."""
    values = [("loss", step, 1.1 + 3 * math.exp(-step / 25)) for step in range(first, last + 1)]
    events.add_metrics(app.home, app.made["live"], values)


def test_a_live_run_moves_on_without_a_reload(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/runs?run={app.made['live']}")
    expect(tab.get_by_text("step 200 of 300")).to_be_visible()
    chart = tab.locator("[data-testid=stEchartsChart], [data-testid=stEChartsChart]").first
    expect(chart).to_be_visible()
    steps(app, 201, 230)
    expect(tab.get_by_text("step 230 of 300")).to_be_visible(timeout=6_000)
    runs.end(app.home, app.made["live"], "succeeded", summary={"held_out_loss": 1.234})
    expect(tab.get_by_test_id("stMainBlockContainer").get_by_text("Succeeded")).to_be_visible(timeout=6_000)
    expect(tab.get_by_text("1.234")).to_be_visible()
    expect(tab.get_by_role("button", name="Stop")).to_have_count(0)


def test_a_reload_and_a_second_browser_show_the_same(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/runs?run={app.made['live']}")
    tab.get_by_role("tab", name="Recipe").click()
    expect(tab.get_by_text("The same from the command line")).to_be_visible()
    address = tab.evaluate("location.href")
    assert "show=Recipe" in address
    for other in (tab, open_tab(address)):
        other.goto(address)
        settle(other)
        expect(other.get_by_text("The same from the command line")).to_be_visible()
        expect(other.get_by_text("step 200 of 300")).to_be_visible()


def test_a_stop_is_asked_for_and_waited_for(app: App, open_tab: Callable[..., Page]) -> None:
    live = app.made["live"]
    tab = open_tab(f"{app.url}/runs?run={live}")
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(tab.get_by_role("dialog")).to_be_hidden()
    assert not submit.find(app.home, live).stop_requested
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("dialog").get_by_role("button", name="Stop the run").click()
    expect(tab.get_by_role("button", name="Stopping…")).to_be_disabled()
    assert submit.find(app.home, live).stop_requested
    runs.end(app.home, live, "stopped", reason="Stopped as asked. The checkpoint is kept.")
    expect(tab.get_by_role("button", name="Start over")).to_be_visible(timeout=6_000)


def test_a_run_that_someone_else_queued_shows_up_by_itself(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/runs")
    done = submit.find(app.home, app.made["done"])
    runs.insert(app.home, kind="train", name="from the command line", request=done.request, token=None)
    expect(tab.get_by_text("from the command line").first).to_be_visible(timeout=6_000)


def test_a_run_is_opened_from_its_row_and_two_are_compared(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/runs")
    tab.get_by_label("Find").fill("support-sft-")
    tab.get_by_text("3 runs", exact=True).wait_for()
    tab.wait_for_timeout(800)
    grid = tab.get_by_test_id("stDataFrame")
    grid.click(position={"x": 15, "y": 52})  # the boxes before the rows; the table is a canvas
    grid.click(position={"x": 15, "y": 87})
    tab.get_by_role("button", name="Compare").click()
    expect(tab.get_by_role("heading", name="Compare runs")).to_be_visible()
    assert re.search(r"compare=\d+(%2C|,)\d+", tab.evaluate("location.href"))
    tab.get_by_role("button", name="All runs").click()
    expect(tab.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    tab.wait_for_timeout(1_500)
    tab.get_by_test_id("stDataFrame").click(position={"x": 385, "y": 52})  # Open
    tab.wait_for_url("**/runs?run=*")
    expect(tab.get_by_role("button", name="All runs")).to_be_visible()


def test_the_queue_is_reordered_with_the_keyboard(app: App, open_tab: Callable[..., Page]) -> None:
    done: Any = submit.find(app.home, app.made["done"])
    second = runs.insert(app.home, kind="train", name="for the night", request=done.request, token=None)
    tab = open_tab(f"{app.url}/runs")
    up = tab.get_by_role("button", name="Up").nth(1)
    up.focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("1. for the night")).to_be_visible()
    assert runs.in_status(app.home, "queued")[0].id == second.id


def test_a_phone_in_the_dark_shows_a_run_without_scrolling_sideways(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/runs?run={app.made['live']}", width=390, height=844, theme="dark")
    expect(tab.get_by_text("step 200 of 300")).to_be_visible()
    for name in ("Samples", "Log", "Recipe", "Curves"):
        tab.get_by_role("tab", name=name).click()
        tab.wait_for_timeout(600)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, name

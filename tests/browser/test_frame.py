"""The frame around every page: deep links, widths, themes, keyboard, and text that stays text."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, filled_app, settle

PATHS = ("", "datasets", "labels", "train", "runs", "chat", "models")
WIDER = """Math.max(...[document.documentElement, ...document.querySelectorAll('section:not([data-testid=stSidebar])')].map(
    e => e.scrollWidth - e.clientWidth))"""
SHIFTS = """() => { window.shifts = 0; new PerformanceObserver(list => { for (const e of list.getEntries())
 if (!e.hadRecentInput) window.shifts += e.value; }).observe({type: 'layout-shift', buffered: false}); }"""


def test_a_deep_link_opens_the_page_in_its_frame_though_it_is_the_first_request_of_all(
    tmp_path_factory: pytest.TempPathFactory, open_tab: Callable[..., Page]
) -> None:
    with filled_app(tmp_path_factory.mktemp("deep")) as app:
        tab = open_tab(f"{app.url}/models?model={app.made['base'].id}")
        expect(tab.get_by_role("heading", name="Models")).to_be_visible()
        expect(tab.locator("[data-testid=stSidebarNav]").get_by_text("Datasets")).to_be_visible()
        expect(tab.get_by_role("heading", name="pocket", exact=True)).to_be_visible()
        tab.close()  # before its app ends, of which it would complain


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone(theme: str, full_app: App, open_tab: Callable[..., Page]) -> None:
    wider = {}
    for path in PATHS:
        tab = open_tab(f"{full_app.url}/{path}", width=390, height=844, theme=theme)
        wider[path] = tab.evaluate(WIDER)
    assert {path: by for path, by in wider.items() if by > 1} == {}


def test_hostile_text_is_shown_and_does_nothing(full_app: App, open_tab: Callable[..., Page]) -> None:
    """That no tab asked another host for anything is looked at by ``open_tab``."""
    data, live = full_app.made["data"]["prompt_completion"].id, full_app.made["live"]
    for path in PATHS:
        tab = open_tab(f"{full_app.url}/{path}?dataset={data}&run={live}")
        tab.wait_for_timeout(500)
        assert tab.locator("a[href*='evil.test'], img[src*='evil.test'], a[href^='javascript']").count() == 0, path
        assert "owned" not in tab.title()
        if path in ("", "datasets"):
            shown = re.compile('<img src="http:\u2060?//evil.test/a.png"')  # parted where a link would be made of it
            expect(tab.get_by_text(shown).first).to_be_visible()


def test_the_pages_can_be_reached_by_keyboard_alone(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(full_app.url)
    for _ in range(30):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.innerText || ''").strip().endswith("Datasets"):
            break
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Datasets", exact=True)).to_be_visible()


def test_a_page_at_rest_does_not_move(full_app: App, open_tab: Callable[..., Page]) -> None:
    """Live parts redraw themselves every few seconds: nothing may jump when they do."""
    tabs = {path: open_tab(f"{full_app.url}/{path}") for path in PATHS}
    tabs[PATHS[-1]].wait_for_timeout(2500)
    for tab in tabs.values():
        tab.bring_to_front()
        tab.evaluate(SHIFTS)
    tab.wait_for_timeout(6000)
    moved = {path: tab.evaluate("window.shifts") for path, tab in tabs.items()}
    assert {path: by for path, by in moved.items() if by > 0.01} == {}


def test_whether_the_engine_runs_is_said_on_every_page(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{full_app.url}/datasets")
    strip = tab.locator("[data-testid=stSidebar]")
    expect(strip.get_by_text("Engine runs")).to_be_visible()
    (full_app.home.root / "engine.lock").rename(full_app.home.root / "engine.lock.away")
    expect(strip.get_by_text("Engine is not running")).to_be_visible(timeout=10_000)
    expect(strip.get_by_role("button", name="Start the engine")).to_be_enabled()
    (full_app.home.root / "engine.lock.away").rename(full_app.home.root / "engine.lock")
    expect(strip.get_by_text("Engine runs")).to_be_visible(timeout=10_000)


def test_switching_pages_keeps_the_tab_alive(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(full_app.url)
    for name, heading in (("Datasets", "Datasets"), ("Models", "Models"), ("Home", "Where things stand")):
        tab.locator("[data-testid=stSidebarNav]").get_by_text(name, exact=True).click()
        expect(tab.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        settle(tab)

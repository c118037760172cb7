"""The whole way in a real browser: documents, a search, a bake-off of the base with and without them, a deployment, its sources."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine import prepare
from storage import deployments, indexes
from storage.home import Home
from tests import filled
from tests.browser.conftest import App, served, settle, still

SHOTS = os.environ.get("TEMPER_SHOTS")  # a folder to look at the pages in, for who works on them
LONG = 120_000  # milliseconds for what loads a model
PEOPLE = {  # facts about Far Isle that the base has never seen
    "Delmir": ("85", "the lute", "Elmholm", "snail"),
    "Marro": ("46", "the trumpet", "Elmholm", "pony"),
    "Corrin": ("20", "the bassoon", "Stoneport", "cat"),
    "Rolden": ("83", "the drum", "Barburn", "goose"),
    "Gilda": ("66", "the harp", "Linby", "goat"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with its engine on a home with the Pocket model and ten questions, and a folder of documents beside it."""
    home = Home.resolve(tmp_path_factory.mktemp("lab"))
    prepare.prepare(home)
    rows = []
    folder = tmp_path_factory.mktemp("papers") / "people"
    folder.mkdir()
    for name, (age, plays, lives, pet) in PEOPLE.items():
        text = f"# {name}\n\n{name} is {age} years old. In the evening {name} plays {plays}. {name} lives in {lives}. {name} feeds a {pet} every morning.\n"
        (folder / f"{name.lower()}.md").write_text(text)
        for question, value in ((f"How many years old is {name}?", age), (f"What animal lives with {name}?", pet)):
            rows.append({"prompt": question, "check": json.dumps({"kind": "contains", "value": value})})
    filled.freeze(home, "people-questions", "prompt", rows)
    with served(home, {"folder": folder}, engine=True) as app:
        yield app


def shot(tab: Page, name: str) -> None:
    """A picture of the whole page, where somebody wants to look at it."""
    if SHOTS:
        size = tab.viewport_size
        assert size is not None
        height = tab.evaluate("() => document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 0")
        tab.set_viewport_size({"width": size["width"], "height": min(6_000, max(size["height"], height + 20))})
        tab.wait_for_timeout(700)
        tab.screenshot(path=Path(SHOTS) / f"{name}.png")
        tab.set_viewport_size(size)


def choose(tab: Page, box: Locator, words: str) -> None:
    """Choose in a select box, once it stands still: what moves below an open list closes it."""
    box.scroll_into_view_if_needed()
    still(box)
    box.click()
    box.press_sequentially(words)
    tab.get_by_role("option", name=words).first.click()
    settle(tab)


def test_from_a_folder_of_files_to_a_deployment_that_names_its_sources(lab: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{lab.url}/knowledge")
    expect(tab.get_by_text("An index keeps documents cut into passages")).to_be_visible()
    shot(tab, "knowledge-empty")
    index_of_a_folder(lab, tab)
    searched(tab)
    tab.get_by_role("button", name="Measure it in a bake-off").click()
    set_up(tab)
    measured(tab)
    deployed(lab, tab)
    asked_in_chat(tab)


def index_of_a_folder(lab: App, tab: Page) -> None:
    """Make an index and bring a folder in by its path."""
    tab.get_by_role("textbox", name="Name", exact=True).fill("people")
    tab.get_by_role("button", name="Make the index").click()
    expect(tab.get_by_text("It holds nothing yet.")).to_be_visible()
    tab.get_by_role("radio", name="From a path").click()
    field = tab.get_by_role("textbox", name="Path of a file or folder on this machine")
    field.fill(str(lab.made["folder"]))
    field.press("Enter")
    settle(tab)
    tab.get_by_role("button", name="Bring them in").click()
    expect(tab.get_by_text("5 added, 0 changed, 0 taken out, 0 as before")).to_be_visible(timeout=LONG)
    found = indexes.find(lab.home, "people")
    assert found is not None and found.documents == 5


def searched(tab: Page) -> None:
    """Search, and see why a passage is there."""
    tab.get_by_role("textbox", name="Question").fill("Which animal does Rolden feed?")
    tab.get_by_role("button", name="Search", exact=True).click()
    first = tab.get_by_text(re.compile(r"place 1 by words")).first
    expect(first).to_be_visible(timeout=LONG)
    expect(tab.get_by_text("Rolden feeds a goose every morning.")).to_be_visible()
    settle(tab)
    shot(tab, "knowledge-full")


def set_up(tab: Page) -> None:
    """The base alone and the base with passages are filled in by the link; the questions are chosen by themselves."""
    expect(tab.get_by_role("heading", name="Bake-off", exact=True)).to_be_visible()
    settle(tab)
    cards = tab.locator("[class*=st-key-bakeoff_card_]")
    expect(cards).to_have_count(2)
    expect(cards.nth(1)).to_contain_text("pocket + people")
    expect(tab.get_by_text("bakeoff run --data people-questions@1")).to_be_visible()
    tab.get_by_role("spinbutton", name="Longest answer, in tokens").fill("24")
    tab.get_by_role("spinbutton", name="Longest answer, in tokens").press("Enter")
    settle(tab)
    tab.get_by_text("Ask the same otherwise, and more").click()
    choose(tab, tab.get_by_role("combobox", name="Ask all questions this way too"), "Beside distractors")
    tab.keyboard.press("Tab")  # Escape would empty the field where the list is closed already
    expect(tab.get_by_role("button", name="Remove Beside distractors")).to_be_visible()
    settle(tab)
    shot(tab, "bakeoff-setup")
    tab.get_by_role("button", name="Bake them off").click()


def measured(tab: Page) -> None:
    """Wait for the result: picture, sentence and table."""
    expect(tab.get_by_text("The candidates answer one after another")).to_be_visible(timeout=30_000)
    shot(tab, "bakeoff-live")
    expect(tab.locator(".st-key-bakeoff_sentences")).to_be_visible(timeout=LONG)
    settle(tab)
    expect(tab.locator(".st-key-bakeoff_sentences")).to_contain_text(re.compile("pocket|No candidate"))
    expect(tab.locator(".js-plotly-plot")).to_have_count(2)
    picture = tab.locator(".js-plotly-plot").first
    expect(picture).to_contain_text("Retrieval")
    expect(picture).to_contain_text(re.compile(r"\d+ % \(\d+ to \d+\)"))
    expect(tab.get_by_role("region", name="Candidates with what they reach and cost")).to_be_visible()
    expect(tab.get_by_role("heading", name="Asked otherwise")).to_be_visible()
    shot(tab, "bakeoff-result")


def deployed(lab: App, tab: Page) -> None:
    """Freeze the candidate with passages."""
    choose(tab, tab.get_by_role("combobox", name="Deploy a candidate"), "pocket + people")
    tab.get_by_role("textbox", name="As", exact=True).fill("isle-guide")
    tab.get_by_role("textbox", name="As", exact=True).press("Enter")
    settle(tab)
    tab.get_by_role("button", name="Deploy this one").click()
    expect(tab.get_by_role("heading", name="isle-guide@1")).to_be_visible()
    expect(
        tab.locator("[data-testid=stBadge], .stBadge, [data-testid=stMarkdown]").filter(has_text="Whole").first
    ).to_be_visible()
    settle(tab)
    found = deployments.find(lab.home, "isle-guide")
    assert found is not None and found.body["index"] == "people@1"
    shot(tab, "deployments-full")


def asked_in_chat(tab: Page) -> None:
    """Ask the deployment, and see which passages it was given."""
    tab.get_by_role("button", name="Ask it in Chat").click()
    expect(tab.get_by_role("heading", name="Chat")).to_be_visible()
    settle(tab)
    prompt = tab.get_by_placeholder("Ask", exact=True)
    prompt.fill("How many years old is Gilda?")
    prompt.press("Enter")
    sources = tab.get_by_text(re.compile("Sources: "))
    expect(sources).to_be_visible(timeout=LONG)
    expect(tab.locator("[data-testid=stCaptionContainer]").filter(has_text="isle-guide@1").first).to_be_visible()
    sources.click()
    expect(tab.get_by_text("Gilda is 66 years old.").first).to_be_visible()
    settle(tab)
    shot(tab, "chat-sources")

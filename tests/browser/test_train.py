"""Train in a real browser: the model's own tokens, nothing typed is lost, and the road from the form to the answers."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from engine import registry
from engine.data import curate
from storage import db, models, runs
from storage.home import Home
from tests import filled
from tests.browser.conftest import App, served, visit
from tests.engine.generation.small_models import make_base

ROWS = [{"messages": filled.turns(f"What is {i} plus 12? <b>Say</b>", f"It is {i + 12}.")} for i in range(60)]
LONG = [{"messages": filled.turns("Tell all.", "The ferry to Oster leaves at nine. " * 20)}] * 6


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with its engine on a home with one small real model and real rows, some of them long."""
    home = Home.resolve(tmp_path_factory.mktemp("lab"))
    db.migrate(home)
    registry.register_folder(home, make_base(tmp_path_factory.mktemp("weights") / "base"), "base", "made in a test")
    filled.freeze(home, "sums", "messages", ROWS + LONG)
    filled.freeze(home, "documents", "text", [{"text": "The ferry to Oster leaves at nine."}] * 5)
    with served(home, engine=True) as app:
        yield app


def test_the_rows_are_counted_by_the_models_own_tokenizer_and_the_mask_is_underlined(
    lab: App, open_tab: Callable[..., Page]
) -> None:
    tab = open_tab(f"{lab.url}/train?model=base&data=sums")
    expect(tab.get_by_text(re.compile("66 rows, .* tokens in all"))).to_be_visible(timeout=90_000)
    marks = tab.locator("mark.learned")
    expect(marks.first).to_contain_text("It is 12.")
    assert "underline" in marks.first.evaluate("e => getComputedStyle(e).textDecorationLine")
    plain = tab.locator(".example span.read").first
    expect(plain).to_contain_text("<b>Say</b>")
    assert plain.evaluate("e => getComputedStyle(e).textDecorationLine") == "none"
    expect(tab.get_by_text("Nothing is cut.")).to_be_visible()
    tab.get_by_label("Max length", exact=True).fill("64")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("6 rows (9.1%) are longer than 64 tokens")).to_be_visible(timeout=20_000)
    expect(tab.get_by_text("data sets not offered")).to_be_visible()


def test_what_is_being_typed_stays_while_the_page_is_drawn_anew(lab: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{lab.url}/train?model=base&data=sums")
    tab.get_by_label("Max length", exact=True).fill("80")
    tab.keyboard.press("Enter")
    steps = tab.get_by_label("Steps", exact=True)
    steps.click()
    steps.press("ControlOrMeta+a")
    steps.press_sequentially("12345", delay=500)  # meanwhile the tokens are counted and the page redraws itself
    assert steps.input_value() == "12345"
    tab.get_by_label("Batch size", exact=True).fill("")
    tab.keyboard.press("Tab")
    expect(tab.get_by_text("Fill in batch size")).to_be_visible()
    expect(tab.get_by_role("button", name="Launch")).to_be_disabled()
    tab.get_by_label("Batch size", exact=True).fill("4")
    tab.keyboard.press("Tab")
    expect(tab.get_by_text("--set batch_size=4")).to_be_visible()
    visit(tab, "Models")
    visit(tab, "Train")
    assert tab.get_by_label("Steps", exact=True).input_value() == "12345"
    assert tab.get_by_label("Batch size", exact=True).input_value() == "4"


def test_a_double_click_on_launch_makes_one_run(lab: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{lab.url}/train?model=base&data=sums")
    tab.get_by_label("Steps", exact=True).fill("2")
    tab.get_by_label("Name", exact=True).fill("clicked twice")
    tab.get_by_role("button", name="Launch").dblclick()
    tab.wait_for_url("**/runs?run=*", timeout=60_000)
    expect(tab.get_by_role("heading", name="clicked twice")).to_be_visible()
    assert [run.name for run in runs.page(lab.home)].count("clicked twice") == 1


@pytest.mark.slow
def test_a_run_is_launched_watched_to_its_end_and_talked_to(lab: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{lab.url}/train?model=base&data=sums")
    tab.get_by_label("Steps", exact=True).fill("8")
    tab.get_by_label("Max length", exact=True).fill("64")
    tab.get_by_label("Name", exact=True).fill("tutor")
    tab.get_by_role("button", name="Launch").click()  # straight from the field: what was typed last counts too
    tab.wait_for_url("**/runs?run=*", timeout=60_000)
    chat = tab.get_by_role("button", name="Compare in chat")
    chat.wait_for(timeout=240_000)
    made = models.find(lab.home, "tutor")
    assert made is not None and made.run_id is not None
    run = runs.get(lab.home, made.run_id)
    assert run is not None and (run.recipe.settings["steps"], run.recipe.settings["max_length"]) == (8, 64)
    expect(tab.get_by_text("8 of 8")).to_have_count(1)  # once the page has taken away what it showed of the live run
    tab.get_by_role("tab", name="Samples").click()
    expect(tab.get_by_text("Step 8").first).to_be_visible()
    chat.click()
    tab.get_by_test_id("stChatInputTextArea").fill("What is 3 plus 12?")
    tab.keyboard.press("Enter")
    cards = tab.get_by_text("tokens/s")
    expect(cards).to_have_count(2, timeout=90_000)
    expect(tab.get_by_text(made.fingerprint[:12])).to_be_visible()
    expect(tab.get_by_text("adapter on base")).to_be_visible()


def test_data_that_cannot_be_read_is_said_and_can_be_asked_for_again(lab: App, open_tab: Callable[..., Page]) -> None:
    broken = filled.freeze(lab.home, "broken", "messages", ROWS[:3])
    path = curate.datasets.path(lab.home, broken.sha256)
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    tab = open_tab(f"{lab.url}/train?model=base&data=broken")
    expect(tab.get_by_role("button", name="Ask again")).to_be_visible(timeout=60_000)
    path.write_bytes(whole)
    tab.get_by_role("button", name="Ask again").click()
    expect(tab.get_by_text(re.compile("3 rows, .* tokens in all"))).to_be_visible(timeout=60_000)

"""The rubric in a real browser, by keyboard alone: from the first question to the advice, and from there to the page that it opens."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine import advice
from storage.home import Home
from tests.browser.conftest import App, settle, visit

TASTE = (
    "goal=taste&prompting=short&needed=80&data=pairs&pair_rows=5000&seconds=10&hours=8&privacy=open&hardware=cpu&regressions=some"
)
KNOWLEDGE = TASTE.replace("goal=taste", "goal=knowledge&changes=daily&citations=yes").replace(
    "data=pairs&pair_rows=5000", "data=documents&document_tokens=2000000"
)
SHOTS = os.environ.get("TEMPER_SHOTS")  # a folder to look at the page in, for who works on it


def shot(tab: Page, name: str) -> None:
    if SHOTS:
        tab.wait_for_timeout(300)
        tab.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def whole(tab: Page) -> None:
    """Make the window as high as the page, so that a picture holds all of it."""
    if SHOTS:
        size = tab.viewport_size
        assert size is not None
        height = tab.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
        tab.set_viewport_size({"width": size["width"], "height": min(12_000, height + 50)})


def question(tab: Page, text: str) -> None:
    """Wait until a question is shown and one of its fields has the focus."""
    expect(tab.get_by_role("heading", name=text)).to_be_visible()
    settle(tab)
    tab.wait_for_function(
        "() => document.activeElement?.tagName === 'INPUT' && document.activeElement.closest('[class*=st-key-rubric_question_]')"
    )


def choose(tab: Page, words: str) -> None:
    """Choose by the arrows, and go on with Enter."""
    for _ in range(9):
        tab.keyboard.press("ArrowDown")
        label = tab.evaluate("() => document.activeElement.closest('label')?.innerText ?? ''")
        if words in label:
            tab.keyboard.press("Enter")
            return
    pytest.fail(f"The arrows never reached {words!r}.")


def tick(tab: Page, *words: str) -> None:
    """Tick by Space on the way down with Tab, and go on with Enter."""
    for _ in range(9):
        label = tab.evaluate("() => document.activeElement.closest('label')?.innerText ?? ''")
        if any(label.startswith(word) for word in words):
            tab.keyboard.press("Space")
            if label.startswith(words[-1]):
                tab.keyboard.press("Enter")
                return
        tab.keyboard.press("Tab")
    pytest.fail(f"Tab never reached {words!r}.")


def type_in(tab: Page, *numbers: str) -> None:
    """Type numbers into the fields, one after the other, and go on with Enter."""
    for place, number in enumerate(numbers):
        for _ in range(4 if place else 0):
            tab.keyboard.press("Tab")
            if tab.evaluate("() => document.activeElement.tagName") == "INPUT":
                break
        tab.keyboard.press("ControlOrMeta+a")
        tab.keyboard.type(number)
    tab.keyboard.press("Enter")


def walk(tab: Page) -> None:
    """From the first question to the advice without a pointer, once to the way back in between."""
    question(tab, "What should the model do better?")
    choose(tab, "Sound the way people like")
    question(tab, "How good is it already")
    choose(tab, "Tried, and not good enough")
    question(tab, "How good must it be?")
    type_in(tab, "80")
    question(tab, "What do you have to learn from?")
    tick(tab, "Demonstrations", "Pairs")
    question(tab, "How much of it?")
    type_in(tab, "300", "5000")
    question(tab, "How long may an answer take")
    back(tab)
    question(tab, "How much of it?")
    assert tab.evaluate("() => document.activeElement.value") == "300"
    tab.keyboard.press("Enter")
    question(tab, "How long may an answer take")
    tab.keyboard.press("Enter")  # what is usual stands there
    question(tab, "Who may see the texts?")
    choose(tab, "Only we")
    question(tab, "What is there to train on?")
    tab.keyboard.press("Enter")  # this machine
    question(tab, "May it get worse at anything else?")
    choose(tab, "A little")
    expect(tab.get_by_role("heading", name="Train: DPO or KTO.")).to_be_visible()
    settle(tab)


def back(tab: Page) -> None:
    """Press Back by keyboard."""
    for _ in range(9):
        tab.keyboard.press("Tab")
        if tab.evaluate("() => document.activeElement.innerText ?? ''").strip().endswith("Back"):
            tab.keyboard.press("Enter")
            return
    pytest.fail("Tab never reached Back.")


def test_by_keyboard_alone_from_the_first_question_to_the_page_that_the_advice_opens(
    full_app: App, open_tab: Callable[..., Page]
) -> None:
    tab = open_tab(f"{full_app.url}/rubric")
    expect(tab.get_by_text("Question 1 of at most 12")).to_be_visible()
    walk(tab)
    tab.wait_for_function("() => document.activeElement?.className.includes('st-key-rubric_advice')")
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.innerText").strip().endswith("Set up the training")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/train?*method=dpo*")
    settle(tab)
    expect(tab.get_by_role("radio", name="DPO")).to_be_checked()
    assert "tone%401" in tab.url and "model=pocket" in tab.url
    expect(tab.get_by_text(re.compile("train --method dpo --model pocket --data tone@1"))).to_be_visible()


def test_answers_survive_a_reload_another_page_and_the_browsers_way_back(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{full_app.url}/rubric")
    question(tab, "What should the model do better?")
    choose(tab, "Know facts")
    question(tab, "How good is it already")
    tab.reload()
    settle(tab)
    question(tab, "How good is it already")
    choose(tab, "Tried, and not good enough")
    question(tab, "How good must it be?")
    visit(tab, "Models")
    visit(tab, "Rubric")
    question(tab, "How good must it be?")
    assert "goal=knowledge" in tab.url


def test_one_answer_is_changed_from_the_summary(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{full_app.url}/rubric?{TASTE}")
    expect(tab.get_by_role("heading", name="Train: DPO or KTO.")).to_be_visible()
    tab.locator(".st-key-rubric_change_goal button").first.click()
    question(tab, "What should the model do better?")
    assert tab.evaluate("() => document.activeElement.checked")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Do not train yet.")).to_be_visible()


def test_a_double_click_keeps_one_advice(full_app: App, open_tab: Callable[..., Page]) -> None:
    home: Home = full_app.home
    before = len(advice.every(home))
    tab = open_tab(f"{full_app.url}/rubric?{TASTE}")
    tab.get_by_role("button", name="Keep this advice").dblclick()
    tab.wait_for_url("**/rubric?advice=*")
    expect(tab.get_by_text("Not measured yet").first).to_be_visible()
    tab.reload()
    settle(tab)
    assert len(advice.every(home)) == before + 1


@pytest.mark.parametrize(("width", "theme"), [(400, "light"), (1400, "light"), (1400, "dark"), (400, "dark")])
def test_nothing_is_cut_off_on_a_narrow_or_a_wide_screen(
    width: int, theme: str, full_app: App, open_tab: Callable[..., Page]
) -> None:
    for name, query in (
        ("first", ""), ("data", "goal=taste&prompting=short&needed=80"), ("advice", TASTE),
        ("amounts", "goal=taste&prompting=short&needed=80&data=documents,pairs,prompts"), ("hardware", TASTE.split("&hardware")[0]),
    ):  # fmt: skip
        tab = open_tab(f"{full_app.url}/rubric?{query}", width=width, theme=theme)
        tab.get_by_role("heading", level=3).first.wait_for()
        whole(tab)
        shot(tab, f"rubric_{name}_{width}_{theme}")
        wide = tab.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
        )
        assert wide <= 1, f"{name} is {wide} pixels wider than the screen"
        tab.close()


@pytest.mark.parametrize(
    ("query", "page", "heading"),
    [
        (TASTE.replace("goal=taste", "goal=rules"), "bakeoff", "Bake-off"),
        (KNOWLEDGE, "knowledge", "Knowledge"),
    ],
    ids=["prompting", "retrieval"],
)  # fmt: skip
def test_a_kept_advice_not_to_train_opens_where_it_is_measured_and_goes_along(
    query: str, page: str, heading: str, full_app: App, open_tab: Callable[..., Page]
) -> None:
    tab = open_tab(f"{full_app.url}/rubric?{query}")
    tab.get_by_role("button", name="Keep this advice").click()
    tab.wait_for_url("**/rubric?advice=*")
    kept = advice.every(full_app.home)[0]
    settle(tab)
    whole(tab)
    shot(tab, f"rubric_kept_{page}")
    tab.get_by_role("button", name=advice.given(kept).first.place.verb).first.click()
    tab.wait_for_url(f"**/{page}?*")
    settle(tab)
    expect(tab.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    assert f"advice={kept.id}" in tab.url

"""Chat in a real browser, with small real models: streams side by side, stops, and is found again."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine import registry
from engine.generation import ask, conversations
from storage import db, models
from storage.home import Home
from tests.browser.conftest import App, served, settle, visit
from tests.engine.generation.small_models import World, make_base, make_endless

PROMPT = "When does the ferry to Oster leave?"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with a base, an adapter on it, and a model that never ends an answer."""
    folder: Path = tmp_path_factory.mktemp("weights")
    home = Home.resolve(tmp_path_factory.mktemp("chat"))
    db.migrate(home)
    registry.register_folder(home, make_base(folder / "base", context=4096), "base", "made in a test")
    registry.register_folder(home, make_endless(folder / "endless"), "endless", "made in a test")
    World(home, folder).adapter("left", 1)
    with served(home) as app:
        yield app


def say(tab: Page, text: str) -> None:
    tab.get_by_test_id("stChatInputTextArea").fill(text)
    tab.keyboard.press("Enter")


def shown(tab: Page) -> list[str]:
    """The texts of the answers."""
    return [text for text in tab.get_by_test_id("stText").all_inner_texts() if text != PROMPT]


def named(tab: Page) -> str:
    """The conversation in the address."""
    expect(tab).to_have_url(re.compile("talk="))
    return tab.evaluate("new URLSearchParams(location.search).get('talk')")


def test_base_and_tuned_answer_side_by_side_and_each_names_its_weights(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models=base,left")
    say(tab, PROMPT)
    expect(tab.get_by_text("tokens/s")).to_have_count(2, timeout=90_000)
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=30_000)
    for name in ("base", "left"):
        model = models.find(app.home, name)
        assert model is not None
        expect(tab.get_by_text(model.fingerprint[:12])).to_be_visible()
    expect(tab.get_by_text("adapter on base")).to_have_count(1)
    boxes = [card.bounding_box() for card in tab.get_by_text("tokens/s").all()]
    assert boxes[0] and boxes[1] and boxes[0]["x"] + 200 < boxes[1]["x"], "the answers stand beside each other"
    written = conversations.read(app.home, named(tab))
    assert [answer.text for answer in written.turns[0].answers] == shown(tab)
    assert written.turns[0].answers[0].text != written.turns[0].answers[1].text


def test_a_second_prompt_goes_on_with_each_models_own_answers(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models=base,left")
    say(tab, PROMPT)
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=90_000)
    expect(tab.get_by_test_id("stChatInputTextArea")).to_be_enabled()
    say(tab, "And when is it back?")
    expect(tab.get_by_text("check done")).to_have_count(4, timeout=60_000)
    talk = conversations.read(app.home, named(tab))
    for place in (0, 1):
        first, second = (turn.answers[place] for turn in talk.turns)
        told = talk.messages(place, "x")
        assert [turn["content"] for turn in told] == [PROMPT, first.text, "And when is it back?", second.text, "x"]
        assert second.prompt_tokens > first.prompt_tokens


def test_answers_grow_at_once_survive_clicks_pages_and_reloads_and_stop_by_a_key(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models=base,endless")
    tab.get_by_role("button", name="Decoding").click()
    tab.get_by_label("Longest answer, in tokens").fill("60000")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("at most 60,000 tokens")).to_be_visible()
    tab.keyboard.press("Escape")
    say(tab, PROMPT)
    expect(tab.get_by_role("button", name="Stop all")).to_be_visible(timeout=60_000)
    expect(tab.get_by_text("tokens/s").first).to_be_visible(timeout=60_000)
    talk = named(tab)
    early = max(len(text) for text in shown(tab))
    visit(tab, "Home")
    visit(tab, "Chat")
    expect(tab.get_by_role("button", name="Stop all")).to_be_visible()
    assert named(tab) == talk
    tab.reload()
    settle(tab)
    expect(tab.get_by_role("button", name="Stop all")).to_be_visible()
    expect(tab.get_by_test_id("stChatInputTextArea")).to_be_disabled()
    other = open_tab(tab.evaluate("location.href"), width=390, height=844, theme="dark")
    expect(other.get_by_role("button", name="Stop all")).to_be_visible()
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    tab.get_by_role("heading", name="Chat").click()
    tab.keyboard.press("Escape")
    for each in (tab, other):
        expect(each.get_by_text("stop_circle stopped")).to_have_count(1, timeout=20_000)
        expect(each.get_by_test_id("stChatInputTextArea")).to_be_enabled(timeout=20_000)
    ended = conversations.read(app.home, talk).turns[0].answers[1]
    assert ended.status == "stopped" and len(ended.text) >= early
    assert ended.text.strip()[:40] in "".join(shown(tab))


def test_a_conversation_outlives_the_host(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models=base")
    say(tab, PROMPT)
    expect(tab.get_by_text("check done")).to_have_count(1, timeout=90_000)
    before = shown(tab)
    assert ask.shutdown(app.home)
    tab.reload()
    settle(tab)
    expect(tab.get_by_text("check done")).to_have_count(1)
    assert shown(tab) == before
    say(tab, "And again?")
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=90_000)


def test_the_last_prompt_is_asked_again_with_another_seed(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models=base,left")
    say(tab, PROMPT)
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=90_000)
    first = named(tab)
    tab.get_by_role("button", name="Decoding").click()
    tab.get_by_label("Seed", exact=True).fill("5")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("The same for all: the likeliest token, seed 5")).to_be_visible()
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Ask the last prompt again").click()
    expect(tab.get_by_text("2 of 2")).to_be_visible(timeout=60_000)
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=60_000)
    assert named(tab) == first
    assert [turn.samplings[0].seed for turn in conversations.read(app.home, first).every] == [0, 5]
    tab.get_by_role("button", name="The one before").click()
    expect(tab.get_by_text("1 of 2")).to_be_visible()
    expect(tab.get_by_text("the likeliest token, seed 0, at most 256 tokens")).to_be_visible()

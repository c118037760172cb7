"""Three models side by side in a real browser, from the first token to the ranking; and answers that try to do something."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from engine import registry
from engine.generation import conversations, outside
from engine.preferences import arena, projects, ranking
from storage import db
from storage.home import Home
from tests.browser.conftest import App, served, settle, visit
from tests.browser.test_chat import named, say
from tests.engine.generation.small_models import World, make_endless

MODELS = ("base", "sft", "dpo")
PAGE = "stMainBlockContainer"  # what is drawn: around it a page that chats has another element than the rest


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with a base that speaks for long and two adapters on it."""
    folder: Path = tmp_path_factory.mktemp("weights")
    home = Home.resolve(tmp_path_factory.mktemp("three"))
    db.migrate(home)
    registry.register_folder(home, make_endless(folder / "base"), "base", "made in a test")
    for seed, name in enumerate(MODELS[1:], 1):
        World(home, folder).adapter(name, seed)
    with served(home) as app:
        yield app


def road(tab: Page, app: App, models: tuple[str, ...] = MODELS, longest: int = 3000) -> str:
    """Ask three, click, switch and reload while they speak, and stop them; returns the conversation's name."""
    tab.get_by_role("button", name="Decoding").click()
    tab.get_by_label("Longest answer, in tokens").fill(str(longest))
    tab.keyboard.press("Enter")
    expect(tab.get_by_text(f"at most {longest:,} tokens")).to_be_visible()
    tab.keyboard.press("Escape")
    say(tab, "Tell me of the ferry.")
    expect(tab.get_by_role("button", name="Stop all")).to_be_visible(timeout=90_000)
    expect(tab.get_by_text("tokens/s")).to_have_count(len(models), timeout=60_000)
    name, sides = named(tab), sided(tab)
    tab.get_by_role("button", name="Earlier").click()  # left open, so that going Home is also the click that closes it
    visit(tab, "Home")
    visit(tab, "Chat")
    tab.reload()
    settle(tab)
    expect(tab.get_by_role("button", name="Stop all")).to_be_visible()
    assert (named(tab), sided(tab)) == (name, sides)
    return name


def sided(tab: Page) -> str:
    """The models that the address names."""
    return parse_qs(urlsplit(tab.url).query)["models"][0]


def test_streams_survive_clicks_pages_and_reloads_and_one_can_be_stopped(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models={','.join(MODELS)}")
    name = road(tab, app)
    tab.get_by_role("button", name="Stop this one").first.click()
    expect(tab.get_by_text("stop_circle stopped")).to_have_count(1, timeout=20_000)
    expect(tab.get_by_role("button", name="Stop this one")).to_have_count(2)
    tab.get_by_role("button", name="Stop all").click()
    expect(tab.get_by_text("stop_circle stopped")).to_have_count(3, timeout=20_000)
    answers = conversations.read(app.home, name).turns[0].answers
    assert len({answer.fingerprint for answer in answers}) == 3 and all(answer.text for answer in answers)
    assert answers[0].tokens < answers[1].tokens, "the others went on"
    expect(tab.get_by_text("nats from its base")).to_have_count(2)
    say(tab, "And of the harbour?")
    expect(tab.get_by_role("button", name="Stop all")).to_be_visible()
    shaded(tab, app, name)


def shaded(tab: Page, app: App, name: str) -> None:
    """The tokens of a tuned model's answer are shaded, and the arrow keys tell their numbers, also when answers end meanwhile."""
    tab.get_by_role("button", name="Tokens").nth(1).click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("Implicit reward")).to_be_visible(timeout=60_000)
    conversations.stop(app.home, name, conversations.read(app.home, name).turns[-1].id)
    expect(tab.get_by_text("stop_circle stopped")).to_have_count(6, timeout=20_000)
    dialog.locator(".text").focus()
    tab.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("status")).to_contain_text(re.compile("times (likelier|less likely)|the same"))
    tab.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_blind_vote_reveals_and_moves_the_ranking(app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{app.url}/chat?models=base,sft")
    tab.get_by_role("button", name="Decoding").click()
    tab.get_by_label("Longest answer, in tokens").fill("12")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Escape")
    tab.get_by_text("Blind", exact=True).click()
    say(tab, "Tell me of the ferry.")
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=60_000)
    talk = conversations.read(app.home, named(tab))
    page = tab.get_by_test_id(PAGE)
    for answer in talk.turns[0].answers:
        expect(page.get_by_text(answer.fingerprint[:12])).to_have_count(0)
    left = talk.models[talk.shown[0]]
    tab.get_by_role("button", name="Answer 1", exact=True).click()
    expect(tab.get_by_text(f"Answer 1: {left}").first).to_be_visible(timeout=20_000)
    for answer in talk.turns[0].answers:
        expect(page.get_by_text(answer.fingerprint[:12])).to_be_visible()
    battles = arena.battles(app.home, projects.find(app.home, "chat"))
    assert [(b.first, b.score) for b in battles] == [(left, 1.0)]
    tab.get_by_role("radio", name="Ranking").click()
    expect(tab.get_by_text("1 vote. Bradley-Terry")).to_be_visible(timeout=20_000)
    best = ranking.rank(battles).standings[0]
    assert best.name == left and best.rating.value > 1000
    expect(tab.get_by_text("has won every battle against")).to_be_visible()


class Beacon(BaseHTTPRequestHandler):
    """Hears whoever asks it for anything."""

    heard: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        Beacon.heard.append(self.path)
        self.send_response(204)
        self.end_headers()

    do_OPTIONS = do_GET


class Hostile(Beacon):
    """A model outside whose answers try to do something."""

    answer = ""

    def do_POST(self) -> None:
        if not self.path.endswith("/chat/completions"):
            return self.do_GET()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        for begin in range(0, len(Hostile.answer), 400):
            piece = {"choices": [{"delta": {"content": Hostile.answer[begin : begin + 400]}}]}
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        return None


def hostile(beacon: str, number: int) -> str:
    tricks = [
        f'<img src="{beacon}/img" onerror="document.title=\'owned\'"><script src="{beacon}/script"></script>',
        f"<iframe src='{beacon}/frame'></iframe><style>@import url({beacon}/style); body {{ display: none }}</style>",
        f"![x]({beacon}/markdown.png) [click]({beacon}/link) <{beacon}/auto> {beacon}/bare javascript:alert(1)",
        f"<svg onload=fetch('{beacon}/svg')> <a href='{beacon}/a' ping='{beacon}/ping'>here</a> :material/bolt: :red[x]",
        f"```html\n<img src='{beacon}/fenced'>\n``` $\\href{{{beacon}/tex}}{{x}}$ $$\\includegraphics{{{beacon}/tex.png}}$$",
        "\u202eright to left\u202c \u2067\u05d0\u05d1\u05d2\u2069 \ufdfd\U0001f469\u200d\U0001f467 Z\u0351\u036b\u0343\u036a\u0302"
        + "\u0300" * 300,
        "x" * 6_000,
    ]
    return "\n\n".join(tricks) + f"\n\nEnd {number}."


@pytest.fixture
def beacon() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Beacon.heard.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_answers_that_try_to_do_something_do_nothing_anywhere(app: App, open_tab: Callable[..., Page], beacon: str) -> None:
    outside.allow(app.home, "evil", f"{beacon}/v1", models=["one", "two"])
    tab = open_tab(f"{app.url}/chat?models=one@evil,two@evil", width=1280)
    told: list[str] = []
    tab.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
    Hostile.answer = hostile(beacon, 1)
    say(tab, Hostile.answer[:3000])
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=60_000)
    still(tab)
    tab.get_by_text("Mark what differs").click()
    settle(tab)
    still(tab)
    Hostile.answer = hostile(beacon, 2)
    tab.get_by_role("button", name="Ask the last prompt again").click()
    expect(tab.get_by_text("2 of 2")).to_be_visible(timeout=30_000)
    talk = conversations.read(app.home, named(tab))
    turn = replaced(app, talk.id)  # one of the two says something else, so that they make a pair
    tab.goto(f"{app.url}/chat?talk={talk.id}&at={turn}")
    settle(tab)
    tab.get_by_role("button", name="one@evil", exact=True).click()
    tab.get_by_role("button", name=re.compile("^Kept: ")).click()
    settle(tab)
    still(tab)
    project = projects.find(app.home, "chat")
    tab.goto(f"{app.url}/labels?project={project.id}&view=label&labeller=eve")
    settle(tab)
    still(tab)
    narrow = open_tab(f"{app.url}/chat?talk={talk.id}", width=390, height=844, theme="dark")
    settle(narrow)
    still(narrow)
    tab.goto(f"{app.url}/chat?view=prompts")
    settle(tab)
    tab.get_by_role("radio", name="Typed here").click()
    tab.get_by_label("One prompt a line").fill("One?\nTwo?")
    tab.keyboard.press("Control+Enter")
    tab.get_by_role("button", name="Ask all").click()
    expect(tab.get_by_role("button", name="Go on with this prompt in a talk")).to_be_visible(timeout=60_000)
    still(tab)
    assert told == [] and Beacon.heard == [], (told, Beacon.heard)


def replaced(app: App, name: str) -> str:
    """The last turn with another second answer; its name."""
    from dataclasses import replace

    talk = conversations.read(app.home, name)
    turn = talk.turns[-1]
    other = replace(turn, answers=(turn.answers[0], replace(turn.answers[1], text=turn.answers[1].text + " Other.")))
    conversations._write(app.home, replace(talk, every=tuple(other if each.id == turn.id else each for each in talk.every)))
    return turn.id


def still(tab: Page) -> None:
    """Nothing was fetched, opened or moved: the title, the links and the width of the page are as they should be."""
    tab.wait_for_timeout(700)
    assert "owned" not in tab.title()
    page = tab.get_by_test_id(PAGE)
    assert page.locator("iframe[src^=http], script, svg[onload]").count() == 0
    links = page.locator("a").evaluate_all("(all) => all.map((a) => a.getAttribute('href') ?? '')")
    assert not [link for link in links if "127.0.0.1" in link or "javascript" in link], links
    images = page.locator("img").evaluate_all("(all) => all.map((image) => image.getAttribute('src') ?? '')")
    assert not [image for image in images if "http" in image], images
    assert page.evaluate("(page) => page.scrollWidth <= page.clientWidth"), "a long token breaks"
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.evaluate("getComputedStyle(document.body).display") != "none"

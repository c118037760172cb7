"""Labelling in a real browser by keyboard: fifty pairs with everything that goes wrong in between, and not one vote lost or doubled."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from engine.preferences import desk, pairs, projects
from engine.preferences.pairs import NewPair
from storage import db, preferences
from storage.home import Home
from storage.records import Project, Vote
from tests.browser.conftest import App, served, settle
from tests.filled import HOSTILE

PAIRS = 50
SOON = round(1000 * desk.SOONEST) + 60  # milliseconds after which a key counts
SHOWN_FOR = """() => {
  const { token, since } = window.temperLabels ?? {}
  return document.querySelector(`.st-key-reason_${token}`) ? performance.now() - since : 0
}"""
CLICK_AT_ONCE = """question => new MutationObserver((_, watching) => {
  const shown = document.querySelector(".st-key-labels_prompt")?.innerText ?? ""
  if (!shown.includes("Question") || shown.includes(question)) return
  watching.disconnect()
  document.querySelector(".st-key-vote_left button").click()
  window.clicked = true
}).observe(document.body, { subtree: true, childList: true, characterData: true })"""
MARKDOWN = "**Yes.** Three ways:\n\n1. one\n2. two\n\n```python\nprint('a < b')\n```\n\nand $x^2 + 1$"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home without any project yet."""
    home = Home.resolve(tmp_path_factory.mktemp("labels"))
    db.migrate(home)
    with served(home) as app:
        yield app


def begin(home: Home, name: str, count: int = PAIRS, **settings: Any) -> Project:
    """A project with so many pairs, each seen by one person and none again."""
    project = projects.create(home, name, {"overlap": 0.0, "repeats": 0.0, "gold": 0.0, **settings})
    said = [(f"Short answer {i}", f"A longer answer, number {i}") for i in range(count)]
    pairs.add(
        home, project, [NewPair([{"role": "user", "content": f"Question {i}?"}], *answers) for i, answers in enumerate(said)]
    )
    return project


def votes(home: Home, project: Project) -> list[Vote]:
    return preferences.votes(home, project.id)


def asked(tab: Page) -> str:
    """The question that is before the labeller."""
    prompt = tab.locator(".st-key-labels_prompt")
    expect(prompt).to_contain_text("Question")  # its frame stands before its text does
    told = re.search(r"Question \d+\?", prompt.inner_text())
    assert told
    return told[0]


def ready(tab: Page) -> None:
    """Wait until the pair that is shown is known to the keys, and has been shown for long enough that one counts."""
    for _ in range(100):
        tab.wait_for_timeout(SOON)
        if tab.evaluate(SHOWN_FOR) >= SOON:
            return
    pytest.fail("The keys do not listen.")


def gone(tab: Page, question: str) -> None:
    """Wait until another question is shown, and long enough that a key counts."""
    expect(tab.locator(".st-key-labels_prompt")).not_to_contain_text(question)
    ready(tab)


def answer_on(tab: Page, side: str) -> str:
    box = tab.locator(f".st-key-labels_{side}")
    expect(box).to_contain_text("answer")
    return box.inner_text().strip()


@dataclass
class Labelling:
    """A labeller at a tab, and what they have chosen so far: question and the answer that they prefer."""

    home: Home
    project: Project
    url: str
    tab: Page
    chosen: list[tuple[str, str]] = field(default_factory=list)
    sockets: list[tuple[WebSocketRoute, WebSocketRoute]] = field(default_factory=list)

    def stored(self) -> list[tuple[str, str]]:
        """The same, as the votes say it."""
        held = {pair.id: pair for pair in preferences.pairs(self.home, self.project.id)}
        found = []
        for vote in votes(self.home, self.project):
            pair = held[vote.pair_id]
            found.append(
                (str(pair.prompt[0]["content"]), {"first": pair.first, "second": pair.second}.get(vote.choice, vote.choice))
            )
        return found

    def press(self, key: str = "1") -> None:
        """Choose, wait for the next pair, and note what was chosen."""
        question, answer = asked(self.tab), answer_on(self.tab, "left")
        right = answer_on(self.tab, "right")
        last = len(self.chosen) == PAIRS - 1
        self.tab.keyboard.press(key)
        self.chosen.append((question, {"1": answer, "2": right}[key]))
        if last:
            expect(self.tab.get_by_text("All done")).to_be_visible()
        else:
            gone(self.tab, question)
        assert self.stored() == self.chosen

    def reload(self) -> None:
        question, answer = asked(self.tab), answer_on(self.tab, "left")
        self.tab.reload()
        settle(self.tab)
        expect(self.tab.locator(".st-key-labels_prompt")).to_contain_text(question)
        assert answer_on(self.tab, "left") == answer, "the sides stay where they were"
        ready(self.tab)


def double_press(at: Labelling) -> None:
    question, answer = asked(at.tab), answer_on(at.tab, "left")
    at.tab.keyboard.press("1")
    at.tab.keyboard.press("1")
    at.chosen.append((question, answer))
    gone(at.tab, question)
    assert at.stored() == at.chosen


def held_key(at: Labelling) -> None:
    question, answer = asked(at.tab), answer_on(at.tab, "left")
    for _ in range(60):  # the first press, then what the keyboard repeats
        at.tab.keyboard.down("1")
        at.tab.wait_for_timeout(30)
    at.tab.keyboard.up("1")
    at.chosen.append((question, answer))
    gone(at.tab, question)
    assert at.stored() == at.chosen, "a held key votes once, and never on a pair that was not seen"


def key_after_criterion(at: Labelling) -> None:
    at.tab.locator(".st-key-labels_criterion_0 button").first.click()
    at.press("2")
    assert len(votes(at.home, at.project)[-1].criteria) == 1


def while_typing(at: Labelling) -> None:
    at.tab.keyboard.press("t")
    at.tab.keyboard.type("1 2 3 skip z e")
    at.tab.wait_for_timeout(400)
    assert at.stored() == at.chosen, "what is typed is no choice"
    at.tab.keyboard.press("Escape")
    at.press("1")
    assert votes(at.home, at.project)[-1].reason == "1 2 3 skip z e"
    expect(at.tab.locator("textarea").first).to_have_value("")


def second_tab(at: Labelling) -> None:
    other = at.tab.context.new_page()
    other.goto(at.url)
    settle(other)
    question = asked(at.tab)
    expect(other.locator(".st-key-labels_prompt")).to_contain_text(question)
    ready(other)
    at.press("1")
    other.bring_to_front()
    other.keyboard.press("2")  # the pair it still shows is voted on already
    gone(other, question)
    assert at.stored() == at.chosen
    other.close()
    at.tab.bring_to_front()


def cut_connection(at: Labelling) -> None:
    question, answer = asked(at.tab), answer_on(at.tab, "left")
    before = len(at.sockets)
    page, server = at.sockets[-1]
    server.close()
    page.close()
    at.tab.keyboard.press("1")
    at.tab.wait_for_timeout(500)
    for _ in range(40):
        if len(at.sockets) > before:
            break
        at.tab.wait_for_timeout(250)
    assert len(at.sockets) > before, "the page connects again by itself"
    at.tab.wait_for_timeout(2_000)
    if asked(at.tab) == question:  # the key was lost with the connection, and the page shows so
        at.tab.keyboard.press("1")
    at.chosen.append((question, answer))
    gone(at.tab, question)
    assert at.stored() == at.chosen


def undo_across_a_reload(at: Labelling) -> None:
    question = asked(at.tab)
    at.press("1")
    at.reload()
    at.tab.keyboard.press("z")
    expect(at.tab.locator(".st-key-labels_prompt")).to_contain_text(question)
    at.chosen.pop()
    assert at.stored() == at.chosen
    expect(at.tab.get_by_text("Taken back: you had said left.")).to_be_visible()
    ready(at.tab)
    at.press("2")


INCIDENTS: dict[int, Callable[[Labelling], None]] = {
    4: lambda at: at.reload(), 8: double_press, 12: held_key, 16: key_after_criterion, 20: while_typing, 25: second_tab,
    30: cut_connection, 36: undo_across_a_reload, 40: lambda at: at.reload(),
}  # fmt: skip


def test_fifty_pairs_by_keyboard_with_all_that_goes_wrong_give_fifty_votes_in_order(app: App, browser: Browser) -> None:
    project = begin(app.home, "fifty", criteria=["helpful"])
    url = f"{app.url}/labels?project={project.id}&view=label&labeller=anna"
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    tab = context.new_page()
    at = Labelling(app.home, project, url, tab)

    def through(page: WebSocketRoute) -> None:
        at.sockets.append((page, page.connect_to_server()))

    tab.route_web_socket(re.compile("_stcore/stream"), through)
    tab.goto(url)
    settle(tab)
    ready(tab)
    incidents = dict(INCIDENTS)
    while len(at.chosen) < PAIRS:
        happens = incidents.pop(len(at.chosen), None)
        if happens is not None:
            happens(at)
        else:
            at.press("12"[len(at.chosen) % 2])
    context.close()
    assert not incidents
    assert at.stored() == at.chosen
    assert len({question for question, _ in at.chosen}) == PAIRS
    assert all(vote.seconds is not None and vote.seconds > desk.SOONEST for vote in votes(app.home, project))


def test_a_key_that_comes_before_the_pair_can_have_been_seen_does_nothing(app: App, open_tab: Callable[..., Page]) -> None:
    project = begin(app.home, "early", 5)
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=anna")
    ready(tab)
    question = asked(tab)
    tab.evaluate(CLICK_AT_ONCE, question)
    tab.keyboard.press("1")
    tab.wait_for_function("() => window.clicked")
    tab.wait_for_timeout(500)
    assert len(votes(app.home, project)) == 1
    ready(tab)
    fields = tab.locator("[class*=st-key-reason_]")
    known = fields.evaluate("field => field.className")
    fields.evaluate("field => { field.className = 'st-key-reason_another' }")  # as while the page is half-way to the next pair
    tab.keyboard.press("1")
    tab.wait_for_timeout(500)
    assert len(votes(app.home, project)) == 1
    tab.locator(".st-key-reason_another").evaluate("(field, known) => { field.className = known }", known)
    tab.keyboard.press("1")
    expect(tab.get_by_text("2 votes")).to_be_visible()


def test_the_next_pair_begins_at_its_top_and_a_refusal_is_in_sight_however_far_down_the_page_is(
    app: App, open_tab: Callable[..., Page]
) -> None:
    project = projects.create(app.home, "tall", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    tall = "\n\n".join("One paragraph of many." for _ in range(60))
    new = [NewPair([{"role": "user", "content": f"Question {i}?"}], f"A. {tall}", f"B. {tall}") for i in range(3)]
    pairs.add(app.home, project, new)
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=anna", height=600)
    ready(tab)
    tab.keyboard.press("e")
    expect(tab.get_by_role("textbox", name="A better text of the left answer")).to_be_visible()
    tab.mouse.move(700, 300)
    tab.locator("[data-testid=stMain]").evaluate("page => page.scrollTo(0, page.scrollHeight)")
    tab.keyboard.press("2")
    expect(tab.get_by_text("You have edited the left answer")).to_be_in_viewport()
    tab.keyboard.press("e")
    expect(tab.get_by_role("textbox", name="A better text of the left answer")).to_have_count(0)
    tab.locator(".st-key-labels_left").hover()
    tab.mouse.wheel(0, 500)
    expect(
        tab.locator(".st-key-labels_right").get_by_text("B. ").or_(tab.locator(".st-key-labels_right").get_by_text("A. "))
    ).not_to_be_in_viewport()
    tab.locator("[data-testid=stMain]").evaluate("page => page.scrollTo(0, page.scrollHeight)")
    question = asked(tab)
    tab.keyboard.press("1")
    gone(tab, question)
    expect(tab.get_by_text(asked(tab))).to_be_in_viewport()
    for side in ("left", "right"):
        expect(tab.locator(f".st-key-labels_{side}").get_by_text(re.compile("^[AB]\\."))).to_be_in_viewport()


@pytest.mark.parametrize(
    ("sign", "key", "votes_after"), [("&", "Digit1", 1), ("\u03b6", "KeyZ", 0), ("!", "Digit1", 1), (";", "KeyZ", 1)]
)
def test_keys_are_found_on_keyboards_that_have_other_signs_on_them(
    app: App, open_tab: Callable[..., Page], sign: str, key: str, votes_after: int
) -> None:
    project = begin(app.home, f"layout {ord(sign)}", 3)
    if key == "KeyZ":
        desk.vote(app.home, desk.look(app.home, project, "anna")[0].showing.token, desk.Given("left"))
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=anna")
    ready(tab)
    tab.evaluate(
        "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true }))", [sign, key]
    )
    tab.wait_for_timeout(1_000)
    assert len(votes(app.home, project)) == votes_after


def test_answers_are_readable_and_nothing_in_them_acts(app: App, open_tab: Callable[..., Page]) -> None:
    project = projects.create(app.home, "inert", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0, "instructions": HOSTILE})
    pairs.add(app.home, project, [NewPair([{"role": "user", "content": HOSTILE}], MARKDOWN, HOSTILE)])
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=anna")
    for view in ("Read", "As written", "Differences · V"):
        tab.get_by_role("radio", name=view).click()
        tab.wait_for_timeout(500)
        body = tab.locator("[data-testid=stMain]")
        assert body.locator("a[href*='evil.test'], img[src*='evil.test'], a[href^='javascript']").count() == 0, view
        assert "owned" not in tab.title()
    tab.get_by_role("radio", name="Read").click()
    expect(tab.locator(".st-key-labels_left .katex, .st-key-labels_right .katex").first).to_be_visible()
    expect(tab.locator("li").get_by_text("two", exact=True)).to_be_visible()
    shown = tab.locator(".st-key-labels_left, .st-key-labels_right").all_inner_texts()
    assert any("print('a < b')" in text for text in shown)
    assert any('<img src="http' in text for text in shown)


def test_a_correction_strength_and_reason_go_with_the_vote_and_not_to_the_next_pair(
    app: App, open_tab: Callable[..., Page]
) -> None:
    project = begin(app.home, "corrected", 3)
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=anna")
    ready(tab)
    question = asked(tab)
    tab.keyboard.press("e")
    box = tab.get_by_role("textbox", name="A better text of the left answer")
    box.fill("The best answer")
    tab.get_by_role("button", name="Right · 2").click()
    expect(tab.get_by_text("You have edited the left answer, and chosen right. Nothing was stored")).to_be_visible()
    expect(box).to_have_value("The best answer")
    tab.keyboard.press("Escape")
    tab.keyboard.press("w")
    tab.wait_for_timeout(150)  # nobody presses two keys within a frame
    tab.keyboard.press("1")
    gone(tab, question)
    vote = votes(app.home, project)[-1]
    assert (vote.edited, vote.strength) == ("The best answer", 2)
    expect(box).to_have_count(0)
    tab.keyboard.press("1")
    expect(tab.get_by_text("2 votes")).to_be_visible()
    after = votes(app.home, project)[-1]
    assert (after.edited, after.strength, after.reason) == (None, None, "")


def test_a_labeller_types_a_name_and_finds_their_own_pair_again(app: App, open_tab: Callable[..., Page]) -> None:
    project = begin(app.home, "named", 4)
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=label")
    tab.get_by_label("Your name").fill("Zoë")
    tab.get_by_role("button", name="Begin", exact=True).click()
    expect(tab.locator(".st-key-labels_prompt")).to_be_visible()
    question = asked(tab)
    again = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=Zoë")
    assert asked(again) == question
    other = open_tab(f"{app.url}/labels?project={project.id}&view=label&labeller=Ben")
    assert asked(other) != question, "a pair that lies before somebody is held for them"


def test_labels_are_frozen_and_lead_to_training_in_two_clicks(app: App, open_tab: Callable[..., Page]) -> None:
    project = begin(app.home, "frozen", 6)
    for _ in range(6):
        shown = desk.look(app.home, project, "anna")[0]
        desk.vote(app.home, shown.showing.token, desk.Given("left"))
    tab = open_tab(f"{app.url}/labels?project={project.id}&view=freeze")
    tab.get_by_role("button", name="Freeze", exact=True).last.click()
    expect(tab.get_by_role("button", name="Train DPO on this")).to_be_visible()
    tab.get_by_role("button", name="Train DPO on this").click()
    expect(tab.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    settle(tab)
    expect(tab.get_by_text("frozen-labels@1").first).to_be_visible()

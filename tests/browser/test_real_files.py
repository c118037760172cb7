"""The road of a newcomer on real public files, where they are there: import, 200 steps of SFT through the page, chat."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine import prepare
from storage import datasets, models, runs
from storage.home import Home
from tests.browser.conftest import App, served

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.exists(), reason="the public files are not beside the project")]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with its engine on a fresh home, the Pocket lab in it."""
    home = Home.resolve(tmp_path_factory.mktemp("fresh"))
    prepare.prepare(home)
    with served(home, engine=True) as app:
        yield app


def bring(app: App, tab: Page, file: str, name: str) -> None:
    """Import a file by its path through the page, keeping what is good."""
    tab.goto(f"{app.url}/datasets")
    tab.get_by_role("radio", name="Bring in a file").click()
    tab.get_by_role("radio", name="From a path").click()
    tab.get_by_label("Path of a file on this machine").fill(str(DATA / file))
    tab.keyboard.press("Enter")
    freeze = tab.get_by_role("button", name=re.compile("^Freeze"))
    freeze.wait_for(timeout=60_000)
    tab.get_by_label("Name of the data set").fill(name)
    tab.keyboard.press("Tab")
    freeze.click()
    expect(tab.get_by_role("heading", name=f"{name}@1")).to_be_visible(timeout=30_000)


@pytest.mark.parametrize(
    ("file", "name", "shape"),
    [
        ("alpaca_seed_tasks.jsonl", "alpaca-seed", "prompt_completion"),
        ("sharegpt_conversations.json", "sharegpt", "messages"),
        ("gsm8k_train.jsonl", "gsm8k", "prompt_completion"),
    ],
)
def test_a_real_file_comes_in_cleanly(fresh: App, open_tab: Callable[..., Page], file: str, name: str, shape: str) -> None:
    bring(fresh, open_tab(fresh.url), file, name)
    made = datasets.find(fresh.home, name)
    assert made is not None and made.shape == shape
    assert not made.problems, made.problems[:3]


def test_pocket_learns_from_gsm8k_through_the_page_and_answers_beside_its_base(fresh: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(fresh.url)
    if datasets.find(fresh.home, "gsm8k") is None:
        bring(fresh, tab, "gsm8k_train.jsonl", "gsm8k")
    tab.goto(f"{fresh.url}/train?model=pocket&data=gsm8k")
    tab.get_by_label("Steps", exact=True).fill("200")
    tab.get_by_label("Name", exact=True).fill("gsm8k-tutor")
    tab.get_by_role("button", name="Launch").click()
    tab.wait_for_url("**/runs?run=*", timeout=60_000)
    chat = tab.get_by_role("button", name="Compare in chat")
    chat.wait_for(timeout=600_000)
    expect(tab.get_by_text("200 of 200")).to_be_visible()
    made = models.find(fresh.home, "gsm8k-tutor")
    assert made is not None and made.run_id is not None
    run = runs.get(fresh.home, made.run_id)
    assert run is not None and run.summary["steps"] == 200
    chat.click()
    tab.get_by_test_id("stChatInputTextArea").fill("Natalia sold 48 clips in April and half as many in May. How many in all?")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("check done")).to_have_count(2, timeout=90_000)
    expect(tab.get_by_text(made.fingerprint[:12])).to_be_visible()

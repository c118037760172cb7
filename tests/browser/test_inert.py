"""Names and words that others wrote stay text: Chromium is asked how many links came of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from storage import db
from storage.home import Home
from tests import filled
from tests.browser.conftest import App, served

NAME = "http://evil.test/a www.evil.test me@evil.test HTTPS://Evil.test mailto:you@evil.test"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """The app on a home whose model is called like addresses."""
    home = Home.resolve(tmp_path / "home")
    db.migrate(home)
    made = filled.model(home, "plain")
    with db.transaction(home) as connection:
        connection.execute("UPDATE model SET name = ?, source = ? WHERE id = ?", (NAME, NAME, made.id))
    with served(home, {"model": made}) as app:
        yield app


def test_an_address_in_a_name_is_no_link(app: App, open_tab: Callable[..., Page]) -> None:
    for path in (f"models?model={app.made['model'].id}", f"chat?models={app.made['model'].id},http://evil.test"):
        tab = open_tab(f"{app.url}/{path}")
        expect(tab.get_by_text("evil.test").first).to_be_visible()
        tab.wait_for_timeout(300)
        assert tab.locator("a[href*=evil i]").all_inner_texts() == [], path

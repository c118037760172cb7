"""The real app on a free port with a home of its own, and a real Chromium that watches what goes wrong in it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from engine.generation import ask
from engine.jobs import processes, supervisor
from engine.launch.setup import system_browser
from storage import db
from storage.home import Home
from tests import filled

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
START = 60.0  # seconds
PATIENCE = 15_000  # milliseconds that anything in a page may take; this machine may be busy
expect.set_options(timeout=PATIENCE)
# Streamlit looks for its own server below the address that was opened, is told 404 there, and then asks at the root
EXPECTED_404 = ("_stcore/health", "_stcore/host-config")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class App:
    """A running app and its home."""

    url: str
    home: Home
    made: dict[str, Any]


@contextmanager
def served(home: Home, made: dict[str, Any] | None = None, engine: bool = False) -> Iterator[App]:
    """The app of ``home`` as `make run` serves it, until the block ends.

    Without ``engine`` this process holds the engine's lock meanwhile: the app finds an engine, and queued runs stay queued.
    """
    with ExitStack() as ends:
        if not engine:
            ends.enter_context(engine_held(home))
        else:
            ends.callback(supervisor.stop, home)
        ends.callback(end_host, home)  # a page may have started it
        yield App(ends.enter_context(_process(home)), home, made or {})


def end_host(home: Home) -> None:
    """End the model host of ``home``, also one that is still on its way up and has not told its address yet."""
    ask.shutdown(home)
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "engine.generation.host" in command and str(home.root) in command:
            process.kill()


@contextmanager
def engine_held(home: Home) -> Iterator[None]:
    """This process stands where the engine of ``home`` would."""
    lock = processes.hold(home.root / "engine.lock")
    assert lock is not None
    processes.write_identity(home.root / "engine.json", os.getpid())
    yield
    lock.close()


@contextmanager
def _process(home: Home) -> Iterator[str]:
    """The address of a process that serves ``home``."""
    command = [sys.executable, "-m", "pages.parts.serve", "--port", str(_free_port())]
    log = home.logs / "app.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"TEMPER_HOME": str(home.root)}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield _address(home, process, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(home: Home, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return f"http://127.0.0.1:{json.loads((home.root / 'app.json').read_text())['port']}"
        except (FileNotFoundError, ValueError):
            time.sleep(0.1)  # it is on its way
    pytest.fail(f"The app did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def empty_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home that nobody has used."""
    home = Home.resolve(tmp_path_factory.mktemp("empty"))
    db.migrate(home)
    with served(home) as app:
        yield app


@pytest.fixture(scope="module")
def full_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with one of everything."""
    with filled_app(tmp_path_factory.mktemp("full")) as app:
        yield app


@contextmanager
def filled_app(folder: Path) -> Iterator[App]:
    """The app on a home in ``folder`` with one of everything."""
    home = Home.resolve(folder)
    made = filled.fill(home)
    with made["lock"], served(home, made) as app:
        yield app


def chromium(playwright: Playwright) -> str:
    """The system's Chromium, else the one that Playwright downloaded; without one the tests fail, they are never skipped."""
    found = system_browser() or playwright.chromium.executable_path
    if not Path(found).exists():
        pytest.fail("There is no Chromium. Install the package chromium, or run `playwright install chromium`.")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(playwright), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> dict[tuple[int, int, str], BrowserContext]:
    """One browser context for each size and theme: its cache spares every further tab the app's scripts."""
    return {}


@pytest.fixture
def open_tab(browser: Browser, contexts: dict[tuple[int, int, str], BrowserContext]) -> Iterator[Callable[..., Page]]:
    """Opens tabs; at the end, no tab may have seen an error in its console or asked another host for anything."""
    tabs: list[Page] = []
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location.get("url", "").endswith(EXPECTED_404):
            wrong.append(f"console: {message.text} {message.location}")

    def asked(request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme not in ("data", "blob") and where.hostname != "127.0.0.1":
            wrong.append(f"asked another host: {request.url}")

    def opened(url: str, *, width: int = 1400, height: int = 900, theme: Any = "light") -> Page:
        looks = (width, height, theme)
        if looks not in contexts:
            contexts[looks] = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        tab = contexts[looks].new_page()
        tabs.append(tab)
        tab.set_default_timeout(PATIENCE)
        tab.on("console", heard)
        tab.on("pageerror", lambda problem: wrong.append(f"page: {problem}"))
        tab.on("request", asked)
        tab.goto(url)
        settle(tab)
        return tab

    yield opened
    for tab in tabs:
        tab.close()
    assert not wrong, "\n".join(wrong)


def settle(tab: Page) -> None:
    """Wait until the page's script has run to its end."""
    tab.locator("h1").first.wait_for()
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def visit(tab: Page, page: str) -> None:
    """Go to another page by its link, and wait until that page, not the one left, has drawn itself."""
    tab.get_by_role("link", name=page, exact=True).first.click()
    expect(tab).to_have_url(re.compile(rf"/{'' if page == 'Home' else page.lower()}(\?.*)?$"))
    settle(tab)


def still(what: Locator) -> None:
    """Wait until ``what`` no longer moves: an expander opens by growing, and what stands in it and below it moves meanwhile."""
    deadline = time.monotonic() + PATIENCE / 1000
    before = None
    while (now := what.bounding_box()) != before:
        assert time.monotonic() < deadline, f"It moves still: {before} to {now}"
        before = now
        what.page.wait_for_timeout(250)

"""The real app over a home, and a real Chromium with one of its pages open: what a person who watches costs."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.launch.setup import system_browser
from storage.home import Home

START = 60.0  # seconds


def start(home: Home) -> subprocess.Popen[bytes]:
    """The app over this home, as ``make run`` serves it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (home.root / "app.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pages.parts.serve", "--port", str(port)]
    with (home.logs / "app.log").open("ab") as log:
        return subprocess.Popen(
            command, env={**os.environ, "TEMPER_HOME": str(home.root)}, stdout=log, stderr=log,
            cwd=Path(__file__).resolve().parents[1], start_new_session=True,
        )  # fmt: skip


def address(home: Home) -> str:
    """Where the app answers; it may be on its way up."""
    place, deadline = home.root / "app.json", time.monotonic() + START
    while not place.exists():
        assert time.monotonic() < deadline, "The app did not start."
        time.sleep(0.1)
    return f"http://127.0.0.1:{json.loads(place.read_text())['port']}"


@contextmanager
def watching(home: Home) -> Iterator[Any]:
    """A tab of a real Chromium on the app of this home."""
    from playwright.sync_api import sync_playwright

    app = start(home)
    try:
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=system_browser(), args=flags)
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            tab.goto(address(home))
            tab.locator("h1").first.wait_for(timeout=START * 1000)
            yield tab
            browser.close()
    finally:
        app.terminate()
        app.wait(30)

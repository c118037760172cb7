"""The policy under which the app is served, in a real Chromium: everything we draw with works, nothing foreign is loaded."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from storage.home import Home

ROOT = Path(__file__).resolve().parents[2]
SERVE = (
    "import pathlib, sys; from engine.launch import start; from pages.parts import serve; from storage.home import Home; "
    "serve.serve(Home.resolve(), start.listen(8800), pathlib.Path(sys.argv[1]))"
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the trial page, served as the app is."""
    home = Home.resolve(tmp_path_factory.mktemp("trial"))
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(Path(__file__).with_name("trial_page.py"))],
        cwd=ROOT, env=os.environ | {"TEMPER_HOME": str(home.root)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "http://" in line:
            yield line.split()[-1]
            break
    process.terminate()
    process.communicate(timeout=20)


def test_everything_we_draw_with_works_and_nothing_foreign_is_loaded(trial: str, browser: Browser, tmp_path: Path) -> None:
    refused: list[str] = []
    wrong: list[str] = []
    tab = browser.new_page()
    tab.add_init_script(
        "window.blocked = []; document.addEventListener('securitypolicyviolation', e => window.blocked.push(e.blockedURI))"
    )
    tab.on("requestfailed", lambda request: refused.append(f"{request.url} {request.failure}"))
    tab.on("pageerror", lambda problem: wrong.append(str(problem)))
    tab.goto(trial)
    tab.get_by_text("the component ran").wait_for()
    tab.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    tab.locator("[data-testid*=Chart] canvas, [data-testid*=Chart] svg, [data-testid*=chart] canvas").first.wait_for()

    tab.locator("input[type=file]").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"12345"})
    tab.get_by_text("5 bytes came").wait_for()
    with tab.expect_download() as taken:
        tab.get_by_text("Take it").click()
    taken.value.save_as(tmp_path / "taken.txt")
    assert (tmp_path / "taken.txt").read_text() == "taken"
    tab.locator("textarea").fill("hello there")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("heard: hello there")).to_be_visible()

    deadline = time.monotonic() + 10
    while len(blocked := set(tab.evaluate("window.blocked"))) < 2 and time.monotonic() < deadline:
        tab.wait_for_timeout(100)
    # the two pictures that a model wrote, and nothing of our own
    assert blocked == {"http://example.invalid/markdown.png", "http://example.invalid/cell.png"}
    assert {line.split()[-1] for line in refused if "example.invalid" in line} == {"csp"}
    assert not wrong
    tab.close()


def test_another_sites_page_can_neither_frame_the_app_nor_read_it(trial: str, browser: Browser) -> None:
    tab = browser.new_page()
    tab.goto(f"{trial}/favicon.png")  # a page that is not the app's, at a name of this machine
    other = trial.replace("127.0.0.1", "localhost")
    framed = tab.evaluate(
        """address => new Promise(done => {
            const frame = document.createElement('iframe'); frame.src = address;
            frame.onload = () => { try { done(frame.contentDocument === null ? 'closed' : 'open') } catch { done('closed') } };
            document.body.append(frame); setTimeout(() => done('never loaded'), 5000) })""",
        other,
    )
    read = tab.evaluate("address => fetch(address + '/_stcore/health').then(r => r.text()).catch(() => 'refused')", other)
    talked = tab.evaluate(
        """address => new Promise(done => { const line = new WebSocket(address.replace('http', 'ws') + '/_stcore/stream', ['streamlit']);
            line.onopen = () => done('open'); line.onerror = () => done('refused') })""",
        other,
    )
    assert framed != "open" and read == talked == "refused"
    tab.close()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Host": "localhost:9000"}, 200),
        ({"Host": "[::1]:9000"}, 200),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "127.0.0.1.rebound.example"}, 403),
        ({"Host": "127.0.0.1@rebound.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://rebound.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=str,
)
def test_requests_pass_by_their_host_and_origin(trial: str, headers: dict[str, str], code: int) -> None:
    answer = httpx.get(f"{trial}/_stcore/health", headers=headers)
    assert answer.status_code == code
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_our_own_origin_may_write_and_another_may_not(trial: str) -> None:
    assert httpx.put(f"{trial}/_stcore/upload_file/a/b", headers={"Origin": trial}).status_code != 200
    answer = httpx.put(f"{trial}/_stcore/upload_file/a/b", headers={"Origin": "http://rebound.example"})
    assert (answer.status_code, answer.text) == (403, "Another site's page may not use Temper.")

"""Datasets in a real browser: a file through the browser's own upload, and a million rows that are never loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
from playwright.sync_api import Page, expect

from storage import datasets, files
from tests.browser.conftest import App


def test_a_file_is_uploaded_looked_at_and_frozen(empty_app: App, open_tab: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "capitals.csv"
    path.write_text("question,answer\nCapital of France?,Paris\nCapital of Norway?,Oslo\nCapital of nowhere?,\n")
    tab = open_tab(f"{empty_app.url}/datasets")
    tab.locator("input[type=file]").set_input_files(path)
    expect(tab.get_by_text("What is in the file")).to_be_visible()
    expect(tab.get_by_text("Capital of France?")).to_be_visible()
    expect(tab.get_by_text("1 row with a problem")).to_be_visible()
    tab.get_by_role("button", name="Freeze 2 rows").click()
    expect(tab.get_by_role("heading", name="capitals@1")).to_be_visible()
    frozen = datasets.find(empty_app.home, "capitals")
    assert frozen is not None and frozen.rows == 2


def test_a_path_and_a_name_are_enough_without_a_mouse(empty_app: App, open_tab: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "poems.jsonl"
    path.write_text("".join(json.dumps({"text": f"Rose number {i}"}) + "\n" for i in range(30)))
    tab = open_tab(f"{empty_app.url}/datasets")
    tab.get_by_role("radio", name="Bring in a file").click()
    tab.get_by_role("radio", name="From a path").click()
    tab.get_by_label("Path of a file on this machine").fill(str(path))
    tab.keyboard.press("Enter")
    freeze = tab.get_by_role("button", name="Freeze 30 rows")
    freeze.wait_for()
    freeze.focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="poems@1")).to_be_visible()


def test_a_million_rows_are_read_a_page_at_a_time(full_app: App, open_tab: Callable[..., Page]) -> None:
    home = full_app.home
    beside = home.datasets / "million"
    pl.select(text=pl.format("row number {}", pl.int_range(1_000_000))).write_parquet(beside)
    sha = files.sha256(beside)
    beside.rename(datasets.path(home, sha))
    size = datasets.path(home, sha).stat().st_size
    made = datasets.insert(home, name="million", shape="text", rows=1_000_000, sha256=sha, size=size, steps=[], problems=[])
    tab = open_tab(f"{full_app.url}/datasets?dataset={made.id}")
    expect(tab.get_by_text("row number 0", exact=True)).to_be_visible()
    tab.get_by_role("button", name="200000").click()
    expect(tab.get_by_text("row number 999999", exact=True)).to_be_visible()
    tab.get_by_role("radio", name="As a table").click()
    expect(tab.locator("[data-testid=stDataFrame]").nth(1)).to_be_visible()


def test_the_rows_leave_as_a_file_that_reads_back(full_app: App, open_tab: Callable[..., Page]) -> None:
    tone = full_app.made["data"]["preference"]
    tab = open_tab(f"{full_app.url}/datasets?dataset={tone.id}")
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Export as jsonl").click()
    rows = [json.loads(line) for line in Path(waiting.value.path()).read_text().splitlines()]
    assert len(rows) == 30 and set(rows[0]) == {"prompt", "chosen", "rejected"}
    assert waiting.value.suggested_filename == "tone-1.jsonl"


def test_a_reload_shows_the_same_version(full_app: App, open_tab: Callable[..., Page]) -> None:
    tab = open_tab(f"{full_app.url}/datasets")
    handbook = full_app.made["data"]["text"]
    tab.goto(f"{full_app.url}/datasets?dataset={handbook.id}")
    expect(tab.get_by_role("heading", name="handbook@1")).to_be_visible()
    tab.reload()
    expect(tab.get_by_role("heading", name="handbook@1")).to_be_visible()

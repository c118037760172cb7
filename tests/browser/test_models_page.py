"""Models in a real browser: deleting, cleaning up, downloading."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from storage import events, models, runs
from tests import filled
from tests.browser.conftest import App, settle


def test_a_model_goes_after_what_goes_with_it_was_said(full_app: App, open_tab: Callable[..., Page]) -> None:
    spare = filled.model(full_app.home, "spare")
    tab = open_tab(f"{full_app.url}/models?model={spare.id}")
    tab.get_by_role("button", name="Delete").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("leaves the registry, with 0 scores")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert models.get(full_app.home, spare.id) is not None
    tab.get_by_role("button", name="Delete").click()
    tab.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(tab.get_by_text("spare is deleted")).to_be_visible()
    assert models.get(full_app.home, spare.id) is None
    assert not Path(spare.path).exists()


def test_checkpoints_are_removed_for_the_runs_that_were_chosen(full_app: App, open_tab: Callable[..., Page]) -> None:
    done = full_app.made["done"]
    others = [c for c in events.checkpoints(full_app.home) if c.run_id != done]
    tab = open_tab(f"{full_app.url}/models")
    tab.get_by_role("radio", name="Disk").click()
    grid = tab.locator("[data-testid=stDataFrame]")
    expect(tab.get_by_text("Disk free")).to_be_visible()
    expect(grid).to_have_count(1)
    tab.wait_for_timeout(800)
    grid.click(position={"x": 15, "y": 50})  # the box before the first row; the table is a canvas
    tab.get_by_role("button", name="Free 40.0 kB").click()
    tab.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(tab.get_by_text("The space is free")).to_be_visible()
    assert [c.step for c in events.checkpoints(full_app.home, done)] == [80]
    assert [c for c in events.checkpoints(full_app.home) if c.run_id != done] == others


def test_an_adapter_leaves_as_a_zip_with_its_weights(full_app: App, open_tab: Callable[..., Page]) -> None:
    tuned = full_app.made["tuned"]
    tab = open_tab(f"{full_app.url}/models?model={tuned.id}")
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Zip").click()
    with zipfile.ZipFile(waiting.value.path()) as packed:
        assert "adapter_model.safetensors" in packed.namelist()


def test_a_merged_folder_is_queued_with_the_place_that_was_typed(
    full_app: App, open_tab: Callable[..., Page], tmp_path: Path
) -> None:
    tuned = full_app.made["tuned"]
    tab = open_tab(f"{full_app.url}/models?model={tuned.id}")
    tab.get_by_role("radio", name="Merged into its base").click()
    where = tab.get_by_label("Folder on this machine")
    expect(where).to_have_value(f"{full_app.home.root}/exports/support-sft-merged")
    where.fill(str(tmp_path / "out"))
    tab.keyboard.press("Enter")
    settle(tab)
    tab.get_by_role("button", name="Write folder").click()
    expect(tab.get_by_text("writes the folder")).to_be_visible()
    made = runs.page(full_app.home, 1)[0]
    assert (made.kind, made.request["merged"], made.request["folder"]) == ("export", True, str(tmp_path / "out"))


def test_back_leads_to_the_model_that_was_looked_at_before(full_app: App, open_tab: Callable[..., Page]) -> None:
    seen = [str(each.id) for each in models.all(full_app.home)]
    tab = open_tab(f"{full_app.url}/models?model={seen[0]}")
    grid = tab.locator("[data-testid=stDataFrame]").first
    grid.locator("canvas").first.wait_for()
    for row in (1, 0):
        grid.click(position={"x": 15, "y": 50 + 35 * row})
        expect(tab).to_have_url(re.compile(f"model={seen[row]}$"))
        settle(tab)
    for row in (1, 0):
        tab.go_back()
        expect(tab).to_have_url(re.compile(f"model={seen[row]}$"))
        settle(tab)
        expect(tab.get_by_role("heading", name=models.all(full_app.home)[row].name, exact=True)).to_be_visible()

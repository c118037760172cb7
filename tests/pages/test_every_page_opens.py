"""Every page opens, on a home that is not ready, an empty one, a filled one, and one that is damaged."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from storage import datasets
from storage.home import Home
from tests.pages.conftest import APP, PAGES, open_page, words


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_on_an_empty_home(page: str, empty_home: Home) -> None:
    app = open_page(page)
    assert not app.exception
    assert not app.error
    assert app.title


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_on_a_filled_home(page: str, full: dict[str, Any]) -> None:
    app = open_page(page)
    assert not app.exception
    assert not app.error
    assert app.title


def test_a_home_that_the_engine_has_not_made_ready_says_so_and_offers_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "fresh"))
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not app.exception
    assert "is not ready yet" in app.info[0].value
    assert [button.label for button in app.button] == ["Start the engine"]


def test_a_home_of_a_newer_version_is_refused_in_words(empty_home: Home) -> None:
    from storage import db

    with db.transaction(empty_home) as connection:
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('temper', '9999_later', '')")
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not app.exception
    assert "written by a newer version of Temper" in app.error[0].value


def test_damaged_rows_are_said_in_words_and_the_page_stays(full: dict[str, Any]) -> None:
    path = datasets.path(full["home"], full["data"]["messages"].sha256)
    path.write_bytes(path.read_bytes()[:-100])
    app = open_page("datasets", dataset=str(full["data"]["messages"].id))
    assert not app.exception
    assert "no longer as they were frozen" in app.error[0].value.replace("\\", "")
    assert "Datasets" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_that_data_or_models_wrote_reaches_a_page_as_markdown_or_html(page: str, full: dict[str, Any]) -> None:
    """Every Markdown element that shows the hostile text shows it escaped; text and code elements need no escape."""
    app = open_page(page, dataset=str(full["data"]["prompt_completion"].id), run=str(full["live"]))
    for element in (*app.markdown, *app.caption, *app.subheader, *app.error, *app.warning, *app.info, *app.success):
        for live in ("<img", "![x](", "[click](javascript", ":red[red]"):
            assert live not in str(element.value), element

"""Homes for the pages, and the app run in this process by Streamlit's own AppTest."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.generation import ask
from engine.jobs import processes
from storage import db
from storage.home import Home
from tests import filled

APP = Path(__file__).parents[2] / "app.py"
PAGES = ("home", "rubric", "bakeoff", "datasets", "labels", "knowledge", "train", "runs", "chat", "deployments", "models")


@pytest.fixture(autouse=True)
def no_page_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test looks at, a page that ends in an exception fails it: what stands above the fault would look right."""
    run = AppTest._run  # pyright: ignore[reportPrivateUsage]

    def whole(app: AppTest, *args: Any, **kwargs: Any) -> AppTest:
        found = run(app, *args, **kwargs)
        assert not found.exception, "\n".join(str(each.value) for each in found.exception)
        return found

    monkeypatch.setattr(AppTest, "_run", whole)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home that the engine has made ready and nobody has used."""
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    home = Home.resolve()
    db.migrate(home)
    yield home
    ask.shutdown(home)  # a page may have started the model host


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A home with one of everything, hostile text among it."""
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    home = Home.resolve()
    made = filled.fill(home)
    yield {"home": home, **made}
    ask.shutdown(home)
    made["lock"].close()


@pytest.fixture
def engine_there(full: dict[str, Any]) -> Iterator[None]:
    """This process holds the engine's lock, so that a launch finds an engine and starts none; queued runs stay queued."""
    lock = processes.hold(full["home"].root / "engine.lock")
    assert lock is not None
    processes.write_identity(full["home"].root / "engine.json", os.getpid())
    yield
    lock.close()


def open_page(name: str, **query: str) -> AppTest:
    """The app with the page ``name`` open, as it stands after one run."""
    app = AppTest.from_file(str(APP), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    if name != "home":
        app.switch_page(f"pages/{name}/page.py").run()
    return app


def words(app: AppTest) -> str:
    """Everything that the page says, as one text."""
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.text,
        app.error,
        app.info,
        app.warning,
        app.success,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)

"""What every test has: no network of model hubs, no telemetry, and a home of its own when it asks for one."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

# before anything is imported that reads them; the processes that tests start inherit them
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRL_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}
os.environ.pop("TEMPER_HOME", None)

from engine import prepare
from storage import db
from storage.home import Home


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the Pocket lab in it, made once; tests take a copy of it."""
    made = Home.resolve(tmp_path_factory.mktemp("prepared") / "home")
    prepare.prepare(made)
    return made


@pytest.fixture(autouse=True)
def closed_readers() -> Iterator[None]:
    """What a test has read stays open no longer than it: there are more homes here than a process may have files."""
    yield
    db.close_readers()


@pytest.fixture
def pocket(prepared: Home, tmp_path: Path) -> Home:
    """A home of its own with the Pocket lab in it."""
    shutil.copytree(prepared.root, tmp_path / "home")
    return Home.resolve(tmp_path / "home")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home whose tables are there."""
    made = Home.resolve(tmp_path / "home")
    db.migrate(made)
    return made

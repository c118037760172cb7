"""What every test has: no network of model hubs, no telemetry, and a home of its own when it asks for one."""

import os
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

from storage import db
from storage.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home whose tables are there."""
    made = Home.resolve(tmp_path / "home")
    db.migrate(made)
    return made

"""Keys and tokens, each in a file of the home that only its owner can read, apart from the database."""

import os

from storage import files
from storage.home import Home

HUB, HUB_VARIABLE = "hub-token", "HF_TOKEN"
JUDGE, JUDGE_VARIABLE = "judge-key", "TEMPER_JUDGE_KEY"


def save(home: Home, name: str, key: str) -> None:
    """Keep a key under this name; an empty one removes what is there."""
    path = home.root / name
    if not key.strip():
        path.unlink(missing_ok=True)
        return
    with files.writing(path) as beside:
        os.chmod(beside, 0o600)
        beside.write_text(key.strip(), encoding="utf-8")


def read(home: Home, name: str, variable: str) -> str | None:
    """The key of this name, else what the environment's ``variable`` holds."""
    path = home.root / name
    return path.read_text(encoding="utf-8") if path.exists() else os.environ.get(variable)

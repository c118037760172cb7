"""A home of its own for each test, and ways to write files as people have them."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.data import drafting
from engine.data.shapes import restored
from storage import db
from storage.home import Home

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home that is ready to be written to."""
    made = Home.resolve(tmp_path / "home")
    db.migrate(made)
    return made


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows, or lines of text, one a line."""

    def write(*rows: Any, name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text(
            "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows),
            encoding="utf-8",
        )
        return path

    return write


@dataclass(frozen=True)
class Drafted:
    """What drafting made of a file, the rows as they were written."""

    shape: str
    source_format: str
    rows: int
    good: int
    left_out: list[str]
    sha256: str
    problems: dict[int, str]
    kept: list[dict[str, Any]]


@pytest.fixture
def drafted(tmp_path: Path) -> Callable[..., Drafted]:
    """Drafts a file as the child process does, but in this process, which is quicker."""

    def draft(path: Path, shape: str | None = None) -> Drafted:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        found = drafting.draft(path, folder, shape, lambda seen: None)
        told = [json.loads(line) for line in (folder / drafting.PROBLEMS).read_text().splitlines()]
        rows = pl.read_parquet(folder / drafting.ROWS).to_dicts() if found["good"] else []
        return Drafted(
            **found, problems={p["row"]: p["message"] for p in told}, kept=[restored(row, found["shape"]) for row in rows]
        )

    return draft


@pytest.fixture
def shared() -> Path:
    """The folder of real files that are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the real files are not here ({SHARED})")
    return SHARED

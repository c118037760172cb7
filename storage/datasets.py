"""Frozen versions of data sets: a Parquet file named by its hash, and a row."""

import json
from pathlib import Path
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Dataset

INSERT = """
INSERT INTO dataset (name, version, shape, rows, sha256, parent_id, steps, problems, bytes, created_at)
VALUES (:name, (SELECT COALESCE(MAX(version), 0) + 1 FROM dataset WHERE name = :name), :shape, :rows, :sha256,
        :parent_id, :steps, :problems, :bytes, :created_at)
RETURNING *
"""
LATEST = "SELECT * FROM dataset WHERE name = ? ORDER BY version DESC LIMIT 1"
SAME = "SELECT * FROM dataset WHERE name = ? AND sha256 = ? AND shape = ? ORDER BY version DESC LIMIT 1"


def _record(row: Any) -> Dataset:
    values = dict(row)
    return Dataset(**{**values, "steps": json.loads(values["steps"]), "problems": json.loads(values["problems"])})


def path(home: Home, sha256: str) -> Path:
    """Where the rows with this hash lie."""
    return home.datasets / f"{sha256}.parquet"


def insert(
    home: Home,
    *,
    name: str,
    shape: str,
    rows: int,
    sha256: str,
    size: int,
    parent_id: int | None = None,
    steps: list[dict[str, Any]],
    problems: list[dict[str, Any]],
) -> Dataset:
    """Add the next version of ``name``; the same rows in the same shape as the latest version give that version back."""
    with db.transaction(home) as connection:
        same = connection.execute(SAME, (name, sha256, shape)).fetchone()
        if same is not None:
            return _record(same)
        values = {
            "name": name,
            "shape": shape,
            "rows": rows,
            "sha256": sha256,
            "parent_id": parent_id,
            "steps": db.pack(steps),
            "problems": db.pack(problems),
            "bytes": size,
            "created_at": db.now(),
        }
        return _record(connection.execute(INSERT, values).fetchone())


def get(home: Home, dataset_id: int) -> Dataset | None:
    found = db.row(home, "SELECT * FROM dataset WHERE id = ?", dataset_id)
    return _record(found) if found else None


def find(home: Home, reference: str) -> Dataset | None:
    """By ``name`` (its latest version), ``name@version`` or ``#id``."""
    if reference.startswith("#") and (number := db.number(reference[1:])) is not None:
        return get(home, number)
    name, _, version = reference.rpartition("@")
    if name and (number := db.number(version)) is not None:
        found = db.row(home, "SELECT * FROM dataset WHERE name = ? AND version = ?", name, number)
    else:
        found = db.row(home, LATEST, reference)
    return _record(found) if found else None


def all(home: Home) -> list[Dataset]:
    """Every version, newest first."""
    return [_record(r) for r in db.rows(home, "SELECT * FROM dataset ORDER BY id DESC")]

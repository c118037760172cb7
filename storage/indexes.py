"""Indexes of documents: one row each, with its newest version. What can be searched lies in a file of its own (passages.py)."""

import json
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Index

INSERT = """
INSERT INTO document_index (name, settings, version, documents, passages, sha256, created_at, changed_at)
VALUES (?, ?, 0, 0, 0, '', ?, ?) RETURNING *
"""
# an older version never takes the place of a newer one
PUBLISH = """
UPDATE document_index SET version = ?, documents = ?, passages = ?, sha256 = ?, changed_at = ?
WHERE id = ? AND version < ?
"""


def _record(row: Any) -> Index:
    return Index(**{**dict(row), "settings": json.loads(row["settings"])})


def insert(home: Home, name: str, settings: dict[str, Any]) -> Index | None:
    """Add an index that holds nothing yet; None where there is one of that name."""
    with db.transaction(home) as connection:
        if connection.execute("SELECT 1 FROM document_index WHERE name = ?", (name,)).fetchone():
            return None
        moment = db.now()
        return _record(connection.execute(INSERT, (name, db.pack(settings), moment, moment)).fetchone())


def publish(home: Home, index_id: int, version: int, documents: int, passages: int, sha256: str) -> Index:
    """Make a version that lies whole in the index's file the newest one; nothing changes where it is that already."""
    with db.transaction(home) as connection:
        connection.execute(PUBLISH, (version, documents, passages, sha256, db.now(), index_id, version))
        return _record(connection.execute("SELECT * FROM document_index WHERE id = ?", (index_id,)).fetchone())


def find(home: Home, reference: str) -> Index | None:
    """By name or ``#id``."""
    if reference.startswith("#") and (number := db.number(reference[1:])) is not None:
        found = db.row(home, "SELECT * FROM document_index WHERE id = ?", number)
    else:
        found = db.row(home, "SELECT * FROM document_index WHERE name = ?", reference)
    return _record(found) if found else None


def all(home: Home) -> list[Index]:
    """Every index, newest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM document_index ORDER BY id DESC")]


def delete(home: Home, index_id: int) -> bool:
    """Take an index away; False, and nothing done, where a deployment rests on it."""
    with db.transaction(home) as connection:
        if connection.execute("SELECT 1 FROM deployment WHERE index_id = ?", (index_id,)).fetchone():
            return False
        connection.execute("DELETE FROM document_index WHERE id = ?", (index_id,))
        return True

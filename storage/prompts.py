"""Prompt versions: each frozen, named by the hash of its body, with the version that it follows."""

import json
from typing import Any

from storage import db
from storage.home import Home
from storage.records import PromptVersion

INSERT = """
INSERT INTO prompt_version (name, version, parent_id, sha256, note, created_at, body)
VALUES (:name, (SELECT COALESCE(MAX(version), 0) + 1 FROM prompt_version WHERE name = :name),
        (SELECT id FROM prompt_version WHERE name = :name ORDER BY version DESC LIMIT 1),
        :sha256, :note, :created_at, :body)
RETURNING *
"""
LATEST = "SELECT * FROM prompt_version WHERE name = ? ORDER BY version DESC LIMIT 1"
SAME = "SELECT * FROM prompt_version WHERE name = ? AND sha256 = ? ORDER BY version DESC LIMIT 1"


def _record(row: Any) -> PromptVersion:
    values = dict(row)
    return PromptVersion(**{**values, "body": json.loads(values["body"])})


def insert(home: Home, *, name: str, sha256: str, note: str, body: dict[str, Any]) -> PromptVersion:
    """Add the next version of ``name``; a body that is there under that name gives its version back."""
    with db.transaction(home) as connection:
        same = connection.execute(SAME, (name, sha256)).fetchone()
        if same is not None:
            return _record(same)
        values = {"name": name, "sha256": sha256, "note": note, "created_at": db.now(), "body": db.pack(body)}
        return _record(connection.execute(INSERT, values).fetchone())


def get(home: Home, prompt_id: int) -> PromptVersion | None:
    found = db.row(home, "SELECT * FROM prompt_version WHERE id = ?", prompt_id)
    return _record(found) if found else None


def find(home: Home, reference: str) -> PromptVersion | None:
    """By ``name`` (its latest version), ``name@version`` or ``#id``."""
    if reference.startswith("#") and (number := db.number(reference[1:])) is not None:
        return get(home, number)
    name, _, version = reference.rpartition("@")
    if name and (number := db.number(version)) is not None:
        found = db.row(home, "SELECT * FROM prompt_version WHERE name = ? AND version = ?", name, number)
    else:
        found = db.row(home, LATEST, reference)
    return _record(found) if found else None


def all(home: Home) -> list[PromptVersion]:
    """Every version, newest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM prompt_version ORDER BY id DESC")]

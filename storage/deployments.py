"""Deployments: a model with what stands around it, frozen under a name and a version."""

import json
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Deployment

COLUMNS = ("name", "version", "model_id", "prompt_id", "index_id", "index_version", "fingerprint", "token", "created_at", "body")
INSERT = f"INSERT INTO deployment ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + c for c in COLUMNS)}) RETURNING *"
NEWEST = "SELECT * FROM deployment WHERE name = ? ORDER BY version DESC LIMIT 1"
RESTING = """
SELECT * FROM deployment WHERE model_id = :model OR index_id = :index OR prompt_id = :prompt ORDER BY id
"""


def _record(row: Any) -> Deployment:
    values = dict(row)
    values.pop("token")
    return Deployment(**{**values, "body": json.loads(values["body"])})


def insert(
    home: Home, *, name: str, body: dict[str, Any], fingerprint: str, token: str | None, **parts: int | None
) -> Deployment:
    """Store the next version of ``name``. What is frozen already is given back and not stored twice, and so is what the same token
    made before."""
    with db.transaction(home) as connection:
        if token is not None and (made := connection.execute("SELECT * FROM deployment WHERE token = ?", (token,)).fetchone()):
            return _record(made)
        newest = connection.execute(NEWEST, (name,)).fetchone()
        if newest is not None and newest["fingerprint"] == fingerprint:
            return _record(newest)
        values = {
            **parts, "name": name, "version": newest["version"] + 1 if newest else 1, "fingerprint": fingerprint,
            "token": token, "created_at": db.now(), "body": db.pack(body),
        }  # fmt: skip
        return _record(connection.execute(INSERT, values).fetchone())


def get(home: Home, deployment_id: int) -> Deployment | None:
    found = db.row(home, "SELECT * FROM deployment WHERE id = ?", deployment_id)
    return _record(found) if found else None


def find(home: Home, reference: str) -> Deployment | None:
    """By name, of which the newest version is meant, or ``name@version``."""
    name, at, version = reference.rpartition("@")
    if at and (number := db.number(version)) is not None:
        found = db.row(home, "SELECT * FROM deployment WHERE name = ? AND version = ?", name, number)
    else:
        found = db.row(home, NEWEST, reference)
    return _record(found) if found else None


def all(home: Home) -> list[Deployment]:
    """Every version of every deployment, newest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM deployment ORDER BY id DESC")]


def resting(home: Home, *, model: int = 0, index: int = 0, prompt: int = 0) -> list[Deployment]:
    """Deployments that need this model, index or prompt version."""
    values = {"model": model, "index": index, "prompt": prompt}
    return [_record(row) for row in db.reader(home).execute(RESTING, values).fetchall()]


def delete(home: Home, deployment_id: int) -> None:
    """Take one version away, with what was measured of it."""
    with db.transaction(home) as connection:
        measured = "SELECT id FROM evaluation WHERE deployment_id = ?"
        connection.execute(f"DELETE FROM evaluation_item WHERE evaluation_id IN ({measured})", (deployment_id,))
        connection.execute("DELETE FROM evaluation WHERE deployment_id = ?", (deployment_id,))
        connection.execute("DELETE FROM deployment WHERE id = ?", (deployment_id,))

"""The registry of weights: base models, adapters and full fine-tunes, each with its lineage."""

from typing import Any

from storage import db
from storage.home import Home
from storage.records import Model

COLUMNS = (
    "name", "kind", "path", "base_id", "run_id", "fingerprint", "parameters", "bytes", "dtype", "context", "license",
    "template", "source", "created_at", "task",
)  # fmt: skip
INSERT = f"INSERT INTO model ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + c for c in COLUMNS)}) RETURNING *"
DEPENDENTS = "SELECT * FROM model WHERE base_id = ? ORDER BY id"


def insert(home: Home, **values: Any) -> Model:
    """Register weights. The name is made unique by a number where it is taken."""
    with db.transaction(home) as connection:
        taken = {r["name"] for r in connection.execute("SELECT name FROM model")}
        name, n = values["name"], 2
        while name in taken:
            name, n = f"{values['name']}-{n}", n + 1
        row = connection.execute(INSERT, {"task": "language", **values, "name": name, "created_at": db.now()}).fetchone()
        return Model(**dict(row))


def of_run(home: Home, run_id: int) -> Model | None:
    """The model that a run left, if it left one."""
    found = db.row(home, "SELECT * FROM model WHERE run_id = ?", run_id)
    return Model(**dict(found)) if found else None


def get(home: Home, model_id: int) -> Model | None:
    found = db.row(home, "SELECT * FROM model WHERE id = ?", model_id)
    return Model(**dict(found)) if found else None


def find(home: Home, reference: str) -> Model | None:
    """By name or ``#id``."""
    if reference.startswith("#") and (number := db.number(reference[1:])) is not None:
        return get(home, number)
    found = db.row(home, "SELECT * FROM model WHERE name = ?", reference)
    return Model(**dict(found)) if found else None


def all(home: Home, task: str | None = None) -> list[Model]:
    """Every model, or those for one task, newest first."""
    found = db.rows(home, "SELECT * FROM model WHERE ? IN (task, '') ORDER BY id DESC", task or "")
    return [Model(**dict(r)) for r in found]


def dependents(home: Home, model_id: int) -> list[Model]:
    """Models that were tuned from this one."""
    return [Model(**dict(r)) for r in db.rows(home, DEPENDENTS, model_id)]


def delete(home: Home, model_id: int) -> None:
    """Take a model out of the registry, with its evaluations. Fails where another model rests on it."""
    with db.transaction(home) as connection:
        connection.execute(
            "DELETE FROM evaluation_item WHERE evaluation_id IN (SELECT id FROM evaluation WHERE model_id = ?)", (model_id,)
        )
        connection.execute("DELETE FROM evaluation WHERE model_id = ?", (model_id,))
        connection.execute("DELETE FROM model WHERE id = ?", (model_id,))

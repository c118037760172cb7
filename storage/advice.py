"""Advice that was given, with the answers it rests on, and the runs that were begun on it."""

import json
from collections.abc import Mapping
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Advice, Run
from storage.runs import record

INSERT = """
INSERT INTO advice (token, rubric, created_at, answers, body) VALUES (:token, :rubric, :now, :answers, :body) RETURNING *
"""
HANG = "INSERT INTO advice_run (advice_id, run_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
RUNS = """
SELECT run.* FROM run JOIN advice_run ON advice_run.run_id = run.id WHERE advice_run.advice_id = ? ORDER BY run.id DESC
"""


def _record(row: Any) -> Advice:
    values = dict(row)
    values.pop("token")
    return Advice(**{**values, "answers": json.loads(values["answers"]), "body": json.loads(values["body"])})


def insert(home: Home, *, rubric: str, answers: Mapping[str, Any], body: Mapping[str, Any], token: str | None) -> Advice:
    """Store an advice; the same token twice gives the first one back."""
    with db.transaction(home) as connection:
        if token is not None:
            found = connection.execute("SELECT * FROM advice WHERE token = ?", (token,)).fetchone()
            if found is not None:
                return _record(found)
        values = {
            "token": token,
            "rubric": rubric,
            "now": db.now(),
            "answers": db.pack(dict(answers)),
            "body": db.pack(dict(body)),
        }
        return _record(connection.execute(INSERT, values).fetchone())


def get(home: Home, advice_id: int) -> Advice | None:
    found = db.row(home, "SELECT * FROM advice WHERE id = ?", advice_id)
    return _record(found) if found else None


def page(home: Home, limit: int = 50) -> list[Advice]:
    """Advice, the newest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM advice ORDER BY id DESC LIMIT ?", limit)]


def hang(home: Home, advice_id: int, run_id: int) -> None:
    """Keep that a run was begun on an advice; twice is once."""
    with db.transaction(home) as connection:
        connection.execute(HANG, (advice_id, run_id))


def runs_of(home: Home, advice_id: int) -> list[Run]:
    """The runs that were begun on an advice, the newest first."""
    return [record(row) for row in db.rows(home, RUNS, advice_id)]

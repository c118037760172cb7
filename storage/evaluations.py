"""Scores with their intervals, and every item they rest on."""

import json
from collections.abc import Sequence
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Evaluation, Interval

INSERT = """
INSERT INTO evaluation (model_id, dataset_id, run_id, value, low, high, n, settings, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *
"""


def _record(row: Any) -> Evaluation:
    return Evaluation(**{**dict(row), "settings": json.loads(row["settings"])})


def insert(
    home: Home,
    *,
    model_id: int,
    dataset_id: int,
    run_id: int | None,
    score: Interval,
    settings: dict[str, Any],
    items: Sequence[tuple[str, str, float]],
) -> Evaluation:
    """Store a score with its items (prompt, answer, score)."""
    with db.transaction(home) as connection:
        values = (model_id, dataset_id, run_id, score.value, score.low, score.high, score.n, db.pack(settings), db.now())
        row = connection.execute(INSERT, values).fetchone()
        connection.executemany(
            "INSERT INTO evaluation_item VALUES (?, ?, ?, ?, ?)", [(row["id"], i, *item) for i, item in enumerate(items)]
        )
        return _record(row)


def of_model(home: Home, model_id: int) -> list[Evaluation]:
    """A model's scores, newest first."""
    return [_record(r) for r in db.rows(home, "SELECT * FROM evaluation WHERE model_id = ? ORDER BY id DESC", model_id)]


def items(home: Home, evaluation_id: int) -> list[tuple[str, str, float]]:
    """(prompt, answer, score) of each item, in order."""
    found = db.rows(
        home, "SELECT prompt, answer, score FROM evaluation_item WHERE evaluation_id = ? ORDER BY position", evaluation_id
    )
    return [tuple(r) for r in found]

"""Scores with their intervals, and every item they rest on."""

import json
from collections.abc import Sequence
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Evaluation, Interval

INSERT = """
INSERT INTO evaluation (model_id, dataset_id, run_id, value, low, high, n, settings, created_at, deployment_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *
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
    more: Sequence[dict[str, Any]] = (),
    deployment_id: int | None = None,
) -> Evaluation:
    """Store a score with its items (prompt, answer, score) and what ``more`` is known of each; ``deployment_id`` says that the model
    was measured with what a deployment puts around it."""
    with db.transaction(home) as connection:
        values = (
            model_id,
            dataset_id,
            run_id,
            score.value,
            score.low,
            score.high,
            score.n,
            db.pack(settings),
            db.now(),
            deployment_id,
        )
        row = connection.execute(INSERT, values).fetchone()
        told = [db.pack(each) for each in more] or ["{}"] * len(items)
        connection.executemany(
            "INSERT INTO evaluation_item VALUES (?, ?, ?, ?, ?, ?)",
            [(row["id"], i, *item, also) for i, (item, also) in enumerate(zip(items, told, strict=True))],
        )
        return _record(row)


def of_model(home: Home, model_id: int) -> list[Evaluation]:
    """The scores of a model alone, newest first."""
    sql = """
    SELECT * FROM evaluation WHERE model_id = ? AND deployment_id IS NULL AND json_extract(settings, '$.setup') IS NULL
    ORDER BY id DESC
    """
    return [_record(r) for r in db.rows(home, sql, model_id)]


def of_run(home: Home, run_id: int) -> list[Evaluation]:
    """What a run has measured, in its order."""
    return [_record(r) for r in db.rows(home, "SELECT * FROM evaluation WHERE run_id = ? ORDER BY id", run_id)]


def of_deployment(home: Home, deployment_id: int) -> list[Evaluation]:
    """A deployment's scores, newest first."""
    sql = "SELECT * FROM evaluation WHERE deployment_id = ? ORDER BY id DESC"
    return [_record(r) for r in db.rows(home, sql, deployment_id)]


def more(home: Home, evaluation_id: int) -> list[dict[str, Any]]:
    """What else is known of each item, in order."""
    sql = "SELECT more FROM evaluation_item WHERE evaluation_id = ? ORDER BY position"
    return [json.loads(r["more"]) for r in db.rows(home, sql, evaluation_id)]


def items(home: Home, evaluation_id: int) -> list[tuple[str, str, float]]:
    """(prompt, answer, score) of each item, in order."""
    found = db.rows(
        home, "SELECT prompt, answer, score FROM evaluation_item WHERE evaluation_id = ? ORDER BY position", evaluation_id
    )
    return [tuple(r) for r in found]

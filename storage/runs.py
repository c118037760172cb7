"""Runs and their life. Every change of state says from which state, and is refused from any other."""

import json
from collections.abc import Sequence
from typing import Any

from storage import db
from storage.home import Home
from storage.records import ENDED, KINDS, Run

INSERT = """
INSERT INTO run (kind, name, status, request, token, parent_id, priority, created_at)
VALUES (:kind, :name, 'queued', :request, :token, :parent_id,
        (SELECT COALESCE(MAX(priority), 0) + 1 FROM run WHERE status = 'queued'), :now)
RETURNING *
"""
CLAIM = """
UPDATE run SET status = 'running', attempt = attempt + 1, started_at = COALESCE(started_at, :now), ended_at = NULL
WHERE id = (SELECT id FROM run WHERE status = 'queued' AND kind IN (SELECT value FROM json_each(:kinds))
            ORDER BY priority, id LIMIT 1) AND status = 'queued'
RETURNING *
"""
END = """
UPDATE run SET status = :status, reason = :reason, failure = :failure, next_step = :next_step, ended_at = :now,
               summary = COALESCE(:summary, summary)
WHERE id = :id AND status = :before RETURNING *
"""
REQUEUE = """
UPDATE run SET status = 'queued', stop_requested = NULL, reason = NULL, failure = NULL, next_step = NULL, ended_at = NULL
WHERE id = ? AND status IN ('failed', 'stopped', 'interrupted') RETURNING *
"""
STOP = "UPDATE run SET stop_requested = COALESCE(stop_requested, ?) WHERE id = ? AND status IN ('queued', 'running') RETURNING *"
PAGE = "SELECT * FROM run ORDER BY id DESC LIMIT ? OFFSET ?"


def record(row: Any) -> Run:
    """A row of the table as a record."""
    values = dict(row)
    values.pop("token")
    return Run(
        **{
            **values,
            "request": json.loads(values["request"]),
            "summary": json.loads(values["summary"]),
            "stop_requested": values["stop_requested"] is not None,
        }
    )


def insert(home: Home, *, kind: str, name: str, request: dict[str, Any], token: str | None, parent_id: int | None = None) -> Run:
    """Queue a run. The same token twice gives the first run back: a double click launches once."""
    with db.transaction(home) as connection:
        if token is not None:
            found = connection.execute("SELECT * FROM run WHERE token = ?", (token,)).fetchone()
            if found is not None:
                return record(found)
        values = {
            "kind": kind,
            "name": name,
            "request": db.pack(request),
            "token": token,
            "parent_id": parent_id,
            "now": db.now(),
        }
        return record(connection.execute(INSERT, values).fetchone())


def claim(home: Home, kinds: Sequence[str] = KINDS) -> Run | None:
    """Take the next queued run of one of these kinds, or None. Two callers never get the same one."""
    with db.transaction(home) as connection:
        row = connection.execute(CLAIM, {"now": db.now(), "kinds": json.dumps(list(kinds))}).fetchone()
        return record(row) if row else None


def end(
    home: Home,
    run_id: int,
    status: str,
    *,
    before: str = "running",
    reason: str | None = None,
    failure: str | None = None,
    next_step: str | None = None,
    summary: dict[str, Any] | None = None,
) -> bool:
    """Write how a run ended; False when it was no longer in the state ``before``."""
    assert status in ENDED, status
    with db.transaction(home) as connection:
        values = {
            "id": run_id, "status": status, "before": before, "reason": reason, "failure": failure,
            "next_step": next_step, "now": db.now(), "summary": db.pack(summary) if summary is not None else None,
        }  # fmt: skip
        return connection.execute(END, values).fetchone() is not None


def requeue(home: Home, run_id: int) -> bool:
    """Queue an ended run again, to resume; False when it has not ended or has succeeded."""
    with db.transaction(home) as connection:
        return connection.execute(REQUEUE, (run_id,)).fetchone() is not None


def request_stop(home: Home, run_id: int) -> bool:
    """Raise the stop flag; False when the run is not live."""
    with db.transaction(home) as connection:
        return connection.execute(STOP, (db.now(), run_id)).fetchone() is not None


def stop_requested_at(home: Home, run_id: int) -> str | None:
    """When a stop was asked for, if it was."""
    found = db.row(home, "SELECT stop_requested FROM run WHERE id = ?", run_id)
    return found["stop_requested"] if found else None


def reorder(home: Home, run_ids: Sequence[int]) -> None:
    """Put these queued runs first, in this order; the other queued ones keep theirs behind them."""
    with db.transaction(home) as connection:
        queued = [r["id"] for r in connection.execute("SELECT id FROM run WHERE status = 'queued' ORDER BY priority, id")]
        order = [i for i in run_ids if i in queued] + [i for i in queued if i not in run_ids]
        connection.executemany("UPDATE run SET priority = ? WHERE id = ? AND status = 'queued'", list(enumerate(order)))


def get(home: Home, run_id: int) -> Run | None:
    found = db.row(home, "SELECT * FROM run WHERE id = ?", run_id)
    return record(found) if found else None


def page(home: Home, limit: int = 50, offset: int = 0) -> list[Run]:
    """Runs, newest first."""
    return [record(r) for r in db.rows(home, PAGE, limit, offset)]


def named(home: Home, name: str) -> Run | None:
    """The newest run of that name."""
    found = db.row(home, "SELECT * FROM run WHERE name = ? ORDER BY id DESC LIMIT 1", name)
    return record(found) if found else None


def in_status(home: Home, *statuses: str) -> list[Run]:
    """Runs in any of these states, queued ones in the order they will be claimed."""
    marks = ", ".join("?" * len(statuses))
    return [record(r) for r in db.rows(home, f"SELECT * FROM run WHERE status IN ({marks}) ORDER BY priority, id", *statuses)]


def count(home: Home) -> dict[str, int]:
    """How many runs are in each state."""
    return {r["status"]: r["n"] for r in db.rows(home, "SELECT status, COUNT(*) AS n FROM run GROUP BY status")}


def using_dataset(home: Home, dataset_id: int) -> list[int]:
    """Runs whose recipe names this data set."""
    found = db.rows(home, "SELECT id FROM run WHERE json_extract(request, '$.dataset_id') = ? ORDER BY id", dataset_id)
    return [r["id"] for r in found]


def history(home: Home, run_id: int) -> list[dict[str, Any]]:
    """Every change of a run's state, oldest first."""
    return [
        dict(r)
        for r in db.rows(home, "SELECT at, before, after, reason FROM run_history WHERE run_id = ? ORDER BY rowid", run_id)
    ]


def unclaim(home: Home, run_id: int) -> bool:
    """Put a claimed run that no worker ever had back into the queue."""
    with db.transaction(home) as connection:
        done = connection.execute("UPDATE run SET status = 'queued' WHERE id = ? AND status = 'running' RETURNING id", (run_id,))
        return done.fetchone() is not None

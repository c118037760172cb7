"""What happens in a run: metrics by step, and events (phases, log lines, samples, checkpoints)."""

import json
from collections.abc import Sequence
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Checkpoint, Event, Metric

# a resumed run repeats steps: the value of a step is the last one written
UPSERT = """
INSERT INTO metric (run_id, series, step, value, seq) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run_id, series, step) DO UPDATE SET value = excluded.value, seq = excluded.seq
"""
# counted apart from the values, so that no number is given twice when values are dropped
COUNTED = """
INSERT INTO metric_count (run_id, seq) VALUES (:run, :n) ON CONFLICT (run_id) DO UPDATE SET seq = seq + :n RETURNING seq
"""
TAIL = "SELECT series, step, value, seq FROM metric WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
LATEST = """
INSERT INTO metric_latest (run_id, series, step, value) VALUES (?, ?, ?, ?)
ON CONFLICT (run_id, series) DO UPDATE SET step = excluded.step, value = excluded.value
"""
# beside MAX, SQLite takes the other columns from the row that holds it
LATEST_AGAIN = """
INSERT INTO metric_latest (run_id, series, step, value)
SELECT run_id, series, MAX(step), value FROM metric WHERE run_id = ? GROUP BY series
"""
THINNED = """
SELECT series, step, value FROM (
    SELECT series, step, value, MIN(value) OVER bucket AS low, MAX(value) OVER bucket AS high,
           MAX(step) OVER (PARTITION BY series) AS last
    FROM metric WHERE run_id = ?1 AND series = ?2
    WINDOW bucket AS (PARTITION BY series, step / ?3)
) WHERE value IN (low, high) OR step = last OR value IS NULL ORDER BY step
"""


def add_metrics(home: Home, run_id: int, values: Sequence[tuple[str, int, float]]) -> None:
    """Write (series, step, value) in one transaction."""
    with db.transaction(home) as connection:
        last = connection.execute(COUNTED, {"run": run_id, "n": len(values)}).fetchone()[0]
        for seq, (series, step, value) in enumerate(values, last - len(values) + 1):
            connection.execute(UPSERT, (run_id, series, step, value, seq))
            connection.execute(LATEST, (run_id, series, step, value))


def metrics_since(home: Home, run_id: int, seq: int, limit: int = 10_000) -> list[Metric]:
    """What was written after ``seq``, in the order of writing; numbers rise with every write, also over a resume."""
    return [Metric(**dict(r)) for r in db.rows(home, TAIL, run_id, seq, limit)]


def latest(home: Home, run_id: int) -> dict[str, tuple[int, float]]:
    """The last (step, value) of each series."""
    found = db.rows(home, "SELECT series, step, value FROM metric_latest WHERE run_id = ?", run_id)
    return {r["series"]: (r["step"], r["value"]) for r in found}


def curve(home: Home, run_id: int, series: str, points: int = 2000) -> list[tuple[int, float]]:
    """(step, value) of one series, at most about ``points`` of them; the least and greatest value of each stretch are kept."""
    last = db.row(home, "SELECT step FROM metric WHERE run_id = ? AND series = ? ORDER BY step DESC LIMIT 1", run_id, series)
    if last is None:
        return []
    width = last["step"] // max(1, (points - 1) // 2) + 1
    if last["step"] <= points:
        found = db.rows(home, "SELECT step, value FROM metric WHERE run_id = ? AND series = ? ORDER BY step", run_id, series)
        return [(r["step"], r["value"]) for r in found]
    thinned: dict[int, list[tuple[int, float]]] = {}
    for r in db.rows(home, THINNED, run_id, series, width):
        thinned.setdefault(r["step"] // width, []).append((r["step"], r["value"]))
    kept = []
    for bucket in thinned.values():  # equal extremes may repeat inside a stretch: one of each is enough
        values = {}
        for step, value in bucket:
            values.setdefault(value, step)
        kept += sorted((step, value) for value, step in values.items())
    return kept


def forget_after(home: Home, run_id: int, step: int) -> None:
    """Drop what a run wrote beyond ``step``: it resumes there, and a step that is not made again must not stand."""
    with db.transaction(home) as connection:
        connection.execute("DELETE FROM metric WHERE run_id = ? AND step > ?", (run_id, step))
        connection.execute("DELETE FROM metric_latest WHERE run_id = ?", (run_id,))
        connection.execute(LATEST_AGAIN, (run_id,))
        connection.execute("DELETE FROM event WHERE run_id = ? AND kind = 'sample' AND step > ?", (run_id, step))


def add(home: Home, run_id: int, kind: str, body: dict[str, Any], step: int | None = None) -> None:
    """Write one event."""
    with db.transaction(home) as connection:
        connection.execute(
            "INSERT INTO event (run_id, at, kind, step, body) VALUES (?, ?, ?, ?, ?)",
            (run_id, db.now(), kind, step, db.pack(body)),
        )


def of_run(home: Home, run_id: int, kind: str | None = None, after: int = 0) -> list[Event]:
    """A run's events in order, of one kind or all, after a sequence number."""
    if kind is None:
        found = db.rows(home, "SELECT * FROM event WHERE run_id = ? AND seq > ? ORDER BY seq", run_id, after)
    else:
        found = db.rows(home, "SELECT * FROM event WHERE run_id = ? AND kind = ? AND seq > ? ORDER BY seq", run_id, kind, after)
    return [Event(**{**dict(r), "body": json.loads(r["body"])}) for r in found]


def add_checkpoint(home: Home, run_id: int, step: int, path: str, size: int) -> None:
    """Record a whole checkpoint; the folder is on disk already."""
    with db.transaction(home) as connection:
        connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?)", (run_id, step, path, size, db.now()))


def checkpoints(home: Home, run_id: int | None = None) -> list[Checkpoint]:
    """Checkpoints on record, of one run or all, oldest first."""
    where, values = ("WHERE run_id = ?", (run_id,)) if run_id is not None else ("", ())
    return [Checkpoint(**dict(r)) for r in db.rows(home, f"SELECT * FROM checkpoint {where} ORDER BY run_id, step", *values)]


def drop_checkpoint(home: Home, run_id: int, step: int) -> None:
    """Forget a checkpoint whose folder is about to go."""
    with db.transaction(home) as connection:
        connection.execute("DELETE FROM checkpoint WHERE run_id = ? AND step = ?", (run_id, step))

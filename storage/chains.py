"""Chains and their state. Which runs belong to one is told by the tokens of the runs, so none is ever queued twice."""

import json
from collections.abc import Sequence
from typing import Any

from storage import db
from storage.home import Home
from storage.records import Chain, Run
from storage.runs import record

INSERT = """
INSERT INTO chain (name, request, status, token, waived, created_at)
VALUES (:name, :request, 'live', :token, :waived, :now) RETURNING *
"""
MOVE = "UPDATE chain SET status = ?, reason = ?, held_by = ? WHERE id = ? AND status = ? RETURNING *"


def _record(row: Any) -> Chain:
    values = dict(row)
    values.pop("token")
    return Chain(**{**values, "request": json.loads(values["request"]), "waived": tuple(json.loads(values["waived"]))})


def insert(home: Home, name: str, request: dict[str, Any], token: str | None, waived: Sequence[str] = ()) -> Chain:
    """Store a chain, begun in spite of the bars ``waived``; the same token twice gives the first one back."""
    with db.transaction(home) as connection:
        if token is not None:
            found = connection.execute("SELECT * FROM chain WHERE token = ?", (token,)).fetchone()
            if found is not None:
                return _record(found)
        values = {"name": name, "request": db.pack(request), "token": token, "waived": db.pack(list(waived)), "now": db.now()}
        return _record(connection.execute(INSERT, values).fetchone())


def get(home: Home, chain_id: int) -> Chain | None:
    found = db.row(home, "SELECT * FROM chain WHERE id = ?", chain_id)
    return _record(found) if found else None


def page(home: Home, limit: int = 50) -> list[Chain]:
    """Chains, newest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM chain ORDER BY id DESC LIMIT ?", limit)]


def live(home: Home) -> list[Chain]:
    """Chains that go on by themselves, the oldest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM chain WHERE status = 'live' ORDER BY id")]


def unfinished(home: Home) -> list[Chain]:
    """Chains that go on by themselves or wait for a word, the oldest first."""
    return [_record(row) for row in db.rows(home, "SELECT * FROM chain WHERE status IN ('live', 'held') ORDER BY id")]


def move(home: Home, chain_id: int, before: str, status: str, reason: str | None = None, held_by: str | None = None) -> bool:
    """Change a chain's state; False when it was no longer in the state ``before``. ``held_by`` says what holds it: a bar, input or
    something other."""
    with db.transaction(home) as connection:
        return connection.execute(MOVE, (status, reason, held_by, chain_id, before)).fetchone() is not None


def waive(home: Home, chain_id: int, stage: str) -> None:
    """Keep that the bar of a stage need not be met."""
    with db.transaction(home) as connection:
        found = json.loads(connection.execute("SELECT waived FROM chain WHERE id = ?", (chain_id,)).fetchone()["waived"])
        waived = db.pack(list(dict.fromkeys([*found, stage])))
        connection.execute("UPDATE chain SET waived = ? WHERE id = ?", (waived, chain_id))


def run_of(home: Home, chain_id: int, stage: int, part: str) -> Run | None:
    """The run that does a ``part`` (work, merge or bar) of a stage, if it was queued."""
    found = db.row(home, "SELECT * FROM run WHERE token = ?", token(chain_id, stage, part))
    return record(found) if found else None


def token(chain_id: int, stage: int, part: str) -> str:
    """By which the run of a part of a stage is known."""
    return f"chain-{chain_id}-{stage}-{part}"


def of_run(home: Home, run_id: int) -> int | None:
    """The number of the chain that a run belongs to."""
    found = db.row(home, "SELECT token FROM run WHERE id = ?", run_id)
    parts = str(found["token"] or "").split("-") if found else []
    return int(parts[1]) if len(parts) == 4 and parts[0] == "chain" and parts[1].isdigit() else None

"""What is before whom: each labeller's pair and the next one, chosen in the same transaction that gives them out.

A pair that lies before somebody is held for them for a while, so that no more people see it than shall.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from storage import db
from storage.home import Home
from storage.preferences import pair
from storage.records import Pair, Showing

HELD = timedelta(minutes=10)  # that a pair is held for somebody
OPEN = "SELECT * FROM showing WHERE project_id = ? AND labeller = ? ORDER BY rank LIMIT ?"
NEW = """
INSERT INTO showing (token, project_id, pair_id, labeller, round, flipped, rank, claimed_at, displayed_at)
VALUES (:token, :project_id, :pair_id, :labeller, :round, :flipped, :rank, :now, NULL) RETURNING *
"""
# not seen by this labeller, and by fewer others than shall, counting those who have it before them now
UNSEEN = """
NOT EXISTS (SELECT 1 FROM vote WHERE vote.pair_id = pair.id AND labeller = :labeller AND undone_at IS NULL)
AND NOT EXISTS (SELECT 1 FROM showing WHERE showing.pair_id = pair.id AND labeller = :labeller)
"""
WAITING = f"""
SELECT id FROM pair WHERE project_id = :project_id AND missing > 0 AND gold IS NULL AND {UNSEEN}
AND (SELECT COUNT(*) FROM showing WHERE showing.pair_id = pair.id AND labeller != :labeller AND claimed_at > :since) < missing
ORDER BY place LIMIT 1
"""
GOLD = f"SELECT id FROM pair WHERE project_id = :project_id AND gold IS NOT NULL AND {UNSEEN} ORDER BY place LIMIT 1"
# a pair of their own that lies some way back and was seen once; the one voted on longest ago
AGAIN = """
SELECT pair_id AS id FROM vote WHERE project_id = :project_id AND labeller = :labeller AND round = 0 AND kind = 'person'
AND undone_at IS NULL AND choice != 'skip' AND source = 'screen'
AND NOT EXISTS (SELECT 1 FROM vote AS second WHERE second.pair_id = vote.pair_id AND second.labeller = :labeller AND second.round = 1
                AND second.undone_at IS NULL)
AND NOT EXISTS (SELECT 1 FROM showing WHERE showing.pair_id = vote.pair_id AND showing.labeller = :labeller)
AND (SELECT COUNT(*) FROM vote AS later WHERE later.project_id = :project_id AND later.labeller = :labeller
     AND later.undone_at IS NULL AND later.seq > vote.seq) >= :back
ORDER BY seq LIMIT 1
"""
SOURCES = {"waiting": (WAITING, 0), "gold": (GOLD, 0), "again": (AGAIN, 1)}


def _record(row: Any) -> Showing:
    return Showing(**{**dict(row), "flipped": bool(row["flipped"])})


def open_for(connection: Any, project_id: int, labeller: str, count: int) -> list[Showing]:
    """What lies before a labeller, the current one first."""
    return [_record(row) for row in connection.execute(OPEN, (project_id, labeller, count))]


def read(home: Home, project_id: int, labeller: str, count: int) -> list[tuple[Showing, Pair]]:
    """The same with the pairs, without a transaction that writes."""
    found = open_for(db.reader(home), project_id, labeller, count)
    pairs = [(showing, pair(home, showing.pair_id)) for showing in found]
    return [(showing, there) for showing, there in pairs if there is not None]


def fill(
    connection: Any, project_id: int, labeller: str, count: int, source: Callable[[], list[str]], back: int,
    token: Callable[[], str], side: Callable[[], bool],
) -> list[Showing]:  # fmt: skip
    """Give a labeller pairs until ``count`` lie before them, as far as there are any; ``source`` names where the next one comes
    from, the keys of SOURCES in the order they are tried."""
    found = open_for(connection, project_id, labeller, count)
    while len(found) < count:
        pair_id, round = _next(connection, project_id, labeller, source(), back)
        if pair_id is None:
            break
        rank = found[-1].rank + 1 if found else 0.0
        found.append(_show(connection, project_id, pair_id, labeller, round, side(), rank, token()))
    if found and found[0].displayed_at is None:
        now = db.now()
        connection.execute("UPDATE showing SET displayed_at = ?, claimed_at = ? WHERE token = ?", (now, now, found[0].token))
        found = open_for(connection, project_id, labeller, count)
    return found


def _next(connection: Any, project_id: int, labeller: str, sources: list[str], back: int) -> tuple[int | None, int]:
    since = (datetime.now(UTC) - HELD).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    values = {"project_id": project_id, "labeller": labeller, "since": since, "back": back}
    for name in sources:
        sql, round = SOURCES[name]
        row = connection.execute(sql, values).fetchone()
        if row is not None:
            return row["id"], round
    return None, 0


def _show(
    connection: Any, project_id: int, pair_id: int, labeller: str, round: int, flipped: bool, rank: float, token: str
) -> Showing:
    values = {
        "token": token, "project_id": project_id, "pair_id": pair_id, "labeller": labeller, "round": round, "flipped": int(flipped),
        "rank": rank, "now": db.now(),
    }  # fmt: skip
    return _record(connection.execute(NEW, values).fetchone())


def find(home: Home, token: str) -> Showing | None:
    """What a token shows, while it is open."""
    row = db.row(home, "SELECT * FROM showing WHERE token = ?", token)
    return _record(row) if row else None


def reopen(connection: Any, project_id: int, pair_id: int, labeller: str, round: int, flipped: bool, token: str) -> Showing:
    """Put a pair before a labeller once more, ahead of all that lies there."""
    first = open_for(connection, project_id, labeller, 1)
    return _show(connection, project_id, pair_id, labeller, round, flipped, first[0].rank - 1 if first else 0.0, token)


def held(home: Home, project_id: int, labeller: str) -> int:
    """How many pairs wait for this labeller and lie before others now."""
    sql = f"SELECT COUNT(*) AS n FROM pair WHERE project_id = :project_id AND missing > 0 AND gold IS NULL AND {UNSEEN}"
    return db.reader(home).execute(sql, {"project_id": project_id, "labeller": labeller}).fetchone()["n"]

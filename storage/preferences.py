"""Projects of labelling, their pairs and votes. Each change goes into the ledger before it is committed, and can be told from there.

A change is made by ``changing``: what the ledger holds beyond this database is taken in first, then the change is applied, written
down durably, and committed. So the database never knows of a change that the ledger lacks, and a vote that was acknowledged is in
both. Applying a change twice does nothing the second time.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from storage import db, ledger
from storage.home import Home
from storage.records import Pair, Project, Vote

DECIDING = -1  # the round of a vote that decides between others
PAIR_JSON, VOTE_JSON = ("prompt", "origin", "extra"), ("criteria", "extra")
PAIR = """
INSERT OR IGNORE INTO pair
    (id, project_id, digest, prompt, first, second, origin, extra, gold, raters, missing, place, chosen_by, created_at)
VALUES (:id, :project_id, :digest, :prompt, :first, :second, :origin, :extra, :gold, :raters, :raters, :place, NULL, :at)
"""
VOTE = """
INSERT OR IGNORE INTO vote
    (token, project_id, pair_id, labeller, kind, round, flipped, choice, strength, preference, criteria, reason, edited, seconds,
     source, extra, at)
VALUES (:token, :project_id, :pair_id, :labeller, :kind, :round, :flipped, :choice, :strength, :preference, :criteria, :reason,
        :edited, :seconds, :source, :extra, :at)
RETURNING *
"""
# how many people still have to see a pair: judges, repeats and what was skipped do not count
MISSING = """
UPDATE pair SET missing = raters - (
    SELECT COUNT(*) FROM vote WHERE vote.pair_id = pair.id AND round = 0 AND kind = 'person' AND choice != 'skip' AND undone_at IS NULL
) WHERE id = ?
"""


LAST_VOTES = """
SELECT * FROM vote WHERE project_id = ? AND labeller = ? AND source IN ('screen', 'command')
AND NOT EXISTS (SELECT 1 FROM vote AS later WHERE later.pair_id = vote.pair_id AND later.labeller = vote.labeller
                AND later.round = vote.round AND later.seq > vote.seq)
ORDER BY seq DESC LIMIT ?
"""


class Repeated(Exception):
    """The labeller has a vote on this pair in this round already."""


@dataclass
class Change:
    """A transaction that is open, and what goes into the ledger at its end."""

    home: Home
    connection: Any
    changes: list[dict[str, Any]] = field(default_factory=list)

    def do(self, what: str, /, **body: Any) -> Any:
        """Apply one of CHANGES, and remember it for the ledger."""
        change = {"do": what, **body}
        found = CHANGES[what](self.connection, change)
        self.changes.append(change)
        return found

    def next_id(self, table: str) -> int:
        """The number that the next row of ``project`` or ``pair`` gets."""
        return self.connection.execute(f"SELECT COALESCE(MAX(id), 0) + 1 AS id FROM {table}").fetchone()["id"]


@contextmanager
def changing(home: Home) -> Iterator[Change]:
    """Change what is stored of labelling, all of it or nothing, and durably before this returns."""
    with db.transaction(home) as connection:
        _catch_up(home, connection)
        change = Change(home, connection)
        yield change
        if change.changes:
            _mark(connection, ledger.append(home, change.changes))


def recover(home: Home) -> int:
    """Take in what the ledger holds and the database has lost; how many changes that were. Lost changes mean that the power went or
    the disk failed: whoever calls this looks whether the rest is whole (storage/repair.py)."""
    if ledger.size(home) == db.rows(home, "SELECT bytes FROM ledger")[0]["bytes"]:
        return 0
    with db.transaction(home) as connection:
        return _catch_up(home, connection)


def _catch_up(home: Home, connection: Any) -> int:
    known = connection.execute("SELECT bytes FROM ledger").fetchone()["bytes"]
    there, taken = ledger.size(home), 0
    if there < known:  # the file was taken away; what it held is all here
        _mark(connection, there)
    for entry in ledger.read(home, known) if there > known else ():
        for change in entry.changes or ():
            _take(connection, change)
            taken += 1
        _mark(connection, entry.end)
    return taken


def _take(connection: Any, change: dict[str, Any]) -> None:
    """Apply a change of the ledger; what is there already, or rests on a line that is damaged, is passed over."""
    connection.execute("SAVEPOINT change")
    try:
        CHANGES[change["do"]](connection, change)
    except (Repeated, KeyError, db.sqlite3.IntegrityError):
        connection.execute("ROLLBACK TO change")
    connection.execute("RELEASE change")


def _mark(connection: Any, end: int) -> None:
    connection.execute("UPDATE ledger SET bytes = ?", (end,))


def _project(connection: Any, change: dict[str, Any]) -> None:
    values = (change["id"], change["name"], db.pack(change["settings"]), change["at"])
    connection.execute("INSERT OR IGNORE INTO project VALUES (?, ?, ?, ?)", values)


def _settings(connection: Any, change: dict[str, Any]) -> None:
    connection.execute("UPDATE project SET settings = ? WHERE id = ?", (db.pack(change["settings"]), change["id"]))
    for pair_id, raters in change["raters"]:
        connection.execute("UPDATE pair SET raters = ? WHERE id = ?", (raters, pair_id))
        connection.execute(MISSING, (pair_id,))


def _pairs(connection: Any, change: dict[str, Any]) -> None:
    rows = [
        {"gold": None, **row, **{name: db.pack(row[name]) for name in PAIR_JSON}, "project_id": change["project_id"], "at": change["at"]}
        for row in change["rows"]
    ]  # fmt: skip
    connection.executemany(PAIR, rows)


def _gold(connection: Any, change: dict[str, Any]) -> None:
    connection.execute("UPDATE pair SET gold = ? WHERE id = ?", (change["gold"], change["pair_id"]))


def _places(connection: Any, change: dict[str, Any]) -> None:
    rows = [(place, chosen_by and db.pack(chosen_by), pair_id) for pair_id, place, chosen_by in change["rows"]]
    connection.executemany("UPDATE pair SET place = ?, chosen_by = ? WHERE id = ?", rows)


def _vote(connection: Any, change: dict[str, Any]) -> Any:
    """Store a vote, once for each token. Repeated where its labeller has another one on this pair in this round."""
    values = {**change, **{name: db.pack(change[name]) for name in VOTE_JSON}}
    row = connection.execute(VOTE, values).fetchone()
    if row is None and connection.execute("SELECT 1 FROM vote WHERE token = ?", (change["token"],)).fetchone() is None:
        raise Repeated
    connection.execute(MISSING, (change["pair_id"],))
    shown = (change["pair_id"], change["labeller"], change["round"])
    connection.execute("DELETE FROM showing WHERE pair_id = ? AND labeller = ? AND round = ?", shown)  # it is done with
    return row and _vote_record(row)


def _undo(connection: Any, change: dict[str, Any]) -> None:
    found = connection.execute(
        "UPDATE vote SET undone_at = ? WHERE token = ? AND undone_at IS NULL RETURNING pair_id", (change["at"], change["token"])
    ).fetchone()
    if found is not None:
        connection.execute(MISSING, (found["pair_id"],))


CHANGES: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "project": _project,
    "settings": _settings,
    "pairs": _pairs,
    "gold": _gold,
    "places": _places,
    "vote": _vote,
    "undo": _undo,
}


def _project_record(row: Any) -> Project:
    return Project(**{**dict(row), "settings": json.loads(row["settings"])})


def pair_record(row: Any) -> Pair:
    """A row of the table as its record."""
    read = {name: json.loads(row[name]) for name in PAIR_JSON}
    return Pair(**{**dict(row), **read, "chosen_by": row["chosen_by"] and json.loads(row["chosen_by"])})


def _vote_record(row: Any) -> Vote:
    values = {**dict(row), **{name: json.loads(row[name]) for name in VOTE_JSON}}
    return Vote(**{**values, "flipped": None if values["flipped"] is None else bool(values["flipped"])})


def projects(home: Home) -> list[Project]:
    """Every project, newest first."""
    return [_project_record(row) for row in db.rows(home, "SELECT * FROM project ORDER BY id DESC")]


def project(home: Home, reference: int | str) -> Project | None:
    """The project of that number or name."""
    column = "id" if isinstance(reference, int) else "name"
    found = db.row(home, f"SELECT * FROM project WHERE {column} = ?", reference)
    return _project_record(found) if found else None


def pair(home: Home, pair_id: int) -> Pair | None:
    """The pair of that number."""
    found = db.row(home, "SELECT * FROM pair WHERE id = ?", pair_id)
    return pair_record(found) if found else None


def pairs(home: Home, project_id: int, offset: int = 0, limit: int = -1) -> list[Pair]:
    """Pairs of a project, in the order they came."""
    found = db.rows(home, "SELECT * FROM pair WHERE project_id = ? ORDER BY id LIMIT ? OFFSET ?", project_id, limit, offset)
    return [pair_record(row) for row in found]


WHICH = {"all": "", "open": "AND missing > 0 AND gold IS NULL", "gold": "AND gold IS NOT NULL"}


def some_pairs(home: Home, project_id: int, which: str, limit: int) -> list[Pair]:
    """The first pairs of a project, of those that WHICH names."""
    sql = f"SELECT * FROM pair WHERE project_id = ? {WHICH[which]} ORDER BY id LIMIT ?"
    return [pair_record(row) for row in db.rows(home, sql, project_id, limit)]


def raters(home: Home, project_id: int) -> list[tuple[int, str, int]]:
    """(number, digest, raters) of each pair of a project."""
    return [tuple(row) for row in db.rows(home, "SELECT id, digest, raters FROM pair WHERE project_id = ?", project_id)]


def gold_of(home: Home, project_id: int) -> dict[int, str]:
    """The known answers of a project by the numbers of their pairs."""
    found = db.rows(home, "SELECT id, gold FROM pair WHERE project_id = ? AND gold IS NOT NULL", project_id)
    return {row["id"]: row["gold"] for row in found}


def digests(home: Home, project_id: int) -> dict[str, int]:
    """The numbers of a project's pairs by what they hold."""
    return {row["digest"]: row["id"] for row in db.rows(home, "SELECT digest, id FROM pair WHERE project_id = ?", project_id)}


def votes(home: Home, project_id: int, pair_ids: Sequence[int] | None = None) -> list[Vote]:
    """The votes of a project that stand, in order; with ``pair_ids`` those on these pairs."""
    sql = "SELECT * FROM vote WHERE project_id = ? AND undone_at IS NULL"
    if pair_ids is not None:
        sql += f" AND pair_id IN ({', '.join('?' * len(pair_ids))})"
    return [_vote_record(row) for row in db.rows(home, sql + " ORDER BY seq", project_id, *(pair_ids or ()))]


def votes_of_act(home: Home, project_id: int, labeller: str, act: str) -> list[Vote]:
    """What a labeller has said in one act of voting, of what stands."""
    sql = "SELECT * FROM vote WHERE project_id = ? AND labeller = ? AND json_extract(extra, '$.act') = ? AND undone_at IS NULL ORDER BY seq"
    return [_vote_record(row) for row in db.rows(home, sql, project_id, labeller, act)]


def decisions(home: Home, pair_id: int) -> list[Vote]:
    """The decisions on a pair that stand."""
    sql = "SELECT * FROM vote WHERE pair_id = ? AND round = ? AND undone_at IS NULL ORDER BY seq"
    return [_vote_record(row) for row in db.rows(home, sql, pair_id, DECIDING)]


def overrule(change: Change, pair_id: int) -> None:
    """Take the decisions on a pair back, for another one."""
    for earlier in decisions(change.home, pair_id):
        change.do("undo", token=earlier.token, at=db.now())


def vote_of(home: Home, token: str) -> Vote | None:
    """The vote of a token, also one that was taken back."""
    found = db.row(home, "SELECT * FROM vote WHERE token = ?", token)
    return _vote_record(found) if found else None


def taken_back(home: Home, pair_id: int, labeller: str, round: int) -> Vote | None:
    """The last vote of a labeller on a pair that was taken back."""
    found = db.row(
        home,
        "SELECT * FROM vote WHERE pair_id = ? AND labeller = ? AND round = ? AND undone_at IS NOT NULL ORDER BY seq DESC LIMIT 1",
        pair_id, labeller, round,
    )  # fmt: skip
    return _vote_record(found) if found else None


def last_votes(home: Home, project_id: int, labeller: str, limit: int) -> list[Vote]:
    """What a labeller has voted last, not what was imported, the newest first; of each look the last vote only, also where it was
    taken back."""
    return [_vote_record(row) for row in db.rows(home, LAST_VOTES, project_id, labeller, limit)]


@dataclass(frozen=True)
class Counts:
    """How far a project is: pairs, those with a known answer, those of the others that enough people have seen, votes of people and of
    judges that stand. ``version`` is another one after every change of labelling."""

    pairs: int
    gold: int
    done: int
    votes: int
    judged: int
    version: int

    @property
    def asked(self) -> int:
        """Pairs whose answer is asked for."""
        return self.pairs - self.gold


# each is told from an index alone
COUNTS = """
SELECT pairs, gold, pairs - gold - waiting AS done, votes, judged, version FROM (
    SELECT (SELECT COUNT(*) FROM pair WHERE project_id = :id) AS pairs,
           (SELECT COUNT(*) FROM pair WHERE project_id = :id AND gold IS NOT NULL) AS gold,
           (SELECT COUNT(*) FROM pair WHERE project_id = :id AND missing > 0 AND gold IS NULL) AS waiting,
           (SELECT COUNT(*) FROM vote WHERE project_id = :id AND kind = 'person' AND undone_at IS NULL) AS votes,
           (SELECT COUNT(*) FROM vote WHERE project_id = :id AND kind = 'judge' AND undone_at IS NULL) AS judged,
           (SELECT bytes FROM ledger) AS version
)
"""


def counts(home: Home, project_id: int) -> Counts:
    """How far a project is."""
    return Counts(**dict(db.reader(home).execute(COUNTS, {"id": project_id}).fetchone()))


@dataclass(frozen=True)
class Progress:
    """What one labeller has done in a project, and when last."""

    labeller: str
    kind: str
    votes: int
    skipped: int
    last_at: str


PROGRESS = """
SELECT labeller, kind, COUNT(*) AS votes, SUM(choice = 'skip') AS skipped, MAX(at) AS last_at
FROM vote WHERE project_id = ? AND undone_at IS NULL AND round != -1 GROUP BY labeller, kind ORDER BY last_at DESC
"""


def progress(home: Home, project_id: int) -> list[Progress]:
    """What everybody has done, who voted last first."""
    return [Progress(**dict(row)) for row in db.rows(home, PROGRESS, project_id)]


def votes_by(home: Home, project_id: int, labeller: str) -> int:
    """How many votes of a labeller stand."""
    sql = "SELECT COUNT(*) AS n FROM vote WHERE project_id = ? AND labeller = ? AND undone_at IS NULL"
    found = db.row(home, sql, project_id, labeller)
    return found["n"] if found else 0

"""A database that can no longer be read as it was written: seen, set aside, and made anew from all that can be read of it.

What belongs to labelling comes from the ledger, whole. Everything else is copied row by row; what cannot be read is counted.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from storage import db, ledger, preferences
from storage.db import sqlite3
from storage.home import Home
from storage.migrations import MIGRATIONS

FROM_LEDGER = ("project", "pair", "showing", "vote", "ledger")
MOST_FAULTS = 2_000  # unreadable rows of a table, after which its rest is given up
LAST = ("run_history",)  # filled by triggers meanwhile, so it is copied at the end


@dataclass
class Repaired:
    """What became of a database: rows copied and faults met in each table, changes told again from the ledger, and where the old
    file lies."""

    aside: Path
    copied: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    retold: int = 0


def faults(home: Home) -> list[str]:
    """What SQLite finds wrong with the database; nothing where it is whole."""
    try:
        with contextlib.closing(db._open(home)) as connection:
            told = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
    except sqlite3.DatabaseError as problem:
        told = [str(problem)]
    return [line for line in told if line != "ok"]


def repair(home: Home) -> Repaired:
    """Make the database anew from what can be read. Nothing else may have it open; the old file is kept under another name."""
    with home.locked("migrate"):
        fresh = home.database.with_suffix(".fresh.db")
        for leftover in _parts(fresh):
            leftover.unlink(missing_ok=True)
        aside = home.database.with_suffix(f".damaged-{db.now().replace(':', '')[:17]}.db")
        made = Repaired(aside)
        new = sqlite3.connect(str(fresh), isolation_level=None)
        try:
            new.execute("PRAGMA journal_mode = WAL")
            MIGRATIONS.apply(Database(new))
            _copy(home, new, made)
            new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            new.close()
        for old, kept in zip(_parts(home.database), _parts(aside), strict=True):
            if old.exists():
                old.rename(kept)
        for leftover in _parts(fresh)[1:]:
            leftover.unlink(missing_ok=True)
        fresh.rename(home.database)
    made.retold = preferences.recover(home)
    return made


def _parts(path: Path) -> list[Path]:
    """A database file with its log and the index of that."""
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]


def _copy(home: Home, new: Any, made: Repaired) -> None:
    """Every row that can be read, table by table."""
    tables = [r[0] for r in new.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite%'")]
    from_ledger = FROM_LEDGER if ledger.size(home) else ()
    tables = [name for name in tables if name not in (*from_ledger, *LAST)] + list(LAST)
    new.execute("PRAGMA foreign_keys = OFF")
    new.execute("BEGIN")
    for table in tables:
        new.execute(f"DELETE FROM {table}")
        columns = [r[1] for r in new.execute(f"PRAGMA table_info({table})")]
        marks = ", ".join("?" * len(columns))
        made.copied[table] = made.faults[table] = 0
        for row in _rows(home, table, ", ".join(columns), made):
            new.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})", tuple(row))
            made.copied[table] += 1
    new.execute("COMMIT")


def _rows(home: Home, table: str, columns: str, made: Repaired) -> Iterator[Any]:
    """The rows of a table in one go, or one by one around those that cannot be read."""
    whole = _read(home, f"SELECT {columns} FROM {table} NOT INDEXED")
    if whole is not None:
        yield from whole
        return
    at, sql = -1, f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > {{}} ORDER BY rowid LIMIT 1"
    while made.faults[table] < MOST_FAULTS:
        found = _read(home, sql.format(at))
        if found is None:
            made.faults[table] += 1
            at += 1
        elif not found:
            return
        else:
            at = found[0][0]
            yield found[0][1:]


def _read(home: Home, sql: str) -> list[tuple[Any, ...]] | None:
    """The rows of a query, or None where they cannot be read."""
    try:
        with contextlib.closing(db._open(home)) as connection:
            return [tuple(row) for row in connection.execute(sql)]
    except sqlite3.DatabaseError:
        return None

"""Connections to the one database: short write transactions, read-only reads, migrations under a lock.

sqlite-utils and this module share one SQLite library (the bundled newer one where it is installed): the same file is
never opened through two libraries in one process.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

from storage.home import Home
from storage.migrations import MIGRATIONS

SAFE_LIBRARY = (3, 51, 3)  # older ones can corrupt a database when two processes reset the write-ahead log at once
BUSY_MILLISECONDS = 30_000
LARGEST = 2**63 - 1  # number that a column holds
_readers = threading.local()


class NewerHome(Exception):
    """The home was written by a newer version of Temper."""


class NotMigrated(Exception):
    """The home has no database yet, or an older one that the engine has not migrated."""


def library_is_safe() -> bool:
    """Whether the SQLite in use is new enough for several writing processes."""
    return tuple(sqlite3.sqlite_version_info) >= SAFE_LIBRARY


def now() -> str:
    """This moment as UTC text with milliseconds, as every table stores it."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """A moment in UTC as every table stores it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _open(home: Home) -> Any:
    connection = sqlite3.connect(
        str(home.database), isolation_level=None, timeout=BUSY_MILLISECONDS / 1000, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def transaction(home: Home) -> Iterator[Any]:
    """A write transaction, begun IMMEDIATE so that it waits for its turn instead of failing half-way."""
    held = _held()
    before, connection = held.get(home.database), _open(home)
    try:
        connection.execute("BEGIN IMMEDIATE")
        held[home.database] = connection
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    finally:
        held.pop(home.database, None)
        if before is not None:
            held[home.database] = before
        connection.close()


def reader(home: Home) -> Any:
    """This thread's read-only connection; a write through it fails. Within a transaction of this thread it is that of the
    transaction, so that what was changed there is seen."""
    held = _held()
    if home.database not in held:
        require_migrated(home)
        connection = _open(home)
        connection.execute("PRAGMA query_only = ON")
        held[home.database] = connection
    return held[home.database]


def close_readers() -> None:
    """Close this thread's read-only connections; the next read opens anew."""
    held = _held()
    while held:
        held.popitem()[1].close()


def _held() -> dict[Path, Any]:
    held = getattr(_readers, "held", None)
    if held is None:
        held = _readers.held = {}
    return held


def rows(home: Home, sql: str, *values: Any) -> list[Any]:
    """All rows of a query. A number too large for any column stands for the largest one."""
    return _asked(home, sql, values).fetchall()


def row(home: Home, sql: str, *values: Any) -> Any | None:
    """The first row of a query, or None; too large numbers as in ``rows``."""
    return _asked(home, sql, values).fetchone()


def _asked(home: Home, sql: str, values: tuple[Any, ...]) -> Any:
    return reader(home).execute(sql, [min(value, LARGEST) if isinstance(value, int) else value for value in values])


def number(text: str) -> int | None:
    """The number of a row that a text names, None where it names none."""
    return int(text) if text.isdecimal() and len(text) < len(str(LARGEST)) else None


def _state(home: Home) -> tuple[set[str], set[str]]:
    """The names of the migrations this version knows, and of those that the home has."""
    known = {migration.name for migration in MIGRATIONS._migrations}
    if not home.database.exists():
        return known, set()
    connection = _open(home)
    try:
        return known, {m.name for m in MIGRATIONS.applied(Database(connection))}
    finally:
        connection.close()


def require_migrated(home: Home) -> None:
    """NotMigrated or NewerHome unless the home's tables are those of this version."""
    known, applied = _state(home)
    if applied - known:
        raise NewerHome(
            f"The home {home.root} was written by a newer version of Temper ({', '.join(sorted(applied - known))}). "
            "Update Temper, or choose another home with TEMPER_HOME."
        )
    if known - applied:
        raise NotMigrated(f"The home {home.root} is not ready yet: the engine has to prepare it first. Start it with `make run`.")


def migrate(home: Home) -> list[str]:
    """Bring the home's tables up to date, under the home's lock; returns what was applied. An existing database is copied first."""
    with home.locked("migrate"):
        known, applied = _state(home)
        if not applied - known and not known - applied:
            return []
        if applied - known:
            require_migrated(home)
        connection = _open(home)
        try:
            if applied:
                _copy(connection, home.database.with_suffix(f".before-{len(applied) + 1:04d}.db"))
            connection.execute("PRAGMA journal_mode = WAL")
            MIGRATIONS.apply(Database(connection))
        finally:
            connection.close()
        return sorted(known - applied)


def _copy(connection: Any, path: Path) -> None:
    """Copy the database with what still lies in its write-ahead log only."""
    with contextlib.closing(sqlite3.connect(str(path))) as target:
        connection.backup(target)


def pack(value: Any) -> str:
    """A value as the JSON text that a column stores."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

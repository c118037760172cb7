"""SQL that a model wrote, compared by its result with a reference query on a small database in memory.

Both run in SQLite with nothing but reading allowed, a limit on time, on memory and on the number of rows.
"""

import sqlite3
import time
from collections import Counter
from typing import Any

from engine.evaluation.scorer import Check, Scorer, needs_text, unfenced

SECONDS = 2.0
ROWS = 10_000
TEXT = 1_000_000  # longest value, in bytes
RESULT = 16_000_000  # bytes of all values of a result
HEAP = 64 * 1024 * 1024  # of all such databases of this process together
READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
OUTSIDE = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA)


FAILURES = (sqlite3.Error, sqlite3.Warning, ValueError)  # of statements that cannot be run


class Tables:
    """A database in memory made by the statements of ``setup``. sqlite3.Error when they cannot be run."""

    def __init__(self, setup: str) -> None:
        self._deadline = 0.0
        self._database = sqlite3.connect(":memory:")
        self._database.execute(f"PRAGMA hard_heap_limit={HEAP}")
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, TEXT)
        self._database.set_progress_handler(lambda: time.monotonic() > self._deadline, 10_000)
        self._allow(lambda action: action not in OUTSIDE)
        self._begin()
        self._database.executescript(setup)
        self._allow(lambda action: action in READING)

    def _allow(self, rule: Any) -> None:
        def decide(action: int, first: str | None, second: str | None, *_: Any) -> int:
            return sqlite3.SQLITE_OK if rule(action) and second != "load_extension" else sqlite3.SQLITE_DENY

        self._database.set_authorizer(decide)

    def _begin(self) -> None:
        self._deadline = time.monotonic() + SECONDS

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of one query that only reads. sqlite3.Error when it does not, or takes too long or too much."""
        self._begin()
        cursor = self._database.execute(query)
        if cursor.description is None:
            raise sqlite3.OperationalError("it is no query")
        found, held = [], 0
        for row in cursor:
            held += sum(len(value) for value in row if isinstance(value, str | bytes))
            found.append(row)
            if len(found) > ROWS or held > RESULT:
                raise sqlite3.OperationalError(f"more than {ROWS:,} rows or {RESULT // 1_000_000} MB")
        return found

    def close(self) -> None:
        """Let go of its memory."""
        self._database.close()


def _score(check: Check, answer: str) -> float:
    tables = Tables(check["setup"])
    try:
        wanted = tables.rows(check["value"])
        found = tables.rows(unfenced(answer, "sql", "sqlite").strip().rstrip(";"))
    except FAILURES:
        return 0.0
    finally:
        tables.close()
    return float(found == wanted if check.get("ordered", False) else Counter(found) == Counter(wanted))


def _examine(check: Check) -> str | None:
    problem = needs_text(check)
    if problem or not isinstance(check["setup"], str):
        return problem or f"its setup must be the statements that make its tables, not {check['setup']!r}"
    try:
        tables = Tables(check["setup"])
    except FAILURES as wrong:
        return f"its setup cannot be run: {wrong}"
    try:
        tables.rows(check["value"])
    except FAILURES as wrong:
        return f"its value {check['value']!r} cannot be run on the tables: {wrong}"
    finally:
        tables.close()
    return None


QUERY = Scorer(
    "sql", "The answer is a query that gives the rows that the value gives, on tables made by setup; with ordered, in that order",
    ("value", "setup"), ("ordered",), _examine, _score,
)  # fmt: skip

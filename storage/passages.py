"""The passages of one index: an SQLite file with their text, an inverted index of their words (FTS5) and their vectors.

A document is born in one version and dies in another, and nothing is ever overwritten: what a version holds never changes.
Codes are the signs of vectors, one bit a number, in a table that sqlite-vec scans. Where it cannot be loaded there is no such
table, and who searches scans codes of his own.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import db
from storage.db import sqlite3
from storage.home import Home
from storage.records import Index, Passage

NEVER = db.LARGEST  # the version in which a document dies that lives
# words as FTS5 cuts them: folded, without diacritics, and by their English stem, so that a question's plural finds a singular
WORDS = "porter unicode61 remove_diacritics 2"
SCHEMA = (
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "CREATE TABLE version (number INTEGER PRIMARY KEY, documents INTEGER NOT NULL, passages INTEGER NOT NULL, sha256 TEXT NOT NULL)",
    """
    CREATE TABLE document (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, digest TEXT NOT NULL,
        born INTEGER NOT NULL, died INTEGER NOT NULL
    )
    """,
    "CREATE INDEX document_life ON document (died, born)",
    "CREATE TABLE vector (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, exact BLOB NOT NULL, crc INTEGER NOT NULL)",
    """
    CREATE TABLE passage (
        id INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES document (id), position INTEGER NOT NULL,
        heading TEXT NOT NULL, text TEXT NOT NULL, vector INTEGER NOT NULL REFERENCES vector (id)
    )
    """,
    "CREATE INDEX passage_document ON passage (document)",
    "CREATE INDEX passage_vector ON passage (vector)",
    "CREATE TABLE staged (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, digest TEXT NOT NULL)",
    """
    CREATE TABLE staged_passage (
        name TEXT NOT NULL REFERENCES staged (name) ON DELETE CASCADE, position INTEGER NOT NULL, heading TEXT NOT NULL,
        text TEXT NOT NULL, vector INTEGER NOT NULL, PRIMARY KEY (name, position)
    )
    """,
    f"CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='{WORDS}')",
    "CREATE VIRTUAL TABLE word USING fts5vocab('words', 'row')",
    "CREATE VIRTUAL TABLE occurrence USING fts5vocab('words', 'instance')",
)
ALIVE = "document.born <= :version AND document.died > :version"
DOCUMENTS = f"""
SELECT document.name, document.sha256, (SELECT count(*) FROM passage WHERE passage.document = document.id)
FROM document WHERE {ALIVE} ORDER BY document.name
"""
OF_VERSION = f"SELECT passage.id FROM document JOIN passage ON passage.document = document.id WHERE {ALIVE}"
LENGTHS = f"""
SELECT passage.id, length.sz FROM document JOIN passage ON passage.document = document.id
JOIN words_docsize AS length ON length.id = passage.id WHERE {ALIVE}
"""
EXACT = "SELECT passage.id, vector.exact FROM passage JOIN vector ON vector.id = passage.vector WHERE passage.id IN"
TEXTS = """
SELECT passage.id, document.name AS document, passage.position, passage.heading, passage.text
FROM passage JOIN document ON document.id = passage.document WHERE passage.id IN (SELECT value FROM json_each(?))
"""
TWINS = f"""
SELECT asked.id, min(passage.id) FROM passage AS asked JOIN passage ON passage.vector = asked.vector
JOIN document ON document.id = passage.document
WHERE asked.id IN (SELECT value FROM json_each(:ids)) AND {ALIVE} GROUP BY asked.id
"""
NEAREST = """
SELECT id FROM code WHERE bits MATCH vec_bit(:bits) AND k = :count AND born <= :version AND died > :version
"""


class Gone(Exception):
    """The file of an index is not there, though it has versions."""


@dataclass(frozen=True)
class Stored:
    """A document as one version holds it: ``sha256`` is of its content, ``digest`` of its passages."""

    name: str
    sha256: str
    passages: int


@dataclass(frozen=True)
class Version:
    """One version of an index: what it holds, and the hash of all of it."""

    number: int
    documents: int
    passages: int
    sha256: str


def path(home: Home, index: Index) -> Path:
    """Where the passages lie. No other index ever has that name: numbers of rows can come again, moments do not."""
    return home.indexes / f"{index.id}-{re.sub('[^0-9]', '', index.created_at)}.db"


def _open(file: Path) -> Any:
    connection = sqlite3.connect(str(file), isolation_level=None, timeout=db.BUSY_MILLISECONDS / 1000, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {db.BUSY_MILLISECONDS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    _load_vectors(connection)
    return connection


def _load_vectors(connection: Any) -> None:
    try:
        import sqlite_vec

        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        connection.enable_load_extension(False)
    except (ImportError, AttributeError, sqlite3.OperationalError):
        return  # many systems forbid extensions: codes are scanned elsewhere


def scans_codes(connection: Any) -> bool:
    """Whether sqlite-vec is there."""
    return bool(connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'vec0'").fetchone())


@contextmanager
def writing(home: Home, index: Index) -> Iterator[Any]:
    """A write transaction on the index's file, which is made where there is none."""
    file = path(home, index)
    if index.version and not file.exists():
        raise Gone(str(file))
    connection = _open(file)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in SCHEMA:
                    connection.execute(statement)
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    finally:
        connection.close()


def reader(home: Home, index: Index) -> Any:
    """This thread's read-only connection to the index's file, closed with those to the database."""
    file, held = path(home, index), db._held()
    if not file.exists():
        raise Gone(str(file))
    if file not in held:
        connection = _open(file)
        connection.execute("PRAGMA query_only = ON")
        held[file] = connection
    return held[file]


def delete(home: Home, index: Index) -> None:
    """Remove the file; a connection of this thread is closed first."""
    if (held := db._held().pop(path(home, index), None)) is not None:
        held.close()
    for ending in ("", "-wal", "-shm"):
        Path(f"{path(home, index)}{ending}").unlink(missing_ok=True)


def size(home: Home, index: Index) -> int:
    """Bytes on disk."""
    return sum(file.stat().st_size for file in home.indexes.glob(f"{path(home, index).name}*"))


def terms(text: str) -> list[str]:
    """The words of a text, cut and folded exactly as those of passages are."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE VIRTUAL TABLE asked USING fts5(text, tokenize='{WORDS}')")
        connection.execute("CREATE VIRTUAL TABLE term USING fts5vocab('asked', 'instance')")
        connection.execute("INSERT INTO asked VALUES (?)", (text,))
        return [row[0] for row in connection.execute("SELECT term FROM term ORDER BY offset")]
    finally:
        connection.close()


def versions(home: Home, index: Index) -> list[Version]:
    """Every version that was published in the file, oldest first; none where there is no file yet."""
    if not index.version and not path(home, index).exists():
        return []
    found = reader(home, index).execute("SELECT number, documents, passages, sha256 FROM version ORDER BY number")
    return [Version(*row) for row in found]


def documents(home: Home, index: Index, version: int) -> list[Stored]:
    """What documents a version holds, by name."""
    if not version:
        return []
    return [Stored(*row) for row in reader(home, index).execute(DOCUMENTS, {"version": version})]


def lengths(home: Home, index: Index, version: int) -> Iterator[tuple[int, int]]:
    """Each passage of a version with its number of words."""
    for row in reader(home, index).execute(LENGTHS, {"version": version}):
        yield row[0], _varint(row[1])


def _varint(stored: bytes) -> int:
    """The number that FTS5 stores for a text of one column: seven bits a byte, the highest first."""
    number = 0
    for byte in stored:
        number = number << 7 | byte & 127
    return number


def frequencies(home: Home, index: Index, words: Iterable[str]) -> dict[str, int]:
    """In how many passages of any version each word occurs; those that occur in none are left out."""
    connection, found = reader(home, index), {}
    for word in words:
        if (row := connection.execute("SELECT doc FROM word WHERE term = ?", (word,)).fetchone()) is not None:
            found[word] = row[0]
    return found


def total(home: Home, index: Index) -> int:
    """How many passages there are in all versions together."""
    return reader(home, index).execute("SELECT COALESCE(MAX(id), 0) FROM passage").fetchone()[0]


def occurrences(home: Home, index: Index, word: str) -> list[int]:
    """The passages, of any version, in which a word occurs, each as often as it does there, in order."""
    return [row[0] for row in reader(home, index).execute("SELECT doc FROM occurrence WHERE term = ?", (word,))]


def centre(home: Home, index: Index) -> bytes | None:
    """The vector (float32) that codes are taken from; None while every vector is looked at."""
    row = reader(home, index).execute("SELECT value FROM setting WHERE name = 'centre'").fetchone()
    return row[0] if row else None


def nearest(home: Home, index: Index, version: int, bits: bytes, count: int) -> list[int] | None:
    """The passages of a version whose codes differ least from ``bits``; None where no table of codes can be scanned."""
    connection = reader(home, index)
    coded = connection.execute("SELECT value FROM setting WHERE name = 'coded'").fetchone()
    if coded is None or coded[0] < version or not scans_codes(connection):
        return None
    return [row[0] for row in connection.execute(NEAREST, {"bits": bits, "count": count, "version": version})]


def vectors(home: Home, index: Index, *, version: int = 0, ids: Sequence[int] = ()) -> Iterator[tuple[int, bytes]]:
    """The vectors (float16) of a version, or of the passages with these numbers."""
    if version:
        found = reader(home, index).execute(f"{EXACT} ({OF_VERSION})", {"version": version})
    else:
        found = reader(home, index).execute(f"{EXACT} (SELECT value FROM json_each(?))", (json.dumps(list(ids)),))
    for row in found:
        yield row[0], row[1]


def twins(home: Home, index: Index, ids: Sequence[int]) -> dict[int, int]:
    """For each passage the first one of this version that has the same text: most often itself."""
    values = {"ids": json.dumps(list(ids)), "version": index.version}
    return dict(map(tuple, reader(home, index).execute(TWINS, values)))


def get(home: Home, index: Index, ids: Sequence[int]) -> dict[int, Passage]:
    """Passages by their numbers."""
    return {row["id"]: Passage(**dict(row)) for row in reader(home, index).execute(TEXTS, (json.dumps(list(ids)),))}

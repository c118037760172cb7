"""Making a version of an index: what is being added is staged first, and becomes part of a version in one transaction.

A kill leaves the newest version whole, and what was staged is there for the update that is begun again. Codes begin at MANY
passages: below that every vector is looked at.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from storage import passages
from storage.home import Home
from storage.records import Index

MANY = 1_000  # passages from which on there are codes
PIECE = 5_000  # rows held at once
CODES = """
SELECT passage.id, vector.exact, document.born, document.died
FROM passage JOIN vector ON vector.id = passage.vector JOIN document ON document.id = passage.document
WHERE document.born > ? ORDER BY passage.id
"""


@dataclass(frozen=True)
class Piece:
    """A passage that is to be stored; its vector is there under the digest."""

    heading: str
    text: str

    @property
    def written(self) -> str:
        """What is searched: the heading, and the text below it."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what is searched."""
        return hashlib.sha256(self.written.encode()).digest()


@dataclass(frozen=True)
class Cut:
    """A document that is to be stored: ``sha256`` is of its content."""

    name: str
    sha256: str
    pieces: Sequence[Piece]


def staged(home: Home, index: Index) -> dict[str, str]:
    """What an update that did not come to its end has left, as name and hash of each document."""
    if not passages.path(home, index).exists():
        return {}
    return dict(map(tuple, passages.reader(home, index).execute("SELECT name, sha256 FROM staged").fetchall()))


def without_vector(home: Home, index: Index, pieces: Sequence[Piece]) -> list[Piece]:
    """Those of the pieces whose text has no vector yet, each text once."""
    wanted = {piece.digest: piece for piece in pieces}
    if passages.path(home, index).exists():
        asked = json.dumps([digest.hex() for digest in wanted])
        sql = "SELECT digest FROM vector WHERE digest IN (SELECT unhex(value) FROM json_each(?))"
        for row in passages.reader(home, index).execute(sql, (asked,)):
            wanted.pop(bytes(row[0]))
    return list(wanted.values())


def keep_vectors(home: Home, index: Index, exact: Mapping[bytes, bytes]) -> None:
    """Store vectors (float16) under the digests of their texts."""
    with passages.writing(home, index) as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO vector (digest, exact, crc) VALUES (?, ?, ?)",
            [(d, e, zlib.crc32(e)) for d, e in exact.items()],
        )


def stage(home: Home, index: Index, documents: Sequence[Cut]) -> None:
    """Put documents, whose vectors are there, beside the versions until ``publish`` takes them in."""
    with passages.writing(home, index) as connection:
        for one in documents:
            connection.execute("DELETE FROM staged WHERE name = ?", (one.name,))
            digest = _digest((piece.heading, piece.text) for piece in one.pieces)
            connection.execute("INSERT INTO staged VALUES (?, ?, ?)", (one.name, one.sha256, digest))
            connection.executemany(
                "INSERT INTO staged_passage SELECT ?, ?, ?, ?, id FROM vector WHERE digest = ?",
                [(one.name, i, piece.heading, piece.text, piece.digest) for i, piece in enumerate(one.pieces)],
            )


def _digest(parts: Iterable[tuple[str, str]]) -> str:
    found = hashlib.sha256()
    for heading, text in parts:
        found.update(f"{len(heading)} {len(text)} {heading}{text}".encode())
    return found.hexdigest()


def publish(home: Home, index: Index, names: Iterable[str], removed: Iterable[str]) -> passages.Version:
    """The next version: staged documents of these names take the place of those that have them, removed ones are left out.

    Whatever else was staged is thrown away. All of it in one transaction.
    """
    with passages.writing(home, index) as connection:
        last = connection.execute("SELECT COALESCE(MAX(number), 0) FROM version").fetchone()[0]
        number = last + 1
        connection.execute("CREATE TEMP TABLE taken (name TEXT PRIMARY KEY)")
        connection.executemany("INSERT OR IGNORE INTO taken VALUES (?)", [(name,) for name in names])
        connection.execute("DELETE FROM staged WHERE name NOT IN (SELECT name FROM taken)")
        connection.executemany("INSERT OR IGNORE INTO taken VALUES (?)", [(name,) for name in removed])
        leave = "UPDATE document SET died = ? WHERE died = ? AND name IN (SELECT name FROM taken)"
        connection.execute(leave, (number, passages.NEVER))
        connection.execute(
            "INSERT INTO document (name, sha256, digest, born, died) SELECT name, sha256, digest, ?, ? FROM staged ORDER BY name",
            (number, passages.NEVER),
        )
        connection.execute(
            "INSERT INTO passage (document, position, heading, text, vector) "
            "SELECT document.id, position, heading, text, vector FROM staged_passage "
            "JOIN document ON document.name = staged_passage.name AND document.born = ? ORDER BY document.id, position",
            (number,),
        )
        connection.execute(
            "INSERT INTO words (rowid, text) SELECT passage.id, iif(heading = '', text, heading || char(10) || text) "
            "FROM passage JOIN document ON document.id = passage.document WHERE document.born = ? ORDER BY passage.id",
            (number,),
        )
        connection.execute("DELETE FROM staged")
        _code(connection, last, number)
        made = _version(connection, index, number)
        connection.execute("INSERT INTO version VALUES (?, ?, ?, ?)", (number, made.documents, made.passages, made.sha256))
        return made


def _version(connection: Any, index: Index, number: int) -> passages.Version:
    """What a version holds, counted and hashed: settings, and of each document its name, content and passages."""
    found = hashlib.sha256(json.dumps(index.settings, sort_keys=True).encode())
    count = 0
    sql = f"SELECT name, sha256, digest FROM document WHERE {passages.ALIVE} ORDER BY name"
    for row in connection.execute(sql, {"version": number}):
        count += 1
        found.update(json.dumps(list(row)).encode())
    cut = connection.execute(f"SELECT count(*) FROM ({passages.OF_VERSION})", {"version": number}).fetchone()[0]
    return passages.Version(number, count, cut, found.hexdigest())


def _code(connection: Any, last: int, number: int) -> None:
    """Bring the codes up to version ``number``: what is new is added, all of them where the table is not that of ``last``."""
    settings = dict(map(tuple, connection.execute("SELECT name, value FROM setting").fetchall()))
    if "centre" not in settings:
        if connection.execute("SELECT count(*) FROM passage").fetchone()[0] < MANY:
            return
        settings["centre"] = _mean(connection)
        connection.execute("INSERT INTO setting VALUES ('centre', ?)", (settings["centre"],))
    if not passages.scans_codes(connection):
        return
    middle = numpy.frombuffer(settings["centre"], numpy.float32)
    if settings.get("coded") != last:
        connection.execute("DROP TABLE IF EXISTS code")
        connection.execute(
            f"CREATE VIRTUAL TABLE code USING vec0(id INTEGER PRIMARY KEY, bits bit[{-len(middle) // 8 * -8}], born INTEGER, died INTEGER)"
        )
        last = 0
    ended = "SELECT passage.id FROM passage JOIN document ON document.id = passage.document WHERE died = ? AND born <= ?"
    ids = [(number, row[0]) for row in connection.execute(ended, (number, last))]
    connection.executemany("UPDATE code SET died = ? WHERE id = ?", ids)
    rows = connection.execute(CODES, (last,))
    while part := rows.fetchmany(PIECE):
        codes = coded(numpy.stack([numpy.frombuffer(row[1], numpy.float16) for row in part]), middle)
        values = [(row[0], code.tobytes(), row[2], row[3]) for row, code in zip(part, codes, strict=True)]
        connection.executemany("INSERT INTO code (id, bits, born, died) VALUES (?, vec_bit(?), ?, ?)", values)
    connection.execute("INSERT OR REPLACE INTO setting VALUES ('coded', ?)", (number,))


def coded(vectors: numpy.ndarray, middle: numpy.ndarray) -> numpy.ndarray:
    """The codes of vectors: a bit for each number, set where it is above that of the centre."""
    return numpy.packbits(vectors > middle, axis=-1, bitorder="little")


def _mean(connection: Any) -> bytes:
    rows, total, count = connection.execute("SELECT exact FROM vector"), None, 0
    while part := rows.fetchmany(PIECE):
        summed = numpy.stack([numpy.frombuffer(row[0], numpy.float16) for row in part]).sum(0, dtype=numpy.float64)
        total, count = summed if total is None else total + summed, count + len(part)
    assert total is not None
    return (total / count).astype(numpy.float32).tobytes()


def faults(home: Home, index: Index) -> list[str]:
    """What in the newest version is no longer as it was published; nothing where all is."""
    if not index.version:
        return []
    connection = passages.reader(home, index)
    found = [row[0] for row in connection.execute("PRAGMA quick_check(5)") if row[0] != "ok"]
    life = {"version": index.version}
    for document in connection.execute(f"SELECT id, name, digest FROM document WHERE {passages.ALIVE}", life).fetchall():
        parts = connection.execute("SELECT heading, text FROM passage WHERE document = ? ORDER BY position", (document["id"],))
        if _digest(map(tuple, parts)) != document["digest"]:
            found.append(f"the passages of {document['name']} are not those that were stored")
    made = _version(connection, index, index.version)
    if made.sha256 != index.sha256:
        found.append("the documents are not those of this version")
    kept = f"SELECT vector.exact, vector.crc FROM ({passages.LENGTHS}) JOIN passage USING (id) JOIN vector ON vector.id = passage.vector"
    whole = sum(zlib.crc32(row[0]) == row[1] for row in connection.execute(kept, life))
    if whole != made.passages:
        found.append(f"{made.passages - whole} passages have lost their words or vectors")
    return found

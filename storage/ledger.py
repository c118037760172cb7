"""The ledger of labelling: every change as a line, on the disk before anybody is told that it happened.

A write-ahead log that is damaged opens without a word and has lost its last commits, so what people did is written down once
more, in the plainest way: one line for what belongs together, with its checksum, synced. So a line that is cut off is a change that
did not happen. The database knows how far it has read, and reads on from there (storage/preferences.py). Whoever writes holds the
database's write lock, so lines never mix.
"""

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import files
from storage.home import Home

CHECKSUM = 8  # hexadecimal digits of CRC-32 before each line


@dataclass(frozen=True)
class Entry:
    """Changes that belong together, or None where their line is damaged; ``end`` is the byte behind it."""

    changes: list[dict[str, Any]] | None
    end: int


def path(home: Home) -> Path:
    """Where the ledger lies."""
    return home.labels / "ledger.jsonl"


def size(home: Home) -> int:
    """Bytes of the ledger."""
    place = path(home)
    return place.stat().st_size if place.exists() else 0


def append(home: Home, changes: Sequence[dict[str, Any]]) -> int:
    """Write changes that belong together down, durably; returns the bytes of the ledger then. OSError where they find no room."""
    place, before = path(home), size(home)
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # a line that was cut off by a power cut was told to nobody; what follows must not be glued to it
        torn = before > 0 and os.pread(handle, 1, before - 1) != b"\n"
        lines = (b"\n" if torn else b"") + _line(changes)
        try:
            while lines:
                lines = lines[os.write(handle, lines) :]
            os.fsync(handle)
        except BaseException:
            os.ftruncate(handle, before)
            raise
        if before == 0:
            files.sync_folder(place.parent)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def read(home: Home, begin: int = 0) -> Iterator[Entry]:
    """The entries from the byte ``begin`` on; a last line without its end is none yet."""
    if not path(home).exists():
        return
    with path(home).open("rb") as file:
        file.seek(begin)
        end = begin
        for line in file:
            end += len(line)
            if line.endswith(b"\n") and line.strip():
                yield Entry(_changes(line), end)


def _line(changes: Sequence[dict[str, Any]]) -> bytes:
    body = json.dumps(list(changes), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _changes(line: bytes) -> list[dict[str, Any]] | None:
    checksum, body = line[:CHECKSUM], line[CHECKSUM + 1 :].rstrip(b"\n")
    try:
        return json.loads(body) if int(checksum, 16) == zlib.crc32(body) else None
    except ValueError:
        return None

"""Text files as lines, with their encoding looked after: UTF-8 with or without its mark, and UTF-16 with it.

Nothing here knows what a line means. A line is never longer than a limit, whatever the file holds.
"""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from engine.data.checks import LONGEST_ROW
from engine.errors import UnreadableFile

CHUNK = 1024 * 1024


class Found(NamedTuple):
    """One row as it stands in the file, or, with a ``fault``, what could not be read of it.

    ``row`` counts from 1: the line for JSONL, CSV and text, the place in the list for JSON and Parquet.
    """

    row: int
    value: Any
    fault: str = ""


class Line(NamedTuple):
    number: int
    text: str
    fault: str


def _advice(path: Path, head: bytes) -> str:
    if path.suffix.lower() == ".parquet":
        return "It is no Parquet file either, or a damaged one: those begin with PAR1. Fetch or write it again."
    if head.count(0) >= len(head) // 3:  # every second byte of most letters
        return "If it is UTF-16 without its mark, save it as UTF-8."
    return "Give a text file or Parquet."


def encoding_of(path: Path, head: bytes) -> str:
    """The encoding of a text that begins with ``head``; UnreadableFile where it is none that is read."""
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise UnreadableFile(f"{path.name} is written in UTF-32. Save it as UTF-8.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        raise UnreadableFile(f"{path.name} is not text: byte {head.index(0) + 1} is zero. {_advice(path, head)}")
    return "utf-8-sig"


def unzipped(path: Path) -> IO[bytes]:
    """The bytes of ``path``, or what it holds where it is a gzip archive."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if zipped else path.open("rb")


def opened(path: Path, newline: str) -> IO[str]:
    """The text of ``path``, unzipped. Bytes that are not UTF-8 come through as surrogates, so that they can be told by row."""
    with unzipped(path) as file:
        encoding = encoding_of(path, file.read(4096))
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    return io.TextIOWrapper(unzipped(path), encoding=encoding, errors=errors, newline=newline)


def undecoded(text: str) -> str:
    """Which byte of ``text`` is not UTF-8, in words; nothing where all are."""
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) - 0xDC00
        position = len(text[: error.start].encode()) + 1
        shown = bytes([byte & 0xFF]).decode("cp1252", errors="replace")
        return (
            f"Byte {position}, 0x{byte & 0xFF:02X}, is not UTF-8 (in Windows-1252 it would be {shown!r}). Save the file as UTF-8."
        )
    return ""


def lines(path: Path, newline: str = "\n") -> Iterator[Line]:
    with opened(path, newline) as file:
        number = 0
        while text := file.readline(LONGEST_ROW + 1):
            number += 1
            if len(text) <= LONGEST_ROW or text.endswith("\n"):
                yield Line(number, text, undecoded(text))
                continue
            rest = text
            while rest and not rest.endswith("\n"):
                rest = file.readline(CHUNK)
            yield Line(number, text[:1000], f"The line is longer than {LONGEST_ROW // CHUNK} million characters.")

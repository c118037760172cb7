"""How commands print: tables for people, JSON for machines."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import BadInput, UnreadableFile
from storage import files


def plain(value: Any) -> Any:
    """A dataclass as a dictionary; anything else as it is."""
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def as_json(value: Any) -> None:
    """Print one JSON document."""

    def worded(part: Any) -> Any:
        told = plain(part)
        return str(part) if told is part else told

    print(json.dumps(value, ensure_ascii=False, indent=1, default=worded))


def must_be_new(file: str | Path) -> None:
    """BadInput where a file that is to be written is there already."""
    if files.place(file).exists():
        raise BadInput(f"{file} is there already, and nothing was written. Name another file, or delete that one first.")


def table(rows: Sequence[Sequence[object]], head: Sequence[str]) -> None:
    """Print rows under a head, in columns as wide as they need."""
    cells = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def note(text: str) -> None:
    """A line for the person who watches, apart from the output."""
    print(text, file=sys.stderr, flush=True)


def text(path: str | None, holds: str) -> str:
    """What a text file that a command names holds, nothing where none is named. UnreadableFile where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError) as problem:
        raise UnreadableFile(f"{path} cannot be read ({problem}). Give a text file with {holds}.") from None

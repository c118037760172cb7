"""Documents: what a page keeps as one JSON file each, replaced as a whole, apart from the database."""

import json
import re
from contextlib import suppress
from typing import Any

from storage import files
from storage.home import Home

NAME = re.compile(r"[\w-]{1,40}")  # a name may come from an address that anyone may type


def read(home: Home, kind: str, name: str) -> dict[str, Any] | None:
    """The document of that name; None where there is none."""
    path = home.root / kind / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if NAME.fullmatch(name) and path.exists() else None


def write(home: Home, kind: str, name: str, body: dict[str, Any]) -> None:
    """Write a document in the place of what it was. OSError where the disk takes nothing."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a document")
    path = home.root / kind / f"{name}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    files.write_text(path, json.dumps(body, ensure_ascii=False))


def newest(home: Home, kind: str, limit: int) -> list[dict[str, Any]]:
    """The documents that were written last, newest first; what is no JSON, or was taken away meanwhile, is passed over."""
    found = []
    for path in (home.root / kind).glob("*.json"):
        with suppress(OSError):
            found.append((path.stat().st_mtime, path.stem))
    bodies = []
    for _, name in sorted(found, reverse=True)[:limit]:
        with suppress(OSError, ValueError):
            bodies.append(read(home, kind, name))
    return [body for body in bodies if body is not None]


def delete(home: Home, kind: str, name: str) -> None:
    """Take a document away, if it is there."""
    if NAME.fullmatch(name):
        (home.root / kind / f"{name}.json").unlink(missing_ok=True)

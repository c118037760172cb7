"""Files that are either whole or not there: written beside, synced, named last."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
FULL = 16 * 1024 * 1024  # bytes: a disk with less free is called full


def place(given: Path | str) -> Path:
    """The path that somebody gave, with the home folder for its ``~``; one that begins with no user's name stays as it is."""
    return Path(os.path.expanduser(given))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def take_name(beside: Path, path: Path) -> None:
    """Make the bytes of ``beside`` durable, then its name: ``path`` is the old file or the whole new one, never half."""
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(beside, path)
    sync_folder(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; on success it is synced and takes the name, on failure it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        take_name(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace the file ``path`` by ``text``, whole or not at all."""
    with writing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def contents(folder: Path) -> list[Path]:
    """All files below ``folder`` except its manifest, in a fixed order."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def synced(folder: Path) -> dict[str, dict[str, Any]]:
    """Make every file of ``folder`` durable; the hash and the bytes of each."""
    hashes = {}
    for path in contents(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        hashes[str(path.relative_to(folder))] = {"sha256": sha256(path), "bytes": path.stat().st_size}
    return hashes


def seal(folder: Path) -> None:
    """Sync every file of ``folder``, then write its manifest: the manifest is last, so that where it exists the folder is whole."""
    write_text(folder / MANIFEST, json.dumps(synced(folder), indent=1, sort_keys=True))


def sealed(folder: Path) -> dict[str, dict[str, Any]] | None:
    """The hash and the bytes of each file as ``folder`` was sealed; None where it has no manifest."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def holds(folder: Path, hashes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether every one of these files is in ``folder``, as it was."""
    return all((folder / name).is_file() and sha256(folder / name) == wanted["sha256"] for name, wanted in hashes.items())


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` has its manifest and every file in it is as it was sealed."""
    hashes = sealed(folder)
    return hashes is not None and holds(folder, hashes)


def replace_folder(source: Path, target: Path) -> None:
    """Give the folder ``source`` the name ``target``, durably; an older ``target`` is removed."""
    if target.exists():
        shutil.rmtree(target)
    os.replace(source, target)
    sync_folder(target.parent)


def size(folder: Path) -> int:
    """Bytes of all files below ``folder``; 0 when it is not there."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.exists() else 0

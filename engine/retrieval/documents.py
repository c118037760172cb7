"""Documents: files as sections of text with their headings. Text, Markdown, HTML and PDF are read, by a process of their own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput, NotFound, UnreadableFile
from engine.retrieval.extraction import LARGEST, Section, plain
from storage import files

CODE = Path(__file__).resolve().parents[2]
ENDINGS = (".txt", ".text", ".md", ".markdown", ".html", ".htm", ".xhtml", ".pdf")  # that are taken out of a folder
SECONDS = 30  # that a file, or a page of it, may take
MEMORY = 1024 * 1024 * 1024  # bytes that reading it may take, the interpreter and its libraries included
LONGEST_NAME = 300


@dataclass(frozen=True)
class Document:
    """A document as it is indexed: ``sha256`` is of the file's bytes, or of the text where there is no file."""

    name: str
    sha256: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Unread:
    """A document that could not be read, and why."""

    name: str
    reason: str


def of_text(name: str, text: str) -> Document:
    """A document out of a text that is in memory."""
    return Document(named(name), hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), tuple(plain(text)))


def named(name: str) -> str:
    """A document's name with what cannot be printed or is no character drawn as "?"."""
    return "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode())[:LONGEST_NAME]


def found(paths: Iterable[Path | str]) -> dict[str, Path]:
    """The files that paths name, by the names they get: a file its own, one in a folder with its way from that folder on.

    Of a folder those of ENDINGS are taken; what is hidden or a link is not. NotFound where there is nothing, BadInput where
    two files would get the same name.
    """
    made: dict[str, Path] = {}
    for given in paths:
        path = Path(os.path.abspath(files.place(given)))
        if not os.path.exists(path):
            raise NotFound(f"There is no file or folder {given}. Check the path.")
        for file in _walk(path) if path.is_dir() else [path]:
            name = named(file.relative_to(path.parent).as_posix())
            if made.setdefault(name, file) != file:
                raise BadInput(
                    f"{made[name]} and {file} would both be called {name}. Add the folder that holds both, or rename one."
                )
        if path.is_dir() and not any(path in file.parents for file in made.values()):
            raise NotFound(f"There is no document in {path}. Files that end with {', '.join(ENDINGS)} are taken.")
    return made


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place) / name
            if file.suffix.lower() in ENDINGS and not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield file


def fingerprint(file: Path) -> str:
    """The SHA-256 of a file's bytes, nothing where it is too large or cannot be read: the reader says so in words."""
    try:
        return files.sha256(file) if file.stat().st_size <= LARGEST else ""
    except OSError:
        return ""


class Reader:
    """Reads files one after another in a process that is begun anew when a file has ended it. Close it at the end."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()

    def read(self, name: str, file: Path) -> Document:
        """The document in a file. UnreadableFile says what is wrong with it."""
        child = self._child = self._child or self._begin()
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(json.dumps(os.fsencode(file).decode("utf-8", "surrogateescape")) + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if not answer:
            self._child = None
            child.communicate()
            raise UnreadableFile(_ended(file, child.returncode))
        told = json.loads(answer)
        if "error" in told:
            raise UnreadableFile(told["error"])
        return Document(name, told["sha256"], tuple(Section(*section) for section in told["sections"]))

    def _begin(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "engine.retrieval.extraction", str(SECONDS), str(MEMORY)]
        environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=CODE,
            env=environment,
            text=True,
        )


def _ended(file: Path, code: int) -> str:
    if code == -signal.SIGALRM:
        return f"{file.name} could not be read within {SECONDS} seconds. Split it, or save it as text."
    return (
        f"{file.name} ended its reader ({code}), which may take {MEMORY // 2**20:,} MB of memory. Split it, or save it as text."
    )


def read(documents: Mapping[str, Path]) -> Iterator[Document | Unread]:
    """Each file as a document, or why it is none."""
    with Reader() as reader:
        for name, file in documents.items():
            try:
                yield reader.read(name, file)
            except UnreadableFile as problem:
                yield Unread(name, str(problem))

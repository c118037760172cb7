"""Files as rows, one after another: JSON, JSONL, CSV, Parquet, plain text and Markdown.

Nothing here knows what rows mean. A row that cannot be read comes with its fault and its place; a file that cannot be
read at all is UnreadableFile. Only a bounded part of a file is held in memory, so this also reads what was never meant
to be read (drafting.py adds a limit that the kernel enforces).
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.data.checks import LONGEST_ROW
from engine.data.documents import passages, sections
from engine.data.json_files import json_values, jsonl
from engine.data.lines import Found, encoding_of, opened, unzipped
from engine.data.tables import comma_separated, parquet
from engine.errors import UnreadableFile

KINDS = ".json, .jsonl, .csv, .tsv, .parquet, .txt or .md"  # text files also as .gz
FOREIGN = {
    b"PK\x03\x04": "a zip archive or an office document", b"PAR1": "a Parquet file in an archive", b"%PDF": "a PDF document",
    b"\xfd7zXZ": "an xz archive", b"BZh": "a bzip2 archive", b"\x28\xb5\x2f\xfd": "a zstd archive", b"SQLite format 3": "an SQLite database",
}  # fmt: skip


def format_of(path: Path) -> str:
    """What kind of file ``path`` is, by its first bytes and its name: a key of READERS; UnreadableFile where it is none."""
    try:
        with unzipped(path) as file:
            head = file.read(4096)
    except IsADirectoryError:
        raise UnreadableFile(f"{path} is a folder. Choose one file in it.") from None
    except FileNotFoundError:
        raise UnreadableFile(f"There is no file {path}. Check the path.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path} cannot be opened: {error}.") from None
    if not head.strip():
        raise UnreadableFile(f"{path.name} is empty.")
    if head.startswith(b"PAR1") and path.suffix.lower() != ".gz":
        return "parquet"
    for magic, name in FOREIGN.items():
        if head.startswith(magic):
            raise UnreadableFile(f"{path.name} is {name}. Unpack or export it, and choose one of {KINDS}.")
    return _text_format(path, head)


def _text_format(path: Path, head: bytes) -> str:
    encoding = encoding_of(path, head)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".csv", ".tsv"):
        return "csv"
    if suffix in (".txt", ".md", ".markdown"):
        return "markdown" if suffix != ".txt" else "text"
    first = head.decode(encoding, errors="replace").lstrip()
    if suffix not in (".json", ".jsonl", ".ndjson") and first[:1] not in ("{", "["):
        raise UnreadableFile(f"{path.name} is of no known kind. Choose a file called {KINDS}.")
    if first.startswith("{") and _has_lines(path, suffix):
        return "jsonl"
    if first[:1] in ("{", "[") or suffix == ".json":
        return "json"
    return "jsonl"


def _has_lines(path: Path, suffix: str) -> bool:
    """Whether the file has an object on each line, as far as its first line and the beginning of its second tell."""
    with opened(path, "\n") as file:
        line = file.readline(LONGEST_ROW)
        while not line.strip():
            line = file.readline(LONGEST_ROW)
        if suffix in (".jsonl", ".ndjson"):
            return line.strip() != "{"
        return line.rstrip().endswith("}") and file.readline(1) == "{"


READERS: dict[str, Callable[[Path], Iterator[Found]]] = {
    "jsonl": jsonl, "json": json_values, "csv": comma_separated, "parquet": parquet, "text": passages, "markdown": sections,
}  # fmt: skip


def rows(path: Path) -> Iterator[Found]:
    """The rows of a file, whatever kind it is; UnreadableFile where it cannot be read, or holds none."""
    empty = True
    try:
        for found in READERS[format_of(path)](path):
            empty = False
            yield found
    except UnicodeError as error:
        raise UnreadableFile(f"{path.name} begins like UTF-16 but does not go on so: {error}. Save it as UTF-8.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path.name} is not a whole gzip archive: {error}. Fetch or pack it again.") from None
    if empty:
        raise UnreadableFile(f"{path.name} holds no rows.")

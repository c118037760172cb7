"""The child process that reads a file someone brought: ``python -m engine.data.drafting FILE FOLDER SECONDS MEMORY [SHAPE]``.

It holds itself to a bound of memory and of time that the kernel enforces, so that no file can harm more than this one
process. Good rows go to a Parquet file in FOLDER, bad ones with their reasons to a list beside it, the first good ones to
a preview. What it says on its output is one JSON object a line: how many rows it has seen, and at last what it found.
"""

import errno
import itertools
import json
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from engine.data import checks, formats, reading
from engine.data.columns import Columns, RowsFile, Widened
from engine.data.lines import Found
from engine.data.shapes import UnusableRow, restored
from engine.errors import TemperError, UnreadableFile, WrongShape
from storage import files

TICK = 1_000  # rows between two signs of life
SAMPLE = 100  # rows by which a format is recognised
UNFOLDED, FOLDED = 256 * 1024 * 1024, 100  # a small file that unfolds to more than both is not data
HOPELESS = 1_000  # rows without a single good one, after which it is not read on
PREVIEW_ROWS, PREVIEW_CHARACTERS = 50, 1_000_000
SHOWN = 200  # characters of a bad row that are shown

ROWS, PROBLEMS, PREVIEW = "rows.parquet", "problems.jsonl", "preview.json"


def _say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


class Draft:
    """One try at writing the rows of a file in a folder."""

    def __init__(self, path: Path, folder: Path, layout: formats.Layout, columns: Columns) -> None:
        self.path, self.folder, self.layout = path, folder, layout
        self.size = path.stat().st_size
        self.good = RowsFile(folder / ROWS, columns)
        self.seen = self.kept = 0
        self.preview: list[dict[str, Any]] = []
        self.previewed = 0

    def read(self, found: Iterator[Found], tick: Callable[[int], None]) -> None:
        """Every row, to the good or to the bad ones."""
        with (self.folder / PROBLEMS).open("w", encoding="utf-8", errors="backslashreplace") as bad:
            for row in found:
                self._row(row, bad)
                if self.seen % TICK == 0:
                    tick(self.seen)
                if self.seen >= HOPELESS and not self.kept:
                    break
        self.good.close()

    def _row(self, found: Found, bad: IO[str]) -> None:
        if found.fault:
            self._bad(found, found.fault, bad)
            return
        try:
            for row in self.layout.rows(found.value):
                told = checks.faults(row, self.layout.shape, self.layout.columns)
                if told:
                    self._bad(found, " ".join(told), bad)
                else:
                    self._good(row)
        except UnusableRow as problem:
            self._bad(found, str(problem), bad)

    def _good(self, row: dict[str, Any]) -> None:
        self.seen += 1
        self.kept += 1
        if len(self.preview) < PREVIEW_ROWS and self.previewed < PREVIEW_CHARACTERS:
            self.preview.append(restored(row, self.layout.shape))
            self.previewed += len(json.dumps(row))
        self.good.add(row)
        if self.good.characters > UNFOLDED and self.good.characters > FOLDED * self.size:
            raise UnreadableFile(
                f"{self.path.name} is {self.size:,} bytes but unfolds to more than {FOLDED} times that, so it is not read on. "
                "If that is right, save its rows as JSONL."
            )

    def _bad(self, found: Found, message: str, bad: IO[str]) -> None:
        self.seen += 1
        value = found.value
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        # what cannot be written as UTF-8 is shown as its escape
        shown = shown[:SHOWN].encode("utf-8", "backslashreplace").decode() + ("…" if len(shown) > SHOWN else "")
        told = {"row": found.row, "message": message, "shown": shown, "source": value}
        bad.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")


def _usable(sample: list[Found]) -> list[dict[str, Any]]:
    return [found.value for found in sample if not found.fault]


def draft(path: Path, folder: Path, shape: str | None, tick: Callable[[int], None]) -> dict[str, Any]:
    """Read ``path`` into ``folder``; what was found there, as the parent wants to know it.

    ``tick`` is told the number of rows seen after every TICK of them.
    """
    found = reading.rows(path)
    sample = list(itertools.islice(found, SAMPLE))
    if not _usable(sample):
        sample += itertools.islice(found, HOPELESS - SAMPLE)
    if not _usable(sample):
        first = sample[0]
        raise WrongShape(f"None of the first {len(sample)} rows of {path.name} can be read. Row {first.row}: {first.fault}")
    layout = formats.recognise(_usable(sample), shape)
    columns = Columns(layout.shape)
    tried = Draft(path, folder, layout, columns)
    source: Iterator[Found] = itertools.chain(sample, found)
    while True:
        try:
            tried.read(source, tick)
            break
        except (Widened, formats.Conversations) as learnt:
            tried.good.close(whole=False)
            if isinstance(learnt, formats.Conversations):
                columns = Columns(layout.shape)
            tried, source = Draft(path, folder, layout, columns), reading.rows(path)
    (folder / PREVIEW).write_text(json.dumps(tried.preview, ensure_ascii=False), encoding="utf-8")
    return {
        "shape": layout.shape,
        "source_format": layout.source_format,
        "rows": tried.seen,
        "good": tried.kept,
        "left_out": sorted(layout.ignored),
        "sha256": files.sha256(folder / ROWS) if tried.kept else "",
    }


def main(arguments: list[str]) -> None:
    """Draft one file within the bounds."""
    path, folder, seconds, memory = Path(arguments[0]), Path(arguments[1]), int(arguments[2]), int(arguments[3])
    shape = arguments[4] if len(arguments) > 4 else None

    def tick(seen: int) -> None:
        signal.alarm(seconds)
        _say(seen=seen)

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # the default action ends the process, also from within a library
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        told = {"result": draft(path, folder, shape, tick)}
    except TemperError as problem:
        told = {"error": type(problem).__name__, "message": str(problem)}
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        told = {
            "error": TemperError.__name__,
            "message": f"The disk is full: the rows of {path.name} find no room. Free some space and try again.",
        }
    except MemoryError:
        told = {
            "error": UnreadableFile.__name__,
            "message": f"{path.name} needs more than {memory // 2**20:,} MB of memory to be read. Save its rows as JSONL, one a line.",
        }
    _say(**told)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The verbs on data: draft a file, freeze its rows, read them, hand them out.

A frozen data set is a Parquet file named by its sha256 and never changes. The rows that were left out lie beside it with
their reasons.
"""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import names
from engine.data import uploads
from engine.data.shapes import SHAPES, pack, restored
from engine.errors import BadInput, Damaged, NotFound, TemperError, UnreadableFile, WrongShape
from storage import datasets, files
from storage.home import Home
from storage.records import Dataset

if TYPE_CHECKING:
    import polars

CODE = Path(__file__).resolve().parents[2]
ROWS, PROBLEMS, PREVIEW, LOG = (
    "rows.parquet",
    "problems.jsonl",
    "preview.json",
    "log",
)  # the files of a draft, as drafting.py writes them
ERRORS = {error.__name__: error for error in (UnreadableFile, WrongShape, BadInput, TemperError)}
PROBLEMS_HELD = 10_000  # of a draft; all of them are in its file
PROBLEMS_STORED = 1_000  # with a data set; all of them are in the file beside it
STEP = 5_000  # rows held at once on the way out
SECONDS = 30  # that a file may take without giving a thousand further rows
MEMORY = 1024 * 1024 * 1024  # bytes that reading it may take, the interpreter and its libraries included
ENDINGS = (".jsonl", ".parquet", ".csv")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row: its number in the file, the reason, and how it begins."""

    row: int
    message: str
    shown: str


@dataclass(frozen=True)
class Draft:
    """A file as it was read: what it holds, and what of it can be used. ``rows`` counts good and bad ones."""

    path: Path
    shape: str
    source_format: str
    rows: int
    good: int
    problems: list[Problem]
    preview: list[dict[str, Any]]
    left_out: list[str] = field(default_factory=list)  # columns and keys of turns that the shape has no place for
    sha256: str = ""
    folder: Path = Path()

    @property
    def bad(self) -> int:
        return self.rows - self.good


def _full(error: OSError, home: Home) -> TemperError:
    """``error`` in words, when it says that the disk is full; otherwise it is raised on."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    return TemperError(f"The disk of {home.root} is full, nothing was changed. Free some space and try again.")


def _child(path: Path, folder: Path, shape: str | None, progress: Callable[[int], None] | None) -> dict[str, Any]:
    """What the reading process found in ``path``; its errors are raised here."""
    command = [
        sys.executable,
        "-m",
        "engine.data.drafting",
        str(path),
        str(folder),
        str(SECONDS),
        str(MEMORY),
        *([shape] if shape else []),
    ]
    # the system's allocator takes memory as it needs it, instead of reserving more than the bound at once
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
    told: dict[str, Any] = {}
    with (folder / LOG).open("w+b") as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=CODE, env=environment, text=True) as child:
            assert child.stdout is not None
            try:
                for line in child.stdout:
                    told = json.loads(line)
                    if progress is not None and "seen" in told:
                        progress(told["seen"])
            except BaseException:
                # a page that is drawn anew, or Ctrl-C: leaving waits for the child, so it must not go on
                child.kill()
                raise
        log.seek(max(0, log.tell() - 2000))
        complaint = log.read().decode(errors="replace").strip()
    if "error" in told:
        raise ERRORS[told["error"]](told["message"])
    if "result" in told:
        return told["result"]
    raise _ended(path, child.returncode, complaint)


def _ended(path: Path, code: int, complaint: str) -> TemperError:
    """Why the reading process ended without a word."""
    if code == -signal.SIGALRM:
        return UnreadableFile(
            f"{path.name} gave no rows for {SECONDS} seconds and is not read on. Save its rows as JSONL, one a line."
        )
    last = complaint.splitlines()[-1] if complaint else ""
    if code < 0 or "MemoryError" in last or "bad_alloc" in last:
        return UnreadableFile(
            f"{path.name} could not be read within {MEMORY // 2**20:,} MB of memory (the reader ended with {code}). Save its rows as JSONL, one a line."
        )
    return TemperError(f"The reader of {path.name} failed: {last or code}. This is a fault in the program; please report it.")


def open_draft(
    path: Path | str, shape: str | None = None, *, home: Home | None = None, progress: Callable[[int], None] | None = None
) -> Draft:
    """Read a file and say what it holds, with every problem; nothing is stored yet.

    The format is recognised unless ``shape`` names one. A process of its own reads, with a bound of memory and time.
    ``progress`` is told the number of rows seen. UnreadableFile or WrongShape where nothing can come of it.
    """
    path, home = files.place(path).absolute(), home or Home.resolve()
    if shape is not None and shape not in SHAPES:
        raise WrongShape(
            f"There is no shape {shape!r}. Choose one of {', '.join(SHAPES)}, or leave it out to have it recognised."
        )
    uploads.clear(home)
    try:
        folder = Path(tempfile.mkdtemp(prefix="draft-", dir=home.uploads))
    except OSError as error:
        raise _full(error, home) from None
    try:
        found = _child(path, folder, shape, progress)
        problems = []
        with (folder / PROBLEMS).open(encoding="utf-8") as file:
            for line, _ in zip(file, range(PROBLEMS_HELD), strict=False):
                told = json.loads(line)
                problems.append(Problem(told["row"], told["message"], told["shown"]))
        preview = json.loads((folder / PREVIEW).read_text(encoding="utf-8"))
        return Draft(path=path, problems=problems, preview=preview, folder=folder, **found)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def discard(draft: Draft) -> None:
    """Remove what reading a file left in the home."""
    shutil.rmtree(draft.folder, ignore_errors=True)


def problems_path(home: Home, dataset: Dataset) -> Path:
    """Where the rows that ``dataset`` was frozen without lie, one a line with row, message and source; there is none when all were good."""
    return home.datasets / f"{dataset.sha256}.problems.jsonl"


def set_aside(dataset: Dataset) -> int:
    """How many rows of its file ``dataset`` was frozen without."""
    return sum(step.get("bad", 0) for step in dataset.steps)


def freeze(home: Home, draft: Draft, name: str, keep_good: bool = True, steps: Sequence[dict[str, Any]] = ()) -> Dataset:
    """The next version of ``name``, with the good rows of ``draft``; the same rows as its latest version give that one back.

    ``steps`` say what made the rows before they were read. Bad rows are kept beside it with their reasons; BadInput, and nothing
    stored, where there are any and not ``keep_good``.
    """
    name = names.check(name, "a data set")
    if not draft.good:
        raise WrongShape(f"{draft.path.name} has no row that can be used. {_first(draft)}")
    if draft.bad and not keep_good:
        raise BadInput(
            f"{draft.bad} of the {draft.rows} rows of {draft.path.name} cannot be used. {_first(draft)} Mend them, or keep only the good rows."
        )
    target = datasets.path(home, draft.sha256)
    try:
        _place(draft, target)
        if draft.bad and (draft.folder / PROBLEMS).exists():
            with files.writing(target.with_suffix(".problems.jsonl")) as beside:
                shutil.copyfile(draft.folder / PROBLEMS, beside)
    except OSError as error:
        raise _full(error, home) from None
    step = {
        "step": "read", "file": draft.path.name, "format": draft.source_format, "rows": draft.rows, "bad": draft.bad, "left_out": draft.left_out,
    }  # fmt: skip
    problems = [{"row": p.row, "message": p.message, "shown": p.shown} for p in draft.problems[:PROBLEMS_STORED]]
    return datasets.insert(
        home,
        name=name,
        shape=draft.shape,
        rows=draft.good,
        sha256=draft.sha256,
        size=target.stat().st_size,
        steps=[*steps, step],
        problems=problems,
    )


def _first(draft: Draft) -> str:
    return f"Row {draft.problems[0].row}: {draft.problems[0].message}"


def _place(draft: Draft, target: Path) -> None:
    """The rows of ``draft`` under their hash, unless they already lie there whole."""
    if target.exists() and files.sha256(target) == draft.sha256:
        return
    if not (draft.folder / ROWS).exists():
        raise UnreadableFile(f"What was read of {draft.path.name} has been cleared away meanwhile. Read the file again.")
    with files.writing(target) as beside:
        shutil.move(draft.folder / ROWS, beside)


def check_version(home: Home, name: str, shape: str) -> None:
    """BadInput where data sets of that name hold another shape: a newer version is taken wherever the name alone is given."""
    before = datasets.find(home, names.check(name, "a data set"))
    if before is not None and before.shape != shape:
        raise BadInput(
            f"There is a data set {name} already, and it holds {before.shape}, not {shape}. Choose another name, so that what is "
            "meant by this one stays what it is."
        )


def add(
    home: Home,
    path: Path | str,
    name: str,
    shape: str | None = None,
    keep_good: bool = True,
    steps: Sequence[dict[str, Any]] = (),
) -> Dataset:
    """Read a file and freeze its rows in one go."""
    names.check(name, "a data set")
    draft = open_draft(path, shape, home=home)
    try:
        return freeze(home, draft, name, keep_good, steps)
    finally:
        discard(draft)


def made(
    home: Home, rows: Iterable[Mapping[str, Any]], name: str, shape: str, folder: Path, steps: Sequence[dict[str, Any]] = ()
) -> Dataset:
    """Freeze rows that were made here, by ``steps``; they are written into ``folder`` first and read like any file."""
    place = folder / f"{shape}.jsonl"
    files.write_text(place, "".join(pack(row) + "\n" for row in rows))
    return add(home, place, name, shape, steps=steps)


def find(home: Home, reference: str) -> Dataset:
    """The data set that ``name``, ``name@version`` or ``#id`` means; NotFound says which there are."""
    found = datasets.find(home, reference)
    if found is None:
        there = ", ".join(dict.fromkeys(dataset.name for dataset in datasets.all(home))) or "none yet"
        raise NotFound(f"There is no data set {reference}. There is: {there}.")
    return found


def scan(home: Home, dataset: Dataset) -> "polars.LazyFrame":
    """The rows of a data set as polars reads them lazily; Damaged where the file is gone or not of its size."""
    import polars

    path = datasets.path(home, dataset.sha256)
    if not path.exists() or path.stat().st_size != dataset.bytes:
        raise Damaged(f"The rows of {dataset.title} are no longer as they were frozen ({path}). Bring the file in again.")
    return polars.scan_parquet(path)


def verify(home: Home, dataset: Dataset) -> None:
    """Damaged unless every byte of the rows is as it was frozen."""
    scan(home, dataset)
    if files.sha256(datasets.path(home, dataset.sha256)) != dataset.sha256:
        raise Damaged(
            f"The rows of {dataset.title} are no longer as they were frozen: the file's hash differs. Bring the file in again."
        )


def rows(home: Home, dataset: Dataset, offset: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """Up to ``limit`` rows from ``offset`` on, as a chat template takes them; only their part of the file is read."""
    part = scan(home, dataset).slice(offset, limit).collect()
    return [restored(row, dataset.shape) for row in part.iter_rows(named=True)]


def every(home: Home, dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Every row of a data set, one part of the file after another."""
    for offset in range(0, dataset.rows, STEP):
        yield from rows(home, dataset, offset, STEP)


def export(home: Home, dataset: Dataset, path: Path | str) -> None:
    """Write the rows to ``path``, whole or not at all, as its ending says: .jsonl, .parquet or .csv (turns and tools as JSON text)."""
    path = files.place(path)
    if path.suffix not in ENDINGS:
        raise BadInput(f"{path.name} does not end with {', '.join(ENDINGS)}, so it is not clear what to write.")
    verify(home, dataset)
    try:
        with files.writing(path) as beside:
            WRITE[path.suffix](home, dataset, beside)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TemperError(f"The disk of {path} is full, nothing was written. Free some space and try again.") from None
        raise BadInput(f"{path} cannot be written: {error.strerror}. Choose another place.") from None


def _write_jsonl(home: Home, dataset: Dataset, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(
            pack({name: value for name, value in row.items() if value is not None}) + "\n" for row in every(home, dataset)
        )


def _write_parquet(home: Home, dataset: Dataset, path: Path) -> None:
    shutil.copyfile(datasets.path(home, dataset.sha256), path)


def _write_csv(home: Home, dataset: Dataset, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(scan(home, dataset).collect_schema().names())
        for row in every(home, dataset):
            writer.writerow([pack(value) if isinstance(value, list | dict | bool) else value for value in row.values()])


WRITE = {".jsonl": _write_jsonl, ".parquet": _write_parquet, ".csv": _write_csv}

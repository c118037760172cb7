"""No file can cost more than one process with a bound of time and memory, and each gives one error in words."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from engine.data import curate
from engine.errors import TemperError, UnreadableFile, WrongShape


def repeated(path: Path) -> None:
    """2 GiB of text in half a kilobyte: one value, named a thousand times."""
    column = pa.DictionaryArray.from_arrays(pa.array(numpy.zeros(1024, numpy.int32)), pa.array(["a" * 2_000_000]))
    pq.write_table(pa.table({"text": column}), path, compression="zstd")


def squeezed(path: Path) -> None:
    """A page that unfolds to 200 MB at once."""
    pq.write_table(
        pa.table({"text": pa.array(["b" * 100_000_000] * 2, pa.large_string())}), path,
        compression="zstd", use_dictionary=False, data_page_size=2**31 - 1,
    )  # fmt: skip


def zipped(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=6) as file:
        for _ in range(400):
            file.write(b'{"text": "' + b"z" * 2**20 + b'"}\n')


BOMBS = {
    "repeated.parquet": (repeated, "549 bytes but unfolds to more than 100 times that"),
    "squeezed.parquet": (squeezed, "needs more than 400 MB of memory"),
    "zipped.jsonl.gz": (zipped, "unfolds to more than 100 times that"),
    "line.json": (lambda path: path.write_bytes(b'{"text": "' + b"x" * 300_000_000), "line.json"),
    "deep.json": (lambda path: path.write_bytes(b"[" * 5_000_000), "nested too deeply"),
    "many.json": (lambda path: path.write_bytes(b'{"a": [' + b"[]," * 8_000_000 + b"[]]}"), "needs more than 400 MB of memory"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_would_fill_the_memory_gives_an_error_and_no_more(
    name, home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write, message = BOMBS[name]
    if "memory" in message:
        # a smaller bound, so that the test itself need not hold more
        monkeypatch.setattr(curate, "MEMORY", 400 * 2**20)
    write(tmp_path / name)
    begun = time.monotonic()
    with pytest.raises(UnreadableFile) as told:
        curate.open_draft(tmp_path / name, home=home)
    assert message.replace("549", str((tmp_path / name).stat().st_size)) in str(told.value)
    assert time.monotonic() - begun < 60
    assert list(home.uploads.iterdir()) == []


def test_reading_never_takes_more_memory_than_its_bound(tmp_path: Path):
    (tmp_path / "many.json").write_bytes(b'{"a": [' + b"[]," * 20_000_000 + b"[]]}")
    measured = f"""
import resource, sys
from engine.data import drafting
drafting.main([{str(tmp_path / "many.json")!r}, {str(tmp_path)!r}, "30", str(400 * 2**20)])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    # started by a small process: what a large parent held counts for its child
    command = f'"{sys.executable}" -c "$CODE"'
    done = subprocess.run(
        ["sh", "-c", command], env=os.environ | {"CODE": measured}, stdout=subprocess.PIPE, check=True, text=True
    )
    said, peak = done.stdout.splitlines()
    assert "needs more than 400 MB" in said
    assert int(peak) * 1024 <= 400 * 2**20


def test_an_endless_line_costs_only_itself(home, tmp_path: Path):
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(b'{"text": "fine"}\n{"text": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
        file.write(b'"}\n{"text": "fine too"}\n')
    draft = curate.open_draft(tmp_path / "a.jsonl", home=home)
    assert [(p.row, p.message) for p in draft.problems] == [(2, "The line is longer than 16 million characters.")]
    assert draft.preview == [{"text": "fine"}, {"text": "fine too"}]


def test_a_file_of_one_endless_line_is_refused(home, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b"question,answer" + b"x" * (20 * 2**20))
    with pytest.raises(UnreadableFile, match="line 1: The line is longer"):
        curate.open_draft(tmp_path / "a.csv", home=home)
    (tmp_path / "a.txt").write_bytes(b"x" * (20 * 2**20))
    with pytest.raises(WrongShape, match="Row 1: Line 1: The line is longer"):
        curate.open_draft(tmp_path / "a.txt", home=home)


def test_a_file_that_gives_nothing_is_given_up(home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(curate, "SECONDS", 1)
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(UnreadableFile, match="gave no rows for 1 seconds"):
        curate.open_draft(tmp_path / "a.jsonl", home=home)


def test_time_is_counted_from_the_last_rows_not_from_the_first(tmp_path: Path, jsonl):
    path = jsonl(*[{"question": "a", "answer": "b"}] * 10_000)
    slowly = f"""
import time
import pyarrow.parquet
from engine.data import drafting, reading

def rows(path, quick=reading.rows):
    for number, found in enumerate(quick(path)):
        if number % 1000 == 0:
            time.sleep(0.6)
        yield found

reading.rows = rows
drafting.main([{str(path)!r}, {str(tmp_path)!r}, "4", str(2**30)])
"""
    done = subprocess.run([sys.executable, "-c", slowly], stdout=subprocess.PIPE, check=True, text=True, cwd=curate.CODE)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["seen"] for line in told[:-1]] == list(range(1000, 10_001, 1000))
    assert told[-1]["result"]["good"] == 10_000


def test_progress_is_told_while_a_file_is_read(home, jsonl):
    seen: list[int] = []
    curate.open_draft(jsonl(*[{"question": "a", "answer": "b"}] * 3500), home=home, progress=seen.append)
    assert seen == [1000, 2000, 3000]


def test_a_reader_that_is_no_longer_wanted_is_ended(home, tmp_path: Path, jsonl):
    class Rerun(BaseException):
        pass

    def leave(seen: int) -> None:
        raise Rerun

    path = jsonl(*[{"question": "a", "answer": "b"}] * 20_000)
    with pytest.raises(Rerun):
        curate.open_draft(path, home=home, progress=leave)
    assert list(home.uploads.iterdir()) == []


def test_an_interrupt_does_not_wait_for_a_file_that_gives_nothing(home, tmp_path: Path):
    os.mkfifo(tmp_path / "a.jsonl")
    held = signal.signal(signal.SIGALRM, signal.default_int_handler)
    begun = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        with pytest.raises(KeyboardInterrupt):
            curate.open_draft(tmp_path / "a.jsonl", home=home)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, held)
    assert time.monotonic() - begun < 20
    assert list(home.uploads.iterdir()) == []


@pytest.mark.parametrize("full", ["rows.parquet", "problems.jsonl"])
def test_a_full_disk_gives_an_error_in_words(full, tmp_path: Path, jsonl):
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / full).symlink_to("/dev/full")
    path = jsonl({"question": "a", "answer": "b"}, {"question": "c"})
    child = subprocess.run(
        [sys.executable, "-m", "engine.data.drafting", str(path), str(tmp_path / "draft"), "30", str(2**30)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        cwd=curate.CODE,
    )
    assert '"message": "The disk is full: the rows of rows.jsonl find no room.' in child.stdout


def test_a_reader_that_fails_says_that_the_program_is_at_fault(home, jsonl, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(curate, "SECONDS", "soon")
    with pytest.raises(TemperError, match="invalid literal.*fault in the program"):
        curate.open_draft(jsonl({"text": "a"}), home=home)

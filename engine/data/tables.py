"""CSV and Parquet as rows."""

import csv
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.checks import LONGEST_ROW
from engine.data.dialogues import is_dialogue
from engine.data.lines import CHUNK, Found, lines
from engine.errors import UnreadableFile

SEPARATORS = ",;\t|"


def _cell(text: str) -> Any:
    """A cell of a CSV file: nothing where it is empty, a conversation where one is written as JSON."""
    if text.startswith(("[{", '{"')):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if is_dialogue(value) else text
    return text or None


def _separator(first: str) -> str:
    """The sign that parts most columns of a header."""
    return max(SEPARATORS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))


def comma_separated(path: Path) -> Iterator[Found]:
    """Rows below a header; the columns are parted by comma, semicolon, tab or bar, whichever gives most of them."""
    csv.field_size_limit(LONGEST_ROW)
    faults: dict[int, str] = {}

    def texts() -> Iterator[str]:
        for line in lines(path, ""):
            if line.fault:
                faults[line.number] = line.fault
            yield line.text

    source = texts()
    blank = 0
    while not (first := next(source, "\n")).strip():
        blank += 1
    separator = _separator(first)
    reader = csv.reader(itertools.chain([first], source), delimiter=separator, strict=True)
    header: list[str] = []
    while True:
        begins = reader.line_num + blank + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                raise UnreadableFile(
                    f"{path.name}: a quotation mark opened in the row of line {begins} is not closed. Close it and try again."
                ) from None
            yield Found(begins, None, f"Not CSV: {error}.")
            continue
        if not header:
            header = _header(path, cells, faults)
        elif cells:
            told = [f"Line {n}: {faults.pop(n)}" for n in sorted(faults) if begins <= n <= reader.line_num + blank]
            if not told and len(cells) != len(header):
                told = [f"The row has {len(cells)} values, but the header has {len(header)} columns."]
            if told:
                yield Found(begins, separator.join(cells), " ".join(told))
                continue
            yield Found(begins, {name: _cell(cell) for name, cell in zip(header, cells, strict=True) if name})


def _header(path: Path, cells: list[str], faults: dict[int, str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if faults:
        raise UnreadableFile(f"{path.name}, line {min(faults)}: {faults[min(faults)]}")
    for name in header:
        if header.count(name) > 1:
            raise UnreadableFile(
                f"{path.name} has two columns called {name!r}. Rename one."
                if name
                else f"{path.name} has two columns without a name."
            )
    return header


def parquet(path: Path) -> Iterator[Found]:
    """The rows of a Parquet file, a few at a time."""
    import pyarrow
    from pyarrow import parquet as pq

    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=CHUNK, memory_map=False)
        number = 0
        for batch in file.iter_batches(batch_size=64, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield Found(number, {name: _scalar(value) for name, value in row.items()})
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
        raise UnreadableFile(f"{path.name} is not a whole Parquet file: {str(error).splitlines()[0][:200]}.") from None


def _scalar(value: Any) -> Any:
    """A value of Parquet as JSON would hold it: dates and decimals become text."""
    if value is None or isinstance(value, str | bool | int | float | list | dict):
        return value
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)

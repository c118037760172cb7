"""Rows as Parquet, written a part at a time so that the same rows always give the same bytes.

Row groups end after a fixed number of rows or characters, columns have a fixed order, one thread writes, and a column's
type follows from all of its values.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.data.shapes import SHAPES, pack

GROUP_ROWS = 10_000
GROUP_CHARACTERS = 16 * 1024 * 1024
TURN_KEYS = ("role", "content", "name", "tool_call_id", "reasoning_content", "thinking", "tool_calls")


class Widened(Exception):
    """A later row needs a column or a type that the rows already written do not have: begin again, with what is known now."""


def kind_of(values: Iterable[Any]) -> str | None:
    """The one type that holds all ``values``: bool, int, float, text or turns; None where all are null."""
    types = set(map(type, values)) - {type(None)}
    if not types:
        return None
    if types == {int}:
        return "int" if all(value is None or -(2**63) <= value < 2**63 for value in values) else "text"
    names: dict[Any, str] = {bool: "bool", float: "float", list: "turns"}
    if len(types) == 1:
        return names.get(types.pop(), "text")
    return "float" if types == {int, float} else "text"


def joined(one: str | None, other: str | None) -> str | None:
    """The type that holds what either holds."""
    if one is None or other is None or one == other:
        return one or other
    return "float" if {one, other} == {"int", "float"} else "text"


class Columns:
    """The columns that the rows of one data set need. It only ever grows."""

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.kinds: dict[str, str] = {}
        self.turn_keys: set[str] = set()

    def widen(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Make room for ``rows``; whether that changed anything."""
        changed = False
        for name in set().union(*(row.keys() for row in rows)):
            values: list[Any] = [row.get(name) for row in rows]
            kind = joined(self.kinds.get(name), kind_of(values))
            if kind is not None and kind != self.kinds.get(name):
                self.kinds[name] = kind
                changed = True
            if kind == "turns":
                keys = set().union(*(turn.keys() for turns in values for turn in turns))
                changed = changed or not keys <= self.turn_keys
                self.turn_keys |= keys
        return changed

    @property
    def names(self) -> list[str]:
        """The columns of the shape, its optional ones, then all others by name."""
        shape = SHAPES[self.shape]
        first = [name for name in (*shape.columns, *shape.optional) if name in self.kinds]
        return first + sorted(self.kinds.keys() - set(first))

    def schema(self) -> Any:
        import pyarrow as pa

        types = {
            "bool": pa.bool_(),
            "int": pa.int64(),
            "float": pa.float64(),
            "text": pa.string(),
            "turns": pa.list_(self._turn()),
        }
        return pa.schema([(name, types[self.kinds[name]]) for name in self.names])

    def _turn(self) -> Any:
        import pyarrow as pa

        function = pa.struct([("name", pa.string()), ("arguments", pa.string())])
        calls = pa.list_(pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)]))
        return pa.struct([(key, calls if key == "tool_calls" else pa.string()) for key in TURN_KEYS if key in self.turn_keys])

    def array(self, name: str, rows: Sequence[dict[str, Any]]) -> Any:
        """One column of ``rows``."""
        import pyarrow as pa

        values: list[Any] = [row.get(name) for row in rows]
        kind = self.kinds[name]
        if kind == "text":
            return pa.array([v if v is None or isinstance(v, str) else pack(v) for v in values], pa.string())
        if kind != "turns":
            return pa.array(values, self.schema().field(name).type)
        offsets = [0]
        for turns in values:
            offsets.append(offsets[-1] + len(turns))
        turn = self._turn()
        fields = [pa.array([t.get(f.name) for turns in values for t in turns], f.type) for f in turn]
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(fields, fields=list(turn)))


def _length(row: dict[str, Any]) -> int:
    length = 0
    for value in row.values():
        if isinstance(value, str):
            length += len(value)
        elif isinstance(value, list):
            length += sum(len(turn["content"]) for turn in value)
    return length


class RowsFile:
    """A Parquet file being written. ``columns`` may know of earlier tries; Widened says that it has learnt something new."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path, self.columns = path, columns
        self.rows = self.characters = 0
        self._held: list[dict[str, Any]] = []
        self._length = 0
        self._writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        self._held.append(row)
        self._length += _length(row)
        if len(self._held) >= GROUP_ROWS or self._length >= GROUP_CHARACTERS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet as pq

        if not self._held:
            return
        if self.columns.widen(self._held) and self._writer is not None:
            raise Widened
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, self.columns.schema(), compression="zstd", compression_level=1)
        arrays = [self.columns.array(name, self._held) for name in self.columns.names]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self.columns.schema()), row_group_size=GROUP_ROWS)
        self.rows += len(self._held)
        self.characters += self._length
        self._held, self._length = [], 0

    def close(self, whole: bool = True) -> None:
        """End the file; not ``whole``, what is held is dropped."""
        if whole:
            self._write()
        if self._writer is not None:
            self._writer.close()

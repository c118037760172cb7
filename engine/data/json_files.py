"""JSON and JSONL as rows. A list is read through a window, so a long one is never held whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from engine.data.checks import LONGEST_ROW
from engine.data.dialogues import is_dialogue
from engine.data.lines import CHUNK, Found, lines, opened, undecoded
from engine.errors import UnreadableFile

WHOLE = 256 * 1024 * 1024  # characters of a JSON object that is read as one, because its columns are lists
WRAPPERS = ("data", "rows", "examples", "train", "items", "records", "instances")
PARTS = (*WRAPPERS, "validation", "valid", "val", "dev", "eval", "test")  # what lists of rows side by side are called


class _Json:
    """A JSON decoder that reads on past double keys and NaN, and keeps them as faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            self.faults.append(f"The key `{twice}` occurs twice, and it is not clear which value counts.")
        return result

    def _constant(self, name: str) -> None:
        self.faults.append(f"{name} is no value in JSON; write null or a number.")

    def faults_now(self) -> str:
        told, self.faults = " ".join(dict.fromkeys(self.faults)), []
        return told


def _checked(row: int, value: Any, fault: str) -> Found:
    if not fault and not isinstance(value, dict):
        fault = f"The row is {json.dumps(value)[:60]}, not an object with columns."
    return Found(row, value, fault)


def jsonl(path: Path) -> Iterator[Found]:
    """An object on each line; blank lines are passed over."""
    reader = _Json()
    for line in lines(path):
        if line.fault:
            yield Found(line.number, line.text.rstrip("\r\n"), line.fault)
            continue
        text = line.text.strip()
        if not text:
            continue
        try:
            value = reader.decoder.decode(text)
        except json.JSONDecodeError as error:
            reader.faults_now()
            yield Found(line.number, text, f"Not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}.")
        except RecursionError:
            reader.faults_now()
            yield Found(line.number, text[:1000], "Objects or lists are nested too deeply to be read.")
        except ValueError as error:
            reader.faults_now()
            yield Found(line.number, text[:1000], f"Not JSON that can be read: {str(error).split(';')[0]}.")
        else:
            yield _checked(line.number, value, reader.faults_now())


class _Stream:
    """A text file of which a window is held, for reading one JSON value after another."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path, self.file, self.reader = path, file, _Json()
        self.text, self.at, self.ended = "", 0, False
        self.line, self.column = 1, 0  # where the window begins in the file

    def more(self) -> bool:
        """Read on, at least as much as is held; False at the end of the file."""
        read = self.file.read(max(CHUNK, len(self.text) - self.at))
        self.ended = not read
        if self.ended:
            return False
        passed = self.text[: self.at]
        self.line += passed.count("\n")
        self.column = len(passed) - passed.rindex("\n") - 1 if "\n" in passed else self.column + len(passed)
        self.text, self.at = self.text[self.at :] + read, 0
        return True

    def next(self, passing: str = "") -> str:
        """The next character that is neither space nor in ``passing``; nothing at the end."""
        while True:
            while self.at < len(self.text):
                character = self.text[self.at]
                if not character.isspace() and character not in passing:
                    return character
                self.at += 1
            if not self.more():
                return ""

    def value(self, limit: int) -> tuple[Any, str]:
        """The value that begins here, and its faults. UnreadableFile, with the line, where none does."""
        while True:
            try:
                value, end = self.reader.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                self.reader.faults_now()
                if len(self.text) - self.at <= limit and self.more():
                    continue
                raise self.broken(error) from None
            except RecursionError:
                raise UnreadableFile(
                    f"{self.path.name}, from line {self.line_here()}: objects or lists are nested too deeply to be read."
                ) from None
            except ValueError as error:
                raise UnreadableFile(f"{self.path.name}, from line {self.line_here()}: {str(error).split(';')[0]}.") from None
            fault = self.reader.faults_now()
            fault = undecoded(self.text[self.at : end]) or fault
            self.at = end
            return value, fault

    def line_here(self) -> int:
        return self.line + self.text.count("\n", 0, self.at)

    def broken(self, error: json.JSONDecodeError) -> UnreadableFile:
        if len(self.text) - self.at > LONGEST_ROW and not self.ended:
            return UnreadableFile(
                f"{self.path.name}: the value from line {self.line_here()} on is too long to be read. Save rows as JSONL, one a line."
            )
        line, column = self.line + error.lineno - 1, error.colno + (self.column if error.lineno == 1 else 0)
        return UnreadableFile(
            f"{self.path.name} is not JSON: line {line}, character {column}: {error.msg}. Mend that place, or save rows as JSONL."
        )


def json_values(path: Path) -> Iterator[Found]:
    """A list of objects, an object of lists (its columns), an object with such a list in it, or objects one after another."""
    with opened(path, "") as file:
        stream = _Stream(path, file)
        if stream.next() == "[":
            stream.at += 1
            yield from _list(stream)
            return
        value, fault = stream.value(WHOLE)
        if stream.next():
            row = 0
            while True:
                row += 1
                yield _checked(row, value, fault)
                if not stream.next(","):
                    return
                value, fault = stream.value(LONGEST_ROW)
        if fault and not _is_one_row(value):
            raise UnreadableFile(f"{path.name}: {fault}")
        yield from _table(path, value, fault)


def _list(stream: _Stream) -> Iterator[Found]:
    row = 0
    while stream.next() != "]":
        if row:
            if stream.next() != ",":
                raise stream.broken(json.JSONDecodeError("a comma or the end of the list is missing", stream.text, stream.at))
            stream.at += 1
            stream.next()
        row += 1
        yield _checked(row, *stream.value(LONGEST_ROW))
    stream.at += 1
    if stream.next():
        raise stream.broken(json.JSONDecodeError("something follows after the end of the list", stream.text, stream.at))


def _is_one_row(value: Any) -> bool:
    """Whether an object is a row by itself rather than columns: it holds a conversation, or no lists."""
    if not isinstance(value, dict) or any(is_dialogue(part) for part in value.values()):
        return True
    return not any(isinstance(part, list) for part in value.values())


def _table(path: Path, value: Any, fault: str) -> Iterator[Found]:
    if _is_one_row(value):
        yield _checked(1, value, fault)
        return
    lists = {name: part for name, part in value.items() if isinstance(part, list)}
    parts = [name for name, part in lists.items() if part and all(isinstance(row, dict) for row in part[:100])]
    if len(parts) > 1 and any(name in PARTS for name in parts):
        told = ", ".join(f"`{name}` {len(lists[name])}" for name in parts[:8])
        raise UnreadableFile(
            f"{path.name} holds several lists of rows: {told}. Save each as a file of its own, and bring in those you want."
        )
    if (
        len(lists) == len(value)
        and len({len(part) for part in lists.values()}) == 1
        and not any(name in WRAPPERS for name in lists)
    ):
        for number, cells in enumerate(zip(*lists.values(), strict=True), 1):
            yield Found(number, dict(zip(lists, cells, strict=True)))
        return
    wrapped = [name for name in WRAPPERS if name in lists]
    if len(wrapped) == 1 and all(isinstance(part, dict) for part in lists[wrapped[0]][:100]):
        for number, row in enumerate(lists[wrapped[0]], 1):
            yield _checked(number, row, "")
        return
    if len(lists) == len(value):
        told = ", ".join(f"`{name}` {len(part)}" for name, part in list(lists.items())[:8])
        raise UnreadableFile(
            f"{path.name} holds columns of different lengths: {told}. Make them equal, or save one object a row."
        )
    yield _checked(1, value, fault)

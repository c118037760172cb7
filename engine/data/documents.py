"""Plain text and Markdown as rows of one passage each.

Where a file marks the end of a document (``<|endoftext|>``, form feed), it is cut there and nowhere else. Otherwise
Markdown is cut before its headings, and plain text at blank lines, or, having none, at every line.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.data.checks import LONGEST_ROW
from engine.data.lines import CHUNK, Found, lines, opened

ENDS = ("<|endoftext|>", "\f")


def passages(path: Path) -> Iterator[Found]:
    """The documents or passages of a plain text; a row's number is the line on which it begins."""
    head = _head(path)
    if "\n\n" in head.replace("\r", "") or "\n" not in head.strip():
        yield from _cut(path, head, lambda text, held: not text.strip())
    else:
        yield from _cut(path, head, lambda text, held: True)


def sections(path: Path) -> Iterator[Found]:
    """The sections of a Markdown file; a heading belongs to what follows it."""
    fenced = False

    def begins(text: str, held: list[str]) -> bool:
        nonlocal fenced
        if text.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        return not fenced and _is_heading(text) and not all(_is_heading(t) or not t.strip() for t in held)

    yield from _cut(path, _head(path), begins)


def _head(path: Path) -> str:
    with opened(path, "\n") as file:
        return file.read(CHUNK)


def _is_heading(text: str) -> bool:
    return text.startswith("#") and text.lstrip("#").startswith(" ")


def _parts(text: str) -> list[str]:
    """The pieces of a line between the ends of documents in it."""
    for sign in ENDS:
        text = text.replace(sign, "\f")
    return text.split("\f")


def _cut(path: Path, head: str, begins: Callable[[str, list[str]], bool]) -> Iterator[Found]:
    """Passages, a new one where ``begins`` says so of a line and of the lines held so far."""
    marked = any(sign in head for sign in ENDS)
    held: list[str] = []
    first, fault, length = 1, "", 0
    for line in lines(path):
        for i, part in enumerate(_parts(line.text) if marked else [line.text]):
            # a passage without end is cut, so that it is not held whole
            if i or (not marked and begins(part, held)) or length > LONGEST_ROW // 2:
                yield from _passage(first, held, fault)
                held, fault, length = [], "", 0
            if not held:
                first = line.number
            if held or part.strip():
                held.append(part)
                length += len(part)
        fault = fault or (f"Line {line.number}: {line.fault}" if line.fault else "")
    yield from _passage(first, held, fault)


def _passage(first: int, held: list[str], fault: str) -> Iterator[Found]:
    text = "".join(held).strip()
    if text:
        yield Found(first, text if fault else {"text": text}, fault)

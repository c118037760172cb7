"""The child process that takes the text out of documents: ``python -m engine.retrieval.extraction SECONDS MEMORY``.

It is told paths, one JSON text a line, and answers each with one line: sections of text with their headings, or why there are
none. Memory and time are bounded by the kernel, so that no document can harm more than this one process.
"""

import hashlib
import io
import json
import logging
import re
import resource
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

from engine.data.lines import encoding_of
from engine.data.reading import FOREIGN
from engine.errors import UnreadableFile

LARGEST = 50 * 1024 * 1024  # bytes of a file, and characters of what it unfolds to
LONGEST_HEADING = 200  # characters
PAGES = 20  # times SECONDS that the pages of one document may take together
HEADING = re.compile(r"#{1,6}\s+(.*?)(?:\s+#+)?\s*")
CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
# direction marks can show a text in another order than it is read by a model
UNSEEN = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt figcaption figure footer form header hr li main nav ol p pre section table tr ul".split()
)
DROPPED = frozenset("script style template noscript svg math iframe object select head".split())
TITLES = frozenset("h1 h2 h3 h4 h5 h6 title".split())


class Section(NamedTuple):
    """What stands below a heading, up to the next one; the text may be empty."""

    heading: str
    text: str


def clean(text: str) -> str:
    """The text composed (NFC), with ``\\n`` for every kind of line end, and without control and direction signs."""
    text = unicodedata.normalize("NFC", UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")))
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", kept)).strip()


def plain(text: str) -> list[Section]:
    """A plain text, which has no headings."""
    return [Section("", clean(text))]


def markdown(text: str) -> list[Section]:
    """The sections of a Markdown text; signs of headings within code are none."""
    found: list[Section] = []
    heading, held, fenced = "", [], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        title = None if fenced else HEADING.fullmatch(line)
        if title:
            found.append(_section(heading, "\n".join(held)))
            heading, held = title[1], []
        else:
            held.append(line)
    return [*found, _section(heading, "\n".join(held))]


def _section(heading: str, text: str) -> Section:
    return Section(" ".join(clean(heading).split())[:LONGEST_HEADING], clean(text))


class Page(HTMLParser):
    """Collects what a reader of an HTML page sees, as sections."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Section] = []
        self.heading, self.held = "", list[str]()
        self.title: io.StringIO | None = None
        self.dropped: list[str] = []
        self.exact = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in TITLES and self.dropped in ([], ["head"]):
            self.close_section()
            self.title = io.StringIO()
        elif tag in DROPPED:
            self.dropped.append(tag)
        elif tag == "body":
            self.dropped.clear()  # a head may end without saying so
        elif tag in BLOCKS:
            self._write("\n\n" if tag in ("p", "pre", "table", "section", "article") else "\n")
            self.exact += tag == "pre"
        elif tag in ("td", "th"):
            self._write("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in TITLES and self.title is not None:
            self.heading, self.title = self.title.getvalue(), None
        elif tag in self.dropped:
            del self.dropped[self.dropped.index(tag) :]
        elif tag in BLOCKS:
            self._write("\n\n" if tag in ("p", "pre", "table") else "\n")
            self.exact = max(0, self.exact - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if self.title is not None:
            self.title.write(data)
        elif not self.dropped:
            self._write(data if self.exact else re.sub(r"\s+", " ", data))

    def _write(self, text: str) -> None:
        if not self.exact and (not self.held or self.held[-1].endswith(("\n", " "))):
            text = text.removeprefix(" ")
        self.held += [text] if text else []

    def close_section(self) -> None:
        """End the section that was begun."""
        if self.title is not None:  # a heading that never ended
            self.heading, self.title = self.title.getvalue(), None
        self.found.append(_section(self.heading, "".join(self.held)))
        self.heading, self.held = "", list[str]()


def html(text: str) -> list[Section]:
    """The sections of an HTML page, without what is not shown: scripts, styles and the like."""
    page = Page()
    page.feed(text)
    page.close()
    page.close_section()
    return page.found


def pdf(name: str, content: bytes, tick: Callable[[], None]) -> list[Section]:
    """The pages of a PDF document, each under its number; ``tick`` is called before each."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    found, pages, length = [], 0, 0
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableFile(f"{name} is locked with a password. Save it without one.")
        for page in reader.pages:
            tick()
            pages += 1
            found.append(Section(f"Page {pages}", clean(page.extract_text())))
            length += len(found[-1].text)
            if length > LARGEST:
                raise UnreadableFile(f"{name} unfolds to more than {LARGEST // 2**20} million characters. Split it.")
    except DependencyError:
        raise UnreadableFile(f"{name} is locked in a way that cannot be opened here. Save it without a password.") from None
    except (
        PyPdfError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        AssertionError,
        RecursionError,
        OSError,
    ) as problem:
        # a damaged document can make the reader stumble anywhere
        said = (str(problem).splitlines() or [""])[0][:100] or type(problem).__name__
        raise UnreadableFile(f"{name} is no PDF that can be read: {said}. Export it again.") from None
    if pages and not any(section.text for section in found):
        raise UnreadableFile(f"{name} has {pages} pages but no text: it holds pictures only. Run text recognition on it first.")
    return found


def decoded(path: Path, content: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 with its mark, what an HTML page says of itself, or else Windows-1252."""
    for magic, kind in FOREIGN.items():
        if content.startswith(magic):
            raise UnreadableFile(f"{path.name} is {kind}. Take what it holds out, as text, Markdown, HTML or PDF.")
    encoding = encoding_of(path, content[:4096])
    said = CHARSET.search(content[:2048]) if b"<" in content[:2048] else None
    for one in (encoding, said[1].decode() if said else "cp1252"):
        try:
            text = content.decode(one)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    else:
        text = content.decode("cp1252", errors="replace")
    begin = text[:65536]
    if sum(unicodedata.category(c) == "Cc" and c not in "\n\r\t\f" for c in begin) > len(begin) // 10:
        raise UnreadableFile(f"{path.name} is not text. Give text, Markdown, HTML or PDF.")
    return text


def sections(path: Path, content: bytes, tick: Callable[[], None] = lambda: None) -> Iterator[Section]:
    """The sections of a document that hold something. UnreadableFile says why there are none."""
    if not content.strip():
        raise UnreadableFile(f"{path.name} is empty.")
    suffix = path.suffix.lower()
    if suffix == ".pdf" and b"%PDF-" not in content[:1024]:
        raise UnreadableFile(f"{path.name} is no PDF, or a damaged one: those begin with %PDF-. Fetch or write it again.")
    if b"%PDF-" in content[:1024]:
        found = pdf(path.name, content, tick)
    else:
        text = decoded(path, content)
        if suffix in (".html", ".htm", ".xhtml") or re.match(r"\s*<(!doctype html|html)\b", text, re.IGNORECASE):
            found = html(text)
        else:
            found = markdown(text) if suffix in (".md", ".markdown") else plain(text)
    if not any(section.text or section.heading for section in found):
        raise UnreadableFile(f"{path.name} holds no text.")
    yield from (section for section in found if section.text or section.heading)


def answer(path: Path, seconds: int, memory: int) -> dict[str, Any]:
    """What a path holds: the hash of its bytes and its sections, or the error in words."""
    left = PAGES

    def tick() -> None:
        nonlocal left
        left -= signal.alarm(seconds) < seconds // 2  # a page that took more than half of its time
        if left < 0:
            raise UnreadableFile(f"{path.name} takes too long to be read. Split it.")

    signal.alarm(seconds)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UnreadableFile(f"{path.name} is larger than {LARGEST // 2**20} MB. Split it.")
        return {"sha256": hashlib.sha256(content).hexdigest(), "sections": list(sections(path, content, tick))}
    except (UnreadableFile, OSError) as problem:
        return {"error": str(problem)}
    except MemoryError:
        return {
            "error": f"{path.name} needs more than {memory // 2**20:,} MB of memory to be read. Split it, or save it as text."
        }
    finally:
        signal.alarm(0)


def main(arguments: list[str]) -> None:
    """Answer for each path on the input within the bounds."""
    seconds, memory = int(arguments[0]), int(arguments[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, also from within a library
    for line in sys.stdin:
        print(json.dumps(answer(Path(json.loads(line)), seconds, memory)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

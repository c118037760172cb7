"""Votes and pairs in and out: JSONL of our own, AlpacaEval, Argilla, Label Studio and others (layouts.py)."""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.data import curate, reading
from engine.data.curate import Problem
from engine.data.shapes import UnusableRow, pack
from engine.errors import BadInput, UnreadableFile, WrongShape
from engine.preferences import pairs, projects
from engine.preferences.layouts import LAYOUTS, Layout
from engine.preferences.pairs import NewPair, Placed
from engine.preferences.values import NewVote
from storage import db, files, preferences
from storage.home import Home
from storage.preferences import DECIDING, Change, Repeated
from storage.records import Dataset, Project, Vote

LARGEST = 500 * 1024 * 1024  # bytes of a file of votes
TOGETHER = 1_000  # rows in one transaction
PROBLEMS_HELD = 1_000
DEEPEST = 100  # objects and lists within each other in a row
TOKEN = re.compile(r"[0-9a-f]{32}")
KINDS_READ = ("json", "jsonl", "csv")


@dataclass
class Brought:
    """What came of a file: how many pairs and votes are new or were known, and the rows that could not be used."""

    layout: str
    project: str = ""
    rows: int = 0
    pairs: int = 0
    known_pairs: int = 0
    votes: int = 0
    known_votes: int = 0
    bad: int = 0
    problems: list[Problem] = field(default_factory=list)


def bring(
    home: Home, project: Project | str, path: Path | str, layout: str | None = None, progress: Callable[[int], None] | None = None
) -> Brought:
    """Take the pairs and votes of a file into a project; what is there already does not come in twice.

    The layout is recognised unless it is named; a project named that there is not yet begins with the first row that can be used.
    UnreadableFile or WrongShape, and nothing stored, where nothing can come of it.
    """
    path = files.place(path)
    if layout is not None and layout not in LAYOUTS:
        raise BadInput(
            f"There is no layout {layout!r}. Choose one of {', '.join(LAYOUTS)}, or leave it out to have it recognised."
        )
    kind = reading.format_of(path)
    if kind not in KINDS_READ or path.stat().st_size > LARGEST:
        raise UnreadableFile(
            f"Votes are read from JSON, JSON lines and CSV of at most {LARGEST // 2**20} MB, and {path.name} is "
            f"{path.stat().st_size // 2**20} MB of {kind}. Bring in pairs without votes as a data set, and take them from there."
        )
    found = reading.rows(path)
    sample = list(itertools.islice(found, 100))
    chosen = _recognised([row.value for row in sample if not row.fault], path, layout)
    given = ((row.row, row.value, row.fault) for row in itertools.chain(sample, found))
    return _taken(home, project, chosen, given, progress)


def from_dataset(home: Home, project: Project | str, dataset: Dataset, progress: Callable[[int], None] | None = None) -> Brought:
    """Take the pairs of a frozen ``preference`` data set into a project; what it calls chosen is kept as a vote of its own."""
    if dataset.shape != "preference":
        raise WrongShape(f"Pairs come from data of the shape preference, and {dataset.title} holds {dataset.shape}.")
    curate.verify(home, dataset)
    rows = itertools.chain.from_iterable(
        curate.rows(home, dataset, begin, TOGETHER) for begin in range(0, dataset.rows, TOGETHER)
    )
    given = ((i, row, None) for i, row in enumerate(rows, 1))
    return _taken(home, project, LAYOUTS["preference"], given, progress)


def _recognised(sample: Sequence[Any], path: Path, layout: str | None) -> Layout:
    rows = [row for row in sample if isinstance(row, Mapping)]
    if layout is not None:
        return LAYOUTS[layout]
    for each in LAYOUTS.values():
        if any(map(each.is_like, rows)):
            return each
    there = f"only {', '.join(map(str, list(rows[0])[:12]))}" if rows else "no row of it is an object"
    raise WrongShape(
        f"{path.name} holds no compared answers that are known here: {there}. A row needs a prompt and two answers, such as "
        "prompt, first and second."
    )


def _taken(
    home: Home, project: Project | str, layout: Layout, given: Iterable[tuple[int, Any, str | None]], progress: Callable[[int], None] | None
) -> Brought:  # fmt: skip
    brought, seen = Brought(layout.name), Counter[str]()
    rows = iter(given)
    while block := list(itertools.islice(rows, TOGETHER)):
        read = list(_read(layout, block, brought))
        if read:
            project = projects.find_or_create(home, project) if isinstance(project, str) else project
            brought.project = project.name
            _store(home, project, read, seen, brought)
        if progress is not None:
            progress(brought.rows)
    if not brought.pairs + brought.known_pairs:
        first = brought.problems[0]
        raise WrongShape(f"No row can be used. Row {first.row}: {first.message}")
    return brought


def _store(
    home: Home, project: Project, read: Sequence[tuple[NewPair, list[NewVote]]], seen: Counter[str], brought: Brought
) -> None:
    with preferences.changing(home) as change:
        placed = pairs.place(change, project, [pair for pair, _ in read])
        for (_, votes), where in zip(read, placed, strict=True):
            brought.pairs += where.new
            brought.known_pairs += not where.new
            for vote in votes:
                _take_vote(change, project, where, vote, seen, brought)


def _read(
    layout: Layout, block: Iterable[tuple[int, Any, str | None]], brought: Brought
) -> Iterator[tuple[NewPair, list[NewVote]]]:
    for number, value, fault in block:
        brought.rows += 1
        try:
            if fault or not isinstance(value, Mapping):
                raise UnusableRow(fault or "The row is no object.")
            _check(value)
            pair, votes = layout.read(value)
            pairs.check(pair)
        except (UnusableRow, BadInput, KeyError) as problem:
            message = f"{problem.args[0]} is missing." if isinstance(problem, KeyError) else str(problem)
            brought.bad += 1
            if len(brought.problems) < PROBLEMS_HELD:
                brought.problems.append(Problem(number, message, _excerpt(value)))
            continue
        yield pair, votes


def _excerpt(value: Any) -> str:
    try:
        return pack(value)[:200].encode(errors="backslashreplace").decode()
    except RecursionError:
        return ""


def _check(row: Mapping[str, Any]) -> None:
    """UnusableRow where a row cannot be kept and written again as it is."""
    level: list[Any] = [row]
    for _ in range(DEEPEST):
        level = [
            part
            for value in level
            if isinstance(value, Mapping | list)
            for part in (value.values() if isinstance(value, Mapping) else value)
        ]
    if level:
        raise UnusableRow(f"The row is nested more than {DEEPEST} deep.")
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise UnusableRow(
            "The row holds half of a character (a surrogate without its other half), which no file can keep."
        ) from None
    except ValueError:
        raise UnusableRow("The row holds NaN or an infinite number, for which JSON has no word.") from None


def _take_vote(change: Change, project: Project, where: Placed, vote: NewVote, seen: Counter[str], brought: Brought) -> None:
    """Store a vote under its token, or one made of what it is, in the first round that is free."""
    given = vote.swapped() if where.swapped else vote
    mark = f"{where.pair_id} {given.labeller} {given.at} {given.round} {pack(given.extra)} {given.choice}"
    seen[mark] += 1
    token = _token(change.home, project, vote.token, f"{mark} {seen[mark]}")
    if preferences.vote_of(change.home, token) is not None:
        brought.known_votes += 1
        return
    begin = given.round or 0
    if begin == DECIDING and not _overrules(change, where.pair_id, given.at or db.now()):
        brought.known_votes += 1
        return
    values = {
        "project_id": project.id, "pair_id": where.pair_id, "labeller": given.labeller, "kind": given.kind,
        "flipped": None if given.flipped is None else int(given.flipped), "choice": given.choice, "strength": given.strength,
        "preference": given.preference, "criteria": given.criteria, "reason": given.reason, "edited": given.edited,
        "seconds": given.seconds, "source": "import", "extra": given.extra, "at": given.at or db.now(),
    }  # fmt: skip
    for round in itertools.count(begin):
        try:
            change.do("vote", token=token, round=round, **values)
        except Repeated:
            continue
        brought.votes += 1
        return


def _overrules(change: Change, pair_id: int, at: str) -> bool:
    """Take back the decisions on a pair that were made before ``at``, unless there is a later one."""
    if any(earlier.at > at for earlier in preferences.decisions(change.home, pair_id)):
        return False
    preferences.overrule(change, pair_id)
    return True


def _token(home: Home, project: Project, given: str | None, mark: str) -> str:
    """The token a vote came with, unless it is none of ours or stands in another project; else one that the same file gives again."""
    if given is not None and TOKEN.fullmatch(given):
        known = preferences.vote_of(home, given)
        if known is None or known.project_id == project.id:
            return given
        mark = given
    return hashlib.sha256(f"{project.id} {mark}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def export(home: Home, project: Project, path: Path | str, layout: str = "jsonl") -> int:
    """Write pairs and the votes that stand, whole or not at all; how many rows. A layout that holds votes only leaves out the rest."""
    written = LAYOUTS.get(layout)
    if written is None or written.write is None:
        can = ", ".join(name for name, each in LAYOUTS.items() if each.write)
        raise BadInput(f"Votes cannot be written as {layout!r}. Choose one of {can}.")
    by_pair: dict[int, list[Vote]] = {}
    for vote in preferences.votes(home, project.id):
        by_pair.setdefault(vote.pair_id, []).append(vote)
    rows = [row for pair in preferences.pairs(home, project.id) for row in written.write(pair, by_pair.get(pair.id, []))]
    body = "".join(pack(row) + "\n" for row in rows) if written.lines else json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    try:
        files.write_text(files.place(path), body)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}. Choose another place.") from None
    return len(rows)

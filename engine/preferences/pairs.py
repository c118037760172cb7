"""Pairs of answers on their way into a project: none comes in twice, in whichever order its answers stand."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.data import checks
from engine.data.shapes import pack
from engine.errors import BadInput
from engine.preferences import projects
from storage import db, preferences
from storage.home import Home
from storage.preferences import Change
from storage.records import Project

OPPOSITE = {"first": "second", "second": "first"}
LONGEST_ANSWER = 500_000  # characters
TOGETHER = 500  # pairs in one line of the ledger
# what is another value of a vote's field where the answers stand in the other order
TURNED: dict[str, Callable[[Any], Any]] = {
    "choice": lambda choice: OPPOSITE.get(choice, choice),
    "criteria": lambda said: {criterion: OPPOSITE.get(choice, choice) for criterion, choice in said.items()},
    "preference": lambda preference: 3 - preference,
    "flipped": lambda flipped: int(not flipped),
}


@dataclass(frozen=True)
class NewPair:
    """A prompt (turns) with two answers, and who wrote each: ``origin`` has the keys "first" and "second"."""

    prompt: list[dict[str, Any]]
    first: str
    second: str
    origin: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    gold: str | None = None


@dataclass(frozen=True)
class Placed:
    """Where a pair lies in the project; ``swapped`` says that its answers stand there in the other order."""

    pair_id: int
    swapped: bool
    new: bool


def turned(vote: Mapping[str, Any]) -> dict[str, Any]:
    """What a vote says, where the answers stand in the other order."""
    told = dict(vote)
    for name, other in TURNED.items():
        if told.get(name) is not None:
            told[name] = other(told[name])
    return told


def digest(prompt: Sequence[Any], first: str, second: str) -> str:
    """What names a pair by what it holds, its answers in this order."""
    return hashlib.sha256(pack([list(prompt), first, second]).encode("utf-8", "surrogatepass")).hexdigest()


def check(pair: NewPair) -> None:
    """BadInput where a pair cannot be labelled, or no data set could hold it."""
    faults = checks.dialogue(pair.prompt, "prompt", checks.ENDS["prompt"])
    if faults:
        raise BadInput(faults[0])
    if not pair.first.strip() and not pair.second.strip():
        raise BadInput("Both answers of the pair are empty.")
    if max(len(pair.first), len(pair.second)) > LONGEST_ANSWER:
        raise BadInput(f"An answer has more than {LONGEST_ANSWER:,} characters.")


def add(home: Home, project: Project, pairs: Sequence[NewPair]) -> list[Placed]:
    """Put pairs into a project; those that it has already stay as they are. Where each lies, in their order."""
    with preferences.changing(home) as change:
        return place(change, project, pairs)


def place(change: Change, project: Project, pairs: Sequence[NewPair]) -> list[Placed]:
    """The same within a change that is under way."""
    known = preferences.digests(change.home, project.id)
    chosen = projects.settings(projects.find(change.home, f"#{project.id}"))
    next_id, placed, rows = change.next_id("pair"), [], []
    for pair in pairs:
        own, other = digest(pair.prompt, pair.first, pair.second), digest(pair.prompt, pair.second, pair.first)
        if own in known or other in known:
            placed.append(Placed(known.get(own) or known[other], own not in known, False))
            continue
        check(pair)
        known[own] = next_id + len(rows)
        placed.append(Placed(known[own], False, True))
        rows.append(
            {
                "id": known[own], "digest": own, "prompt": pair.prompt, "first": pair.first, "second": pair.second,
                "origin": pair.origin, "extra": pair.extra, "gold": pair.gold,
                "raters": projects.raters_of(project.id, own, chosen),
                "place": projects.chance(f"place {project.id} {own}"),
            }
        )  # fmt: skip
    for begin in range(0, len(rows), TOGETHER):
        change.do("pairs", project_id=project.id, rows=rows[begin : begin + TOGETHER], at=db.now())
    return placed

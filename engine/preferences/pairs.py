"""Pairs of answers on their way into a project: none comes in twice, in whichever order its answers stand.

Where two models wrote the answers, they are part of what a pair is: the same two texts by other models, or by the same ones the other
way round, are another comparison.
"""

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

SIDES, NOBODY = ("first", "second"), "not known"
BY = ":"  # between what a pair holds and who wrote it, in its digest
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
    return _hashed([list(prompt), first, second])


def _hashed(of: Any) -> str:
    return hashlib.sha256(pack(of).encode("utf-8", "surrogatepass")).hexdigest()


def writers(origin: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which two models wrote the answers; None where that is not known, it was the same one twice, or a person corrected one."""
    sides = [origin.get(side) or {} for side in SIDES]
    first, second = (str(side.get("name") or NOBODY) for side in sides)
    if any("corrects" in side for side in sides) or NOBODY in (first, second) or first == second:
        return None
    return first, second


class _Known:
    """The pairs of a project by what they hold: by their texts, and of those by who wrote them."""

    def __init__(self, home: Home, project_id: int) -> None:
        self._home = home
        self._by_texts: dict[str, dict[str, int]] = {}
        for told, number in preferences.digests(home, project_id).items():
            texts, _, names = told.partition(BY)
            self._by_texts.setdefault(texts, {})[names] = number

    def add(self, texts: str, names: tuple[str, str] | None, number: int) -> str:
        """Take a pair in; the digest that it is stored under."""
        mark = _mark(names)
        self._by_texts.setdefault(texts, {})[mark] = number
        return f"{texts}{BY}{mark}" if mark else texts

    def find(self, texts: str, names: tuple[str, str] | None) -> int | None:
        """The number of the pair with these texts by these models; where it is not known by whom, of any with these texts."""
        there = self._by_texts.get(texts, {})
        if names is None:
            return next(iter(there.values()), None)
        return there.get(_mark(names)) or (there[""] if "" in there and self._wrote(there[""]) == names else None)

    def _wrote(self, number: int) -> tuple[str, str] | None:
        """Who wrote a pair that was stored by its texts alone, as all once were."""
        stored = preferences.pair(self._home, number)
        return writers(stored.origin) if stored is not None else None


def _mark(names: tuple[str, str] | None) -> str:
    return _hashed(list(names))[:16] if names else ""


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
    known = _Known(change.home, project.id)
    chosen = projects.settings(projects.find(change.home, f"#{project.id}"))
    next_id, placed, rows = change.next_id("pair"), [], []
    for pair in pairs:
        names, texts = writers(pair.origin), digest(pair.prompt, pair.first, pair.second)
        there = known.find(texts, names)
        other = (names[1], names[0]) if names else None
        turned_round = None if there else known.find(digest(pair.prompt, pair.second, pair.first), other)
        if there or turned_round:
            placed.append(Placed(there or turned_round or 0, not there, False))
            continue
        check(pair)
        number = next_id + len(rows)
        own = known.add(texts, names, number)
        placed.append(Placed(number, False, True))
        rows.append(
            {
                "id": number, "digest": own, "prompt": pair.prompt, "first": pair.first, "second": pair.second,
                "origin": pair.origin, "extra": pair.extra, "gold": pair.gold,
                "raters": projects.raters_of(project.id, own, chosen),
                "place": projects.chance(f"place {project.id} {own}"),
            }
        )  # fmt: skip
    for begin in range(0, len(rows), TOGETHER):
        change.do("pairs", project_id=project.id, rows=rows[begin : begin + TOGETHER], at=db.now())
    return placed

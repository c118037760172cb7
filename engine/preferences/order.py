"""Which pairs to label next: those of which a reward model or the judges are least sure, mixed with others drawn by chance.

The pairs drawn by chance are an honest control: only they tell how good the reward model or judge is, since the others were
chosen for being hard (Settles 2009, active learning). Each pair keeps why it stands where it does.
"""

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.preferences import projects
from storage import preferences
from storage.home import Home
from storage.records import Pair, Project, Vote

CONTROL, SHARE, SEED = 0.2, 0.5, 0  # of the pairs put first, those drawn by chance; of the pairs that wait, those put first


@dataclass(frozen=True)
class Guess:
    """What is thought of a pair: the answer that is ahead, and with which probability, from 0.5 to 1."""

    says: str
    sure: float


def waiting(home: Home, project: Project) -> list[Pair]:
    """The pairs that somebody still has to see."""
    return [pair for pair in preferences.pairs(home, project.id) if pair.missing > 0 and pair.gold is None]


def by_margin(margin: float) -> Guess:
    """The guess of a reward model that puts the first answer ahead by ``margin`` (Bradley and Terry 1952)."""
    return Guess("first" if margin >= 0 else "second", 1 / (1 + math.exp(-min(abs(margin), 700.0))))


def by_judges(votes: Sequence[Vote]) -> dict[int, Guess]:
    """What the judges think together of each pair, their preferences (from 1 to 2) averaged."""
    said: dict[int, list[float]] = defaultdict(list)
    usual = {"first": 1.0, "second": 2.0, "tie": 1.5, "bad": 1.5}
    for vote in votes:
        if vote.kind == "judge" and vote.round == 0 and vote.choice != "skip":
            said[vote.pair_id].append(usual[vote.choice] if vote.preference is None else vote.preference)
    means = {pair_id: sum(each) / len(each) for pair_id, each in said.items()}
    return {pair_id: Guess("first" if mean <= 1.5 else "second", 0.5 + abs(mean - 1.5)) for pair_id, mean in means.items()}


def arrange(
    home: Home, project: Project, guesses: Mapping[int, Guess], by: str, *, control: float = CONTROL, share: float = SHARE
) -> dict[str, int]:
    """Put the pairs that ``guesses`` is least sure of first, a share ``control`` drawn by chance among them; how many of each.

    BadInput where none of the pairs that wait has a guess.
    """
    check_shares(control, share)
    there = [pair for pair in waiting(home, project) if pair.id in guesses]
    if not there:
        raise BadInput(f"No pair of {project.name} that waits was judged by {by}. Add pairs, or let it judge them first.")
    ahead = math.ceil(share * len(there))
    unsure = iter(sorted(there, key=lambda pair: (guesses[pair.id].sure, pair.id)))
    drawn, taken = random.Random(f"{SEED} {project.id} {by}"), set[int]()
    rows: list[tuple[int, float, dict[str, Any] | None]] = []
    chance = iter(drawn.sample(there, len(there)))
    for number in range(ahead):
        group, source = ("random", chance) if drawn.random() < control else ("uncertain", unsure)
        pair = next(each for each in source if each.id not in taken)
        taken.add(pair.id)
        guess = guesses[pair.id]
        # places from 0 on are by chance, and what stands first lies below them
        rows.append((pair.id, number - ahead, {"by": by, "group": group, "says": guess.says, "sure": round(guess.sure, 4)}))
    rows += [
        (pair.id, projects.chance(f"place {project.id} {pair.digest}"), None)
        for pair in waiting(home, project)
        if pair.id not in taken and pair.place < 0
    ]
    with preferences.changing(home) as change:
        change.do("places", project_id=project.id, rows=rows)
    return {"uncertain": sum(r[2] is not None and r[2]["group"] == "uncertain" for r in rows), "random": sum(
        r[2] is not None and r[2]["group"] == "random" for r in rows)}  # fmt: skip


def check_shares(control: float, share: float) -> None:
    """BadInput where a share is none."""
    if not 0 <= control <= 1 or not 0 < share <= 1:
        raise BadInput(f"control takes a share from 0 to 1 and share one above 0, not {control!r} and {share!r}.")


def shuffle(home: Home, project: Project) -> int:
    """Let the pairs that wait stand in the order of chance again; how many stood elsewhere."""
    rows = [
        (pair.id, projects.chance(f"place {project.id} {pair.digest}"), None)
        for pair in preferences.pairs(home, project.id)
        if pair.place < 0 and pair.missing > 0
    ]
    if rows:
        with preferences.changing(home) as change:
            change.do("places", project_id=project.id, rows=rows)
    return len(rows)

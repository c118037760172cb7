"""One outcome from several votes on a pair: by majority, unanimously, or weighted by how reliable each labeller is."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storage.preferences import DECIDING
from storage.records import Pair, Vote

RULES = {
    "majority": "What more than half of the votes say; a pair without such a choice is left out",
    "unanimous": "What all votes say; a pair on which they differ is left out",
    "weighted": "What more than half of the votes' weight says; who is right more often weighs more",
}
BY = {"people": ("person",), "judges": ("judge",), "all": ("person", "judge")}
ENOUGH = 5  # known answers, or shared pairs, before a labeller's reliability is told from them
USUAL = 0.75  # of a labeller about whom nothing is known
LEAST, MOST = 0.52, 0.98  # nobody counts for nothing, and nobody for certain


@dataclass(frozen=True)
class Outcome:
    """What holds on a pair. ``choice`` is None where the votes give none; ``share`` is how far the winning side is ahead, from 0 to 1;
    ``strength`` is the mean of the winning votes' strengths less the others' (1 slightly, 2 clearly; 1 where none was given)."""

    choice: str | None
    votes: int
    share: float
    strength: float
    decided: bool = False  # by somebody who decides between others


def counting(votes: Iterable[Vote], by: str) -> dict[int, list[Vote]]:
    """The votes that count for each pair: first looks, of those asked for, without what was skipped; and decisions."""
    found: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.choice != "skip" and (vote.round == DECIDING or (vote.round == 0 and vote.kind in BY[by])):
            found[vote.pair_id].append(vote)
    return found


def settle(votes: Sequence[Vote], rule: str = "majority", weights: Mapping[str, float] | None = None) -> Outcome:
    """The outcome of the votes on one pair (those of ``counting``)."""
    deciding = [vote for vote in votes if vote.round == DECIDING]
    if deciding:
        return Outcome(deciding[-1].choice, len(votes), 1.0, 1.0, True)
    weight = weights if rule == "weighted" and weights is not None else {}
    totals: Counter[str] = Counter()
    for vote in votes:
        totals[vote.choice] += weight.get(vote.labeller, 1.0)  # type: ignore[assignment]
    if not totals:
        return Outcome(None, 0, 0.0, 0.0)
    choice, most = totals.most_common(1)[0]
    needed = len(votes) if rule == "unanimous" else math.nextafter(sum(totals.values()) / 2, math.inf)
    if most < needed:
        return Outcome(None, len(votes), 0.0, 0.0)
    against = {"first": "second", "second": "first"}.get(choice)
    share = (most - totals.get(against or "", 0)) / sum(totals.values())
    signed = [(vote.strength or 1) * (1 if vote.choice == choice else -1) for vote in votes if vote.choice in (choice, against)]
    return Outcome(choice, len(votes), share, max(0.0, sum(signed) / len(votes)))


def reliabilities(pairs: Mapping[int, Pair], votes: Sequence[Vote]) -> dict[str, float]:
    """How often each labeller is right, from known answers, else from what most of the others say; USUAL where neither tells."""
    right: dict[str, list[bool]] = defaultdict(list)
    shared: dict[str, list[bool]] = defaultdict(list)
    for pair_id, given in counting(votes, "all").items():
        gold = pairs[pair_id].gold if pair_id in pairs else None
        for vote in given:
            if vote.round == DECIDING:
                continue
            if gold is not None:
                right[vote.labeller].append(vote.choice == gold)
            others = [v for v in given if v.labeller != vote.labeller]
            said = settle(others).choice if others else None
            if said is not None:
                shared[vote.labeller].append(vote.choice == said)
    return {
        name: _share(right[name] if len(right[name]) >= ENOUGH else shared[name] if len(shared[name]) >= ENOUGH else [])
        for name in sorted({vote.labeller for vote in votes})
    }


def _share(told: Sequence[bool]) -> float:
    """A share by Laplace's rule, so that five right answers of five are not certainty."""
    return min(MOST, max(LEAST, (sum(told) + 1) / (len(told) + 2))) if told else USUAL


def weights(reliability: Mapping[str, float]) -> dict[str, float]:
    """What a vote of each labeller weighs: the log odds of being right, the best weights for independent votes (Nitzan and Paroush 1982)."""
    return {name: math.log(share / (1 - share)) for name, share in reliability.items()}

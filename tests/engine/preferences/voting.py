"""Votes between models of which the ratings are known, in points."""

import itertools

import numpy as np

from engine.preferences import rating
from engine.preferences.rating import Battle


def drawn(rng: np.random.Generator, truth: dict[str, float], count: int, ties: float = 0.0) -> list[Battle]:
    """Votes between two models; of each two a share of what both could win is a tie."""
    pairs, found = list(itertools.combinations(truth, 2)), []
    for one, other in (pairs[i] for i in rng.integers(len(pairs), size=count)):
        chance = 1 / (1 + 10 ** ((truth[other] - truth[one]) / rating.SCALE))
        tie = ties * 2 * min(chance, 1 - chance)
        score = rng.choice([1.0, 0.5, 0.0], p=[chance - tie / 2, tie, 1 - chance - tie / 2])
        found.append(Battle(one, other, float(score)) if rng.random() < 0.5 else Battle(other, one, 1 - float(score)))
    return found


def best_of(rng: np.random.Generator, truth: dict[str, float], count: int, sides: int) -> list[Battle]:
    """Votes for the best of several answers by Luce's axiom (1959), each told as its battles with every other one."""
    names, found = list(truth), []
    for i in range(count):
        asked = [names[at] for at in rng.permutation(len(names))[:sides]]
        best = max(asked, key=lambda name: truth[name] / rating.POINTS + rng.gumbel())
        found += [Battle(best, other, 1.0, act=f"vote {i}") for other in asked if other != best]
    return found


def held(battles: list[Battle], truth: dict[str, float]) -> list[bool]:
    """Whether the interval of each difference holds the truth."""
    found = rating.fit(battles, draws=200)
    spans = {pair: found.span(found.contrast(*pair)) for pair in itertools.combinations(found.names, 2)}
    return [span.low <= truth[one] - truth[other] <= span.high for (one, other), span in spans.items()]

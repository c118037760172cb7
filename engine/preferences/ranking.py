"""How strong models are, told from who was preferred over whom: Bradley-Terry, with what can and cannot be told from the votes.

The chance that one answer is preferred over another follows from the difference of two ratings (Bradley and Terry 1952); a tie is
half a win for each, as in Chatbot Arena (Chiang et al. 2024). A weak prior draws every rating to the mean, so that five wins of
five are not infinitely many points. With style control the votes are explained by how the answers look as well (Li et al. 2024,
"Does style matter?"): the ratings are then those of answers of the same style.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import BadInput
from engine.evaluation.intervals import Z

if TYPE_CHECKING:
    import numpy

SCALE, MIDDLE = 400.0, 1000.0  # points in which the odds grow tenfold; the rating of the anchor
POINTS = SCALE / math.log(10)  # in one unit of log odds
PRIOR = (
    0.3  # weight of the prior: ratings are taken to lie about 320 points around their mean, which seven wins of seven overcome
)
DRAWS, SEED = 500, 0  # of the bootstrap
STEPS, CLOSE, LONGEST = 100, 1e-10, 2.0  # of Newton's method
STYLE = ("length", "headings", "list items", "bold text")
TWICE = 1 / 3  # the difference in style between an answer and one that has twice as much
LEAST = 0.5  # points that are a difference
K, ORDERS = 4.0, 200  # of Elo, and of the orders in which the votes are told


@dataclass(frozen=True)
class Battle:
    """A vote between answers of two models: ``score`` is 1 where the first was preferred, 0 where the other, 0.5 for a tie.

    ``style`` is how much more of each of STYLE the first answer has, from -1 to 1 (their difference by their sum).
    """

    first: str
    second: str
    score: float
    style: tuple[float, ...] | None = None
    labeller: str = ""
    topic: str = ""
    act: str = ""


@dataclass(frozen=True)
class Span:
    """Points with their 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Standing:
    """A model's place. ``rank`` is one more than the number of models that are surely better; an anchor's rating has no interval."""

    name: str
    rating: Span
    rank: int
    battles: int
    wins: int
    ties: int


@dataclass(frozen=True)
class Difference:
    """By how many points one model is ahead of another, and how often they ``met``.

    ``more`` is how many more votes among all models it takes, as they come now, until the difference is decided if it is what it
    seems; None where it is decided already, or where it is none.
    """

    points: Span
    met: int
    more: int | None


@dataclass(frozen=True)
class Ranking:
    """The standings, best first, and what they rest on.

    ``groups`` are the models that met, be it through others: nothing but the prior tells of models in two groups. ``one_sided``
    won, or lost, every battle, so that their distance rests on the prior. ``style`` says what twice as much of each is worth.
    """

    standings: tuple[Standing, ...]
    differences: Mapping[tuple[str, str], Difference]
    groups: tuple[tuple[str, ...], ...]
    one_sided: tuple[str, ...]
    style: tuple[tuple[str, Span], ...]
    battles: int


@dataclass(frozen=True)
class Fit:
    """Ratings of ``names`` and then effects of style, in log odds, with all that their errors are told from."""

    names: tuple[str, ...]
    values: "numpy.ndarray"  # (names + style)
    covariance: "numpy.ndarray"  # of the curvature of the likelihood
    draws: "numpy.ndarray"  # (draws, names + style), of the bootstrap over votes
    dispersion: float  # the scores' variance by that of wins and losses alone, which ties make smaller

    def error(self, weights: "numpy.ndarray") -> float:
        """The standard error of a weighted sum: of the bootstrap's and the curvature's the larger. The bootstrap's is right where
        there are many ties, and the curvature's where somebody has won everything and all resamples say the same."""
        return max(float((self.draws @ weights).std()), math.sqrt(max(0.0, self.dispersion * self.curvature(weights))))

    def curvature(self, weights: "numpy.ndarray") -> float:
        """The variance of a weighted sum by the curvature of the likelihood alone."""
        return float(weights @ self.covariance @ weights)

    def span(self, weights: "numpy.ndarray", middle: float = 0.0) -> Span:
        """A weighted sum in points with its interval, around ``middle``."""
        value, reach = middle + POINTS * float(weights @ self.values), POINTS * Z * self.error(weights)
        return Span(value, value - reach, value + reach)

    def contrast(self, one: str, other: str | None) -> "numpy.ndarray":
        """The weights of the difference between two models, or between one and the mean."""
        import numpy as np

        weights = np.zeros(len(self.values))
        weights[self.names.index(one)] += 1
        if other is None:
            weights[: len(self.names)] -= 1 / len(self.names)
        else:
            weights[self.names.index(other)] -= 1
        return weights


def fit(battles: Sequence[Battle], prior: float = PRIOR, style: bool = False, draws: int = DRAWS) -> Fit:
    """The most likely ratings, and those of as many resamples of the votes as there are ``draws``."""
    import numpy as np

    names = tuple(sorted({name for battle in battles for name in (battle.first, battle.second)}))
    told = sorted(Counter((b.first, b.second, b.score, b.style if style else ()) for b in battles).items())
    rows = np.zeros((len(told), len(names) + len(STYLE) * style))
    for row, ((first, second, _, looks), _) in zip(rows, told, strict=True):
        row[names.index(first)], row[names.index(second)] = 1, -1
        row[len(names) :] = looks
    scores, counts = np.array([score for (_, _, score, _), _ in told]), np.array([float(count) for _, count in told])
    values, curvature = _newton(rows, scores, counts[None], prior)
    resampled = np.random.default_rng(SEED).multinomial(len(battles), counts / counts.sum(), size=draws).astype(float)
    drawn, _ = _newton(rows, scores, resampled, prior)
    chances = 1 / (1 + np.exp(-rows @ values[0]))
    ties = counts[scores == 0.5].sum() / (len(battles) + 2)
    spread = float((counts * chances * (1 - chances)).sum() / len(battles))
    dispersion = max(1 / (len(battles) + 2), 1 - ties / (4 * spread))
    return Fit(names, values[0], np.linalg.pinv(curvature[0]), drawn, dispersion)


def _newton(
    rows: "numpy.ndarray", scores: "numpy.ndarray", counts: "numpy.ndarray", prior: float
) -> tuple["numpy.ndarray", "numpy.ndarray"]:
    """The values (draws, columns) that make ``scores`` of ``rows`` most likely, for each draw of their ``counts`` (draws, rows),
    and the curvature (draws, columns, columns) there. Ratings are told from differences, so their sum is held at 0."""
    import numpy as np

    columns = rows.shape[1]
    values, held = np.zeros((len(counts), columns)), np.full((columns, columns), 1e-9) + np.eye(columns) * 1e-9
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-values @ rows.T))
        slope = (counts * (scores - chances)) @ rows - prior * values
        step = np.linalg.solve(_curvature(rows, counts * chances * (1 - chances), prior) + held, slope[..., None])[..., 0]
        values += np.clip(step, -LONGEST, LONGEST)
        if np.abs(step).max() < CLOSE:
            break
    chances = 1 / (1 + np.exp(-values @ rows.T))
    return values, _curvature(rows, counts * chances * (1 - chances), prior)


def _curvature(rows: "numpy.ndarray", weights: "numpy.ndarray", prior: float) -> "numpy.ndarray":
    import numpy as np

    return np.einsum("bn,ni,nj->bij", weights, rows, rows, optimize=True) + np.eye(rows.shape[1]) * prior


def rank(battles: Sequence[Battle], anchor: str | None = None, *, prior: float = PRIOR, style: bool = False) -> Ranking:
    """Rank the models of some battles; ``anchor`` has MIDDLE points, without one their mean has.

    BadInput where there are no battles, the anchor is in none, or a rating would be infinite since there is no ``prior``.
    """
    import numpy as np

    if not battles:
        raise BadInput("There is nothing to rank yet: no vote is between answers of two models.")
    groups, one_sided = _groups(battles), _one_sided(battles)
    if prior == 0 and (one_sided or len(groups) > 1):
        who = ", ".join(one_sided) or ", ".join(group[0] for group in groups)
        raise BadInput(f"Without a prior the distance of {who} is infinite or cannot be told. Rank with a prior.")
    fitted = fit(battles, prior, style)
    if anchor is not None and anchor not in fitted.names:
        raise BadInput(f"{anchor} has no votes yet, so it cannot be the anchor. Choose one of {', '.join(fitted.names)}.")
    met = Counter(frozenset((battle.first, battle.second)) for battle in battles)
    differences = {}
    for one in fitted.names:
        for other in fitted.names:
            if one != other:
                points = fitted.span(fitted.contrast(one, other))
                differences[one, other] = Difference(points, met[frozenset((one, other))], _more(points, len(battles)))
    standings = [
        Standing(
            name, fitted.span(fitted.contrast(name, anchor), MIDDLE),
            1 + sum(differences[other, name].points.low > 0 for other in fitted.names if other != name), *_record(name, battles),
        )
        for name in fitted.names
    ]  # fmt: skip
    looks = [
        (what, fitted.span(np.eye(len(fitted.values))[len(fitted.names) + i] * TWICE)) for i, what in enumerate(STYLE * style)
    ]
    standings.sort(key=lambda standing: -standing.rating.value)
    return Ranking(tuple(standings), differences, groups, one_sided, tuple(looks), len(battles))


def _more(points: Span, votes: int) -> int | None:
    """An interval becomes narrower with the root of the number of votes."""
    reach = points.high - points.value
    if points.decided or abs(points.value) < LEAST:
        return None
    return max(1, math.ceil(votes * ((reach / points.value) ** 2 - 1)))


def _record(name: str, battles: Iterable[Battle]) -> tuple[int, int, int]:
    """How many battles a model was in, won, and left as a tie."""
    scores = [b.score if b.first == name else 1 - b.score for b in battles if name in (b.first, b.second)]
    return len(scores), scores.count(1), scores.count(0.5)


def _groups(battles: Iterable[Battle]) -> tuple[tuple[str, ...], ...]:
    """The models that met, be it through others; the largest group first."""
    group: dict[str, set[str]] = {}
    for battle in battles:
        joined = group.get(battle.first, {battle.first}) | group.get(battle.second, {battle.second})
        group |= dict.fromkeys(joined, joined)
    found = {tuple(sorted(members)) for members in group.values()}
    return tuple(sorted(found, key=lambda members: (-len(members), members)))


def _one_sided(battles: Iterable[Battle]) -> tuple[str, ...]:
    """Models that won, or lost, every battle, and those that did so as a set: the graph of who beat whom cannot be walked both ways."""
    beats: dict[str, set[str]] = defaultdict(set)
    for battle in battles:
        beats[battle.first] |= {battle.second} if battle.score > 0 else set()
        beats[battle.second] |= {battle.first} if battle.score < 1 else set()
    reached = {name: _reach(name, beats) for name in beats}
    return tuple(sorted(n for n in beats if any((n in reached[other]) != (other in reached[n]) for other in beats if other != n)))


def _reach(begin: str, beats: Mapping[str, set[str]]) -> set[str]:
    seen, way = set[str](), [begin]
    while way:
        for name in beats[way.pop()] - seen:
            seen.add(name)
            way.append(name)
    return seen


def sentences(found: Ranking) -> list[str]:
    """What a ranking rests on and does not tell, in sentences."""
    said = []
    if len(found.groups) > 1:
        groups = "; ".join(", ".join(group) for group in found.groups)
        said.append(f"These never met, not even through others, so nothing is known of one against the other: {groups}.")
    if found.one_sided:
        said.append(
            f"{', '.join(found.one_sided)}: one side has won every battle, so how far apart they are is not told by the votes."
        )
    for (one, other), difference in found.differences.items():
        if one < other and difference.more is not None:
            said.append(f"{one} against {other} is open; about {difference.more:,} more votes as they come now would decide it.")
    for what, span in found.style:
        value, low, high = (f"{round(each):+d}" for each in (span.value, span.low, span.high))  # whole numbers know no -0
        said.append(f"Twice the {what} is worth {value} points ({low} to {high}).")
    return said


def wins(battles: Iterable[Battle]) -> dict[tuple[str, str], tuple[float, int]]:
    """What each model scored against each other (a tie is a half), and in how many battles."""
    told: dict[tuple[str, str], list[float]] = defaultdict(list)
    for battle in battles:
        told[battle.first, battle.second].append(battle.score)
        told[battle.second, battle.first].append(1 - battle.score)
    return {pair: (sum(scores), len(scores)) for pair, scores in told.items()}


def elo(battles: Sequence[Battle], orders: int = ORDERS) -> dict[str, Span]:
    """Elo's ratings after the votes in the order given, with the least and the greatest of random orders of the same votes.

    Elo follows strength that changes; of models, which do not, it tells another rating for every order of the same votes.
    """
    drawn, told = random.Random(SEED), _elo(battles)
    others = [_elo(drawn.sample(battles, len(battles))) for _ in range(orders)]
    return {
        name: Span(rating, *(pick([rating, *(each[name] for each in others)]) for pick in (min, max)))
        for name, rating in told.items()
    }


def _elo(battles: Iterable[Battle]) -> dict[str, float]:
    ratings: dict[str, float] = defaultdict(lambda: MIDDLE)
    for battle in battles:
        expected = 1 / (1 + 10 ** ((ratings[battle.second] - ratings[battle.first]) / SCALE))
        ratings[battle.first] += K * (battle.score - expected)
        ratings[battle.second] -= K * (battle.score - expected)
    return dict(ratings)

"""Ratings that make votes most likely, with their errors: Bradley and Terry's model under a weak prior.

The chance that one answer is preferred over another follows from the difference of two ratings (Bradley and Terry 1952); a tie is
half a win for each, as in Chatbot Arena (Chiang et al. 2024). A weak prior draws every rating to the mean, so that five wins of
five are not infinitely many points. With style control the votes are explained by how the answers look as well (Li et al. 2024,
"Does style matter?"). What a difference means, and which are told at all, is in ranking.py.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from engine.errors import BadInput
from engine.evaluation.intervals import Z

if TYPE_CHECKING:
    import numpy

SCALE = 400.0  # points in which the odds grow tenfold
POINTS = SCALE / math.log(10)  # in one unit of log odds
PRIOR = (
    0.3  # weight of the prior: ratings are taken to lie about 320 points around their mean, which seven wins of seven overcome
)
STYLE_PRIOR = (
    0.01  # of an effect for style that differs as it does on average: weak, so that the looks are credited before the model
)
DRAWS, SEED, TOGETHER = 500, 0, 50  # of the bootstrap, and how many are fitted at once
STEPS, HALVINGS, CLOSE, GAIN = 100, 40, 1e-6, 1e-4  # of Newton's method; the share of the promised gain that a step must bring
ROUNDING, FLAT = 1e-12, 1e-9  # of a likelihood; its curvature where it has no top
FEW = 4.0  # votes that are thought to be added without ties, as Agresti and Coull (1998) add four
STYLE = ("length", "headings", "list items", "bold text")
ALIKE = 0.1  # share of the differences in style that has to be left when writers are known: a variance inflation of ten

Row: TypeAlias = tuple[str, str, float, tuple[float, ...]]


@dataclass(frozen=True)
class Battle:
    """A comparison of answers of two models: ``score`` is 1 where the first was preferred, 0 where the other, 0.5 for a tie.

    ``style`` is how much more of each of STYLE the first answer has, from -1 to 1 (their difference by their sum); None where the
    texts are not known. Battles with the same ``act`` come from one act of voting, among three answers or more; one without is an
    act of its own.
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
class Votes:
    """Votes as numbers: different ``rows`` with their ``scores``, and the kinds of acts of voting that hold them.

    An act of kind ``kind[i]`` holds row ``at[i]``; ``times`` is how often each kind was seen. A row has 1 for the first model, -1
    for the second, and the difference in style.
    """

    rows: "numpy.ndarray"
    scores: "numpy.ndarray"
    kind: "numpy.ndarray"
    at: "numpy.ndarray"
    times: "numpy.ndarray"

    @cached_property
    def products(self) -> "numpy.ndarray":
        """Of each row the products of its columns by twos, in the order of the upper triangle."""
        import numpy as np

        one, other = np.triu_indices(self.rows.shape[1])
        return self.rows[:, one] * self.rows[:, other]

    def counts(self, times: "numpy.ndarray") -> "numpy.ndarray":
        """How often each row was seen if the kinds of acts were seen so many times."""
        import numpy as np

        return np.bincount(self.at, times[self.kind], len(self.rows))

    def summed(self, values: "numpy.ndarray", power: int) -> float:
        """The sum over acts of a power of what the ``values`` of an act's rows add up to."""
        import numpy as np

        return float(self.times @ np.bincount(self.kind, values[self.at]) ** power)

    def resampled(self, draws: int) -> Iterator["numpy.ndarray"]:
        """Counts of the rows (at most TOGETHER, rows) in resamples of whole acts of voting."""
        import numpy as np

        rng, acts, rows = np.random.default_rng(SEED), round(self.times.sum()), len(self.rows)
        for begin in range(0, draws, TOGETHER):
            drawn = rng.multinomial(acts, self.times / acts, size=min(TOGETHER, draws - begin))
            at = self.at + rows * np.arange(len(drawn))[:, None]
            yield np.bincount(at.ravel(), drawn[:, self.kind].ravel(), rows * len(drawn)).reshape(len(drawn), rows)


@dataclass(frozen=True)
class Fit:
    """Ratings of ``names`` and then effects of style, in log odds, with all that their errors are told from."""

    names: tuple[str, ...]
    values: "numpy.ndarray"  # (names + style)
    covariance: "numpy.ndarray"  # of the curvature of the likelihood and the prior
    draws: "numpy.ndarray"  # (draws, names + style), of the bootstrap over acts of voting
    prior: "numpy.ndarray"  # (names + style), the weight of each
    votes: Votes

    def error(self, weights: "numpy.ndarray") -> float:
        """The standard error of a weighted sum: of the bootstrap's and the curvature's the larger. The bootstrap's is right where
        there are many ties, and the curvature's where somebody has won everything and all resamples say the same."""
        return max(float((self.draws @ weights).std()), math.sqrt(self._scaled(weights)))

    def curvature(self, weights: "numpy.ndarray") -> float:
        """The variance of a weighted sum by the curvature alone, as if there were no ties and every battle an act of its own."""
        return float(weights @ self.covariance @ weights)

    def _scaled(self, weights: "numpy.ndarray") -> float:
        """The variance by the curvature, where the votes' part is scaled by what this very sum rests on: made smaller by the ties
        among those votes, and larger by battles of one act that say the same. The prior's part stays as it is.

        ``pull`` is by how much a battle moves the sum, and from it follows how many votes the sum rests on (Kish 1965). Ties count
        as if FEW votes more were without them, so that unanimous wins beside ties decide what they decide alone; of battles of one
        act one more is thought to say the same in all, since what fits everywhere tells nothing of how they go together.
        """
        import numpy as np

        told, moved = self.votes, self.covariance @ weights
        counts, pull, chances = told.counts(told.times), told.rows @ moved, _chances(told.rows @ self.values)
        prior, alone = float(self.prior @ moved**2), float(counts @ (pull**2 * chances * (1 - chances)))
        if alone <= 0:
            return prior
        number = told.summed(pull**2, 1) ** 2 / told.summed(pull**2, 2)
        ties = min(1.0, float(counts @ (pull**2 * told.scores * (1 - told.scores))) / alone)
        missed, one = pull * (told.scores - chances), alone / number
        most = told.summed(np.abs(pull), 2) / (counts @ pull**2)  # where all battles of an act say the same
        together = (told.summed(missed, 2) + one * most) / (counts @ missed**2 + one)
        return prior + alone * (1 - ties * number / (number + FEW)) * float(together)

    def span(self, weights: "numpy.ndarray", middle: float = 0.0) -> Span:
        """A weighted sum in points with its interval, around ``middle``."""
        value, reach = middle + POINTS * float(weights @ self.values), POINTS * Z * self.error(weights)
        return Span(value, value - reach, value + reach)

    def contrast(self, one: str, *others: str) -> "numpy.ndarray":
        """The weights of the difference between a model and the mean of others."""
        import numpy as np

        weights = np.zeros(len(self.values))
        weights[self.names.index(one)] += 1
        for other in others:
            weights[self.names.index(other)] -= 1 / len(others)
        return weights

    def confounded(self) -> tuple[str, ...]:
        """The parts of style that follow from who wrote, so that neither can be told without the other: known writers leave less
        than ALIKE of the squared differences."""
        import numpy as np

        told, columns = self.votes, len(self.names)
        counts = told.counts(told.times)
        writers, looks = told.rows[:, :columns], told.rows[:, columns:]
        known = np.linalg.pinv((writers.T * counts) @ writers) @ (writers.T * counts) @ looks
        whole, left = counts @ looks**2, counts @ (looks - writers @ known) ** 2
        return tuple(what for what, w, rest in zip(STYLE, whole, left, strict=False) if w and rest < ALIKE * w)


def acts(battles: Sequence[Battle]) -> int:
    """How many acts of voting some battles come from."""
    return len({battle.act for battle in battles if battle.act}) + sum(not battle.act for battle in battles)


def fit(battles: Sequence[Battle], prior: float = PRIOR, style: bool = False, draws: int = DRAWS) -> Fit:
    """The most likely ratings, and those of as many resamples of the acts of voting as there are ``draws``.

    With ``style`` every battle has to have one. BadInput where a rating is infinite, which takes a ``prior`` of 0.
    """
    import numpy as np

    names = tuple(sorted({name for battle in battles for name in (battle.first, battle.second)}))
    votes = _votes(battles, names, style)
    counts = votes.counts(votes.times)
    differ = counts @ votes.rows[:, len(names) :] ** 2 / counts.sum()
    # by the mean square: the same as a prior on style that is divided by its standard deviation, as Chatbot Arena divides it
    weights = np.concatenate([np.full(len(names), prior), STYLE_PRIOR * np.where(differ > 0, differ, 1.0)])
    values, curvature = _newton(votes, counts[None], weights, len(names), np.zeros(len(weights)))
    drawn = [_newton(votes, each, weights, len(names), values[0])[0] for each in votes.resampled(draws)]
    return Fit(names, values[0], np.linalg.pinv(curvature[0]), np.concatenate(drawn), weights, votes)


def _votes(battles: Sequence[Battle], names: Sequence[str], style: bool) -> Votes:
    import numpy as np

    held: dict[str, list[Row]] = defaultdict(list)
    for i, battle in enumerate(battles):
        held[f"act {battle.act}" if battle.act else f"alone {i}"].append(_row(battle, style))
    kinds = sorted(Counter(tuple(sorted(rows)) for rows in held.values()).items())
    place = {row: i for i, row in enumerate(sorted({row for rows, _ in kinds for row in rows}))}
    index = {name: i for i, name in enumerate(names)}
    rows = np.zeros((len(place), len(names) + len(STYLE) * style))
    for i, (first, second, _, looks) in enumerate(place):
        rows[i, index[first]], rows[i, index[second]] = 1, -1
        rows[i, len(names) :] = looks
    return Votes(
        rows, np.array([score for _, _, score, _ in place]),
        np.repeat(np.arange(len(kinds)), [len(held) for held, _ in kinds]),
        np.array([place[row] for held, _ in kinds for row in held]), np.array([float(times) for _, times in kinds]),
    )  # fmt: skip


def _row(battle: Battle, style: bool) -> Row:
    """A battle told from the model whose name comes first, so that it is the same whichever answer was called the first."""
    looks = battle.style or (0.0,) * len(STYLE) if style else ()
    if battle.first < battle.second:
        return battle.first, battle.second, battle.score, looks
    return battle.second, battle.first, 1 - battle.score, tuple(0.0 - each for each in looks)


def _newton(
    votes: Votes, counts: "numpy.ndarray", prior: "numpy.ndarray", models: int, start: "numpy.ndarray"
) -> tuple["numpy.ndarray", "numpy.ndarray"]:
    """The values (draws, columns) that make the scores most likely under the prior, for each draw of the ``counts`` of the rows
    (draws, rows), and the curvature (draws, columns, columns) there. Ratings are told from differences, so their sum is held.

    BadInput where a draw does not come to rest.
    """
    import numpy as np

    columns = votes.rows.shape[1]
    upper, held = np.triu_indices(columns), np.zeros((columns, columns))
    held[:models, :models] = 1.0
    values = np.repeat(start[None], len(counts), axis=0)
    for _ in range(STEPS):
        height, chances = _height(votes, counts, prior, values)
        curvature = np.zeros((len(counts), columns, columns))
        curvature[:, upper[0], upper[1]] = (counts * chances * (1 - chances)) @ votes.products
        curvature[:, upper[1], upper[0]] = curvature[:, upper[0], upper[1]]
        curvature += np.diag(prior)
        slope = (counts * (votes.scores - chances)) @ votes.rows - prior * values
        try:
            step = np.linalg.solve(curvature + held, slope[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        if np.abs(step).max() < CLOSE:
            if np.linalg.eigvalsh(curvature + held)[:, 0].min() < FLAT:
                break
            return values + step, curvature
        values = _stepped(votes, counts, prior, values, step, height, (slope * step).sum(axis=1))
    raise BadInput(
        "The votes do not tell these ratings: what makes them most likely is infinite or was not found in "
        f"{STEPS} steps. Rank without style control, and with a prior."
    )


def _stepped(
    votes: Votes, counts: "numpy.ndarray", prior: "numpy.ndarray", values: "numpy.ndarray", step: "numpy.ndarray",
    height: "numpy.ndarray", promised: "numpy.ndarray",
) -> "numpy.ndarray":  # fmt: skip
    """The values after a step that is halved, draw by draw, until the likelihood grows as its slope has ``promised`` (Armijo 1966):
    so no draw runs in a circle."""
    import numpy as np

    share = np.ones(len(counts))
    for _ in range(HALVINGS):
        reached, _ = _height(votes, counts, prior, values + share[:, None] * step)
        short = reached < height + GAIN * share * promised - ROUNDING * (1 + np.abs(height))
        if not short.any():
            break
        share[short] /= 2
    return values + share[:, None] * step


def _height(
    votes: Votes, counts: "numpy.ndarray", prior: "numpy.ndarray", values: "numpy.ndarray"
) -> tuple["numpy.ndarray", "numpy.ndarray"]:
    """The logarithm of likelihood and prior (draws), and the chance that the first is preferred in each row (draws, rows)."""
    import numpy as np

    odds = values @ votes.rows.T
    told = odds * votes.scores - np.maximum(odds, 0) - np.log1p(np.exp(-np.abs(odds)))
    return (counts * told).sum(axis=1) - (values**2 @ prior) / 2, _chances(odds)


def _chances(odds: "numpy.ndarray") -> "numpy.ndarray":
    """The chances for log odds, of whatever size."""
    import numpy as np

    small = np.exp(-np.abs(odds))
    return np.where(odds >= 0, 1, small) / (1 + small)

"""95 % intervals for scores and for the difference between two models on the same items.

Everything is a closed formula, so the same scores give the same interval. What an interval covers is the choice of items,
not the choice of the data set or of the wording of its prompts.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist, fmean, stdev

from engine.errors import BadInput
from storage.records import Interval

Z = NormalDist().inv_cdf(0.975)


def of_scores(scores: Sequence[float]) -> Interval:
    """The mean of ``scores`` (0 to 1) with its interval: Wilson's for 0 and 1, Student's t for anything between.

    BadInput when there is no score. Student's has no width where all scores between 0 and 1 are the same.
    """
    _require(scores)
    if _binary(scores):
        return wilson(round(sum(scores)), len(scores))
    return _student(scores, low=0.0, high=1.0)


def wilson(successes: int, n: int) -> Interval:
    """The share of ``successes`` in ``n`` with the score interval (Wilson 1927). Never outside 0 to 1, never of no width."""
    if n < 1 or not 0 <= successes <= n:
        raise BadInput(f"{successes} successes in {n} items cannot be a score.")
    share = successes / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Interval(share, 0.0 if successes == 0 else middle - reach, 1.0 if successes == n else middle + reach, n)


def paired_difference(scores: Sequence[float], against: Sequence[float]) -> Interval:
    """The mean of ``scores`` minus that of ``against`` over the same items in the same order, with its interval.

    For scores of 0 and 1 it is Tango's score interval (Statistics in Medicine 17, 1998, 891-908), which rests on the items
    where the two disagree and excludes 0 exactly when McNemar's test rejects; for anything else Student's t on the differences.
    """
    _require(scores)
    _require(against)
    if len(scores) != len(against):
        raise BadInput(f"{len(scores)} scores cannot be paired with {len(against)}: both models must answer the same items.")
    if _binary(scores) and _binary(against):
        won = sum(a > b for a, b in zip(scores, against, strict=True))
        lost = sum(a < b for a, b in zip(scores, against, strict=True))
        return tango(won, lost, len(scores))
    return _student([a - b for a, b in zip(scores, against, strict=True)], low=-1.0, high=1.0)


def tango(won: int, lost: int, n: int) -> Interval:
    """(won - lost) / n with Tango's score interval, where ``n`` pairs were compared and ``n - won - lost`` were alike."""
    if n < 1 or won < 0 or lost < 0 or won + lost > n:
        raise BadInput(f"{won} won and {lost} lost of {n} pairs cannot be a comparison.")

    def score(difference: float) -> float:
        """The standardised distance between what was seen and a true difference; it falls as the difference rises."""
        # the share of pairs lost that is likeliest under this difference: the larger root of Tango's quadratic
        b = 2 * n * difference - won * difference - won - lost + lost * difference
        c = lost * difference * (difference - 1)
        lost_share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        spread = n * (2 * lost_share + difference * (1 - difference))
        return (won - lost - n * difference) / math.sqrt(max(spread, 1e-300))

    middle = (won - lost) / n
    low = -1.0 if lost == n else _root(lambda d: score(d) - Z, -1.0, middle)
    high = 1.0 if won == n else _root(lambda d: score(d) + Z, middle, 1.0)
    return Interval(middle, low, high, n)


def _root(falls: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses 0 between ``low`` and ``high``, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) > 0 else (low, middle)
    return (low + high) / 2


def _require(scores: Sequence[float]) -> None:
    if not scores:
        raise BadInput("No item was scored, and nothing measured is not a result. Choose a data set whose rows can be scored.")
    for score in scores:
        if not 0 <= score <= 1:
            raise BadInput(f"A score lies between 0 and 1, and one is {score}.")


def _binary(scores: Sequence[float]) -> bool:
    return all(score in (0, 1) for score in scores)


def _student(values: Sequence[float], low: float, high: float) -> Interval:
    """Mean plus and minus t times its standard error, cut at the ends of the scale; the whole scale for a single value."""
    n, mean = len(values), fmean(values)
    if n == 1:
        return Interval(mean, low, high, n)
    reach = student_t(n - 1) * stdev(values) / math.sqrt(n)
    return Interval(mean, max(low, mean - reach), min(high, mean + reach), n)


def student_t(freedom: int) -> float:
    """The 97.5 % point of Student's t, from the finite series of its distribution (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    if freedom > 2000:  # beyond that the first term of the expansion around the normal is exact to seven digits
        return Z + (Z**3 + Z) / (4 * freedom)
    low, high = 1.9, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def _inside(t: float, freedom: int) -> float:
    """The probability that Student's t lies between -t and t."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    term = cosine if freedom % 2 else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total

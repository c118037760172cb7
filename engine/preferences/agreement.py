"""How far labellers agree: Cohen's kappa for two, Krippendorff's alpha for any number, with values missing.

Where a figure is not defined, it says why: agreement beyond chance cannot be told when nobody shared a pair, or when all said the
same of everything.

Sources: Cohen 1960, "A coefficient of agreement for nominal scales"; Krippendorff 2011, "Computing Krippendorff's
alpha-reliability"; the interval is the percentile bootstrap over units (Hayes and Krippendorff 2007).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

DRAWS, SEED = 1000, 0  # of the bootstrap
ALONE = "Nobody else has labelled the same pairs yet."
SAME = "All said the same of everything, so agreement cannot be told from chance."


@dataclass(frozen=True)
class Agreement:
    """A figure of at most 1 (0 is chance), with its 95 % interval where there is one; ``n`` units rest behind it.

    ``value`` is None where it is not defined, and ``why`` then says the reason.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    why: str = ""


def cohen(first: Sequence[Hashable], second: Sequence[Hashable]) -> Agreement:
    """Kappa of two labellers' values on the same units, in the same order."""
    n = len(first)
    if n == 0:
        return Agreement(None, 0, why=ALONE)
    same = sum(a == b for a, b in zip(first, second, strict=True)) / n
    one, other = Counter(first), Counter(second)
    by_chance = sum(one[value] * other[value] for value in one) / n**2
    if by_chance == 1:
        return Agreement(None, n, why=SAME)
    return Agreement((same - by_chance) / (1 - by_chance), n)


def _nominal(values: "numpy.ndarray", totals: "numpy.ndarray") -> "numpy.ndarray":
    import numpy

    return 1.0 - numpy.eye(len(values))


def _ordinal(values: "numpy.ndarray", totals: "numpy.ndarray") -> "numpy.ndarray":
    import numpy

    # between c and k lies half of each of the two, and all that is between them
    middles = numpy.cumsum(totals) - totals / 2
    return (middles[:, None] - middles[None, :]) ** 2


def _interval(values: "numpy.ndarray", totals: "numpy.ndarray") -> "numpy.ndarray":
    return (values[:, None] - values[None, :]) ** 2


def _ratio(values: "numpy.ndarray", totals: "numpy.ndarray") -> "numpy.ndarray":
    import numpy

    sums = values[:, None] + values[None, :]
    return ((values[:, None] - values[None, :]) / numpy.where(sums == 0, 1, sums)) ** 2


# how far two values are apart, squared: of the values in their order and how often each was given, (V,) and (V,) to (V, V)
LEVELS: dict[str, Callable[["numpy.ndarray", "numpy.ndarray"], "numpy.ndarray"]] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
    "ratio": _ratio,
}


def krippendorff(units: Sequence[Sequence[Any]], level: str = "nominal", draws: int = DRAWS) -> Agreement:
    """Alpha of the values given to each unit, by however many labellers; what is missing is left out of its unit.

    ``level`` is one of LEVELS; all but nominal take numbers. ``draws`` of the bootstrap give the interval, 0 for none.
    """
    import numpy

    shared = [unit for unit in units if len(unit) > 1]
    if not shared:
        return Agreement(None, 0, why=ALONE)
    values = sorted({value for unit in shared for value in unit}, key=(str if level == "nominal" else None))
    place = {value: i for i, value in enumerate(values)}
    counts = numpy.zeros((len(shared), len(values)))
    for row, unit in enumerate(shared):
        for value in unit:
            counts[row, place[value]] += 1
    numbers = numpy.arange(len(values), dtype=float) if level == "nominal" else numpy.array(values, dtype=float)
    alpha = _alpha(_coincidences(counts), numbers, level)
    if alpha is None:
        return Agreement(None, len(shared), why=SAME)
    found = _resampled(counts, numbers, level, draws)
    low, high = (float(numpy.quantile(found, q)) for q in (0.025, 0.975)) if len(found) else (None, None)
    return Agreement(alpha, len(shared), low, high)


def _coincidences(counts: "numpy.ndarray") -> "numpy.ndarray":
    """How often each two values meet in each unit, (U, V, V)."""
    import numpy

    met = counts[:, :, None] * counts[:, None, :]
    met[:, numpy.arange(counts.shape[1]), numpy.arange(counts.shape[1])] -= counts
    return met / (counts.sum(axis=1) - 1)[:, None, None]


def _alpha(coincidences: "numpy.ndarray", numbers: "numpy.ndarray", level: str) -> float | None:
    """Alpha of units that count once each, or as often as they were drawn; None where nothing varies."""
    met = coincidences.sum(axis=0)
    totals = met.sum(axis=1)
    apart = LEVELS[level](numbers, totals)
    expected = (totals[:, None] * totals[None, :] * apart).sum() / max(totals.sum() - 1, 1)
    return None if expected == 0 else float(1 - (met * apart).sum() / expected)


def _resampled(counts: "numpy.ndarray", numbers: "numpy.ndarray", level: str, draws: int) -> "list[float]":
    """Alpha of as many units drawn with replacement, for each draw in which it is defined."""
    import numpy

    coincidences, rng, n = _coincidences(counts), numpy.random.default_rng(SEED), len(counts)
    flat, found = coincidences.reshape(n, -1), []
    for _ in range(draws):
        often = numpy.bincount(rng.integers(0, n, n), minlength=n)
        one = (often @ flat).reshape(1, len(numbers), len(numbers))
        alpha = _alpha(one, numbers, level)
        if alpha is not None:
            found.append(alpha)
    return found

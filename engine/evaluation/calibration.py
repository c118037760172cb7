"""Whether who is surer is right more often: shares of right answers at each confidence (Guo et al. 2017)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.evaluation import intervals
from storage.records import Interval

BINS = 5  # of the confidence, from 0.5 to 1


@dataclass(frozen=True)
class Bin:
    """Choices of like confidence: how sure they were, and how often right."""

    confidence: float
    right: Interval


@dataclass(frozen=True)
class Calibration:
    """The bins that hold something, and the mean distance of confidence and accuracy over all choices."""

    bins: tuple[Bin, ...]
    error: float

    def summary(self) -> list[dict[str, Any]]:
        """The bins as they are stored."""
        return [asdict(b) for b in self.bins]


def calibrated(choices: Sequence[tuple[float, float]]) -> Calibration:
    """Of choices between two as (confidence from 0.5 to 1, 1 where right, 0 where wrong, a half between)."""
    binned: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for confidence, right in choices:
        binned[min(BINS - 1, int((confidence - 0.5) * 2 * BINS))].append((confidence, right))
    bins = tuple(
        Bin(sum(c for c, _ in each) / len(each), intervals.of_scores([right for _, right in each])) for each in binned if each
    )
    return Calibration(bins, sum(b.right.n * abs(b.confidence - b.right.value) for b in bins) / max(1, len(choices)))

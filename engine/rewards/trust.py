"""Whether a reward model may be believed, from pairs that it was not trained on.

Accuracy alone says little where the longer answer is usually the better one, or the shorter one, so the rule of length that is
right more often is measured on the same pairs, and a model that does not beat it may have learnt length.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.evaluation import intervals
from engine.evaluation.calibration import Bin, calibrated
from storage.records import Interval


@dataclass(frozen=True)
class Trust:
    """What held-out pairs say of a reward model.

    ``accuracy`` is the share of pairs with the chosen answer ahead, ``longer`` the share in which the chosen answer is the
    longer one, both with ties as a half; ``gain`` is the paired difference of accuracy and the better
    rule of length: that the longer answer wins, or that the shorter one does. ``length`` is Spearman's rank correlation of
    reward with tokens over all answers. ``calibration_error`` is the mean distance of confidence and accuracy (Guo et al. 2017).
    """

    accuracy: Interval
    longer: Interval
    gain: Interval
    length: float
    calibration: tuple[Bin, ...]
    calibration_error: float

    @property
    def beats_length(self) -> bool:
        """Whether the whole interval of the gain over the better rule of length lies above 0."""
        return self.gain.low > 0

    def summary(self) -> dict[str, Any]:
        """As it is stored with the run and beside the weights."""
        return asdict(self) | {"calibration": [asdict(b) for b in self.calibration], "beats_length": self.beats_length}


def _ahead(first: float, second: float) -> float:
    return 0.5 if first == second else float(first > second)


def test(chosen: Sequence[float], rejected: Sequence[float], tokens: Sequence[tuple[int, int]]) -> Trust:
    """Judge rewards of chosen and rejected answers, pair by pair; ``tokens`` are the lengths of both answers of each pair.

    BadInput where there is no pair.
    """
    right = [_ahead(c, r) for c, r in zip(chosen, rejected, strict=True)]
    longer = [_ahead(c, r) for c, r in tokens]
    rule = longer if sum(longer) * 2 >= len(longer) else [1 - x for x in longer]
    margins = [c - r for c, r in zip(chosen, rejected, strict=True)]
    found = calibrated([_sure(margin) for margin in margins])
    lengths = [length for pair in tokens for length in pair]
    rewards = [reward for pair in zip(chosen, rejected, strict=True) for reward in pair]
    return Trust(
        intervals.of_scores(right), intervals.of_scores(longer), intervals.paired_difference(right, rule),
        spearman(rewards, lengths), found.bins, found.error,
    )  # fmt: skip


def _sure(margin: float) -> tuple[float, float]:
    """By the Bradley-Terry model the answer ahead by d is the better one with probability 1 / (1 + exp(-d))."""
    return 1 / (1 + math.exp(-min(abs(margin), 700.0))), _ahead(margin, 0.0)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ties by their mean rank; 0 where one of the two does not vary."""
    import polars

    found = polars.select(polars.corr(polars.Series(first), polars.Series(second), method="spearman")).item()
    return found if math.isfinite(found) else 0.0

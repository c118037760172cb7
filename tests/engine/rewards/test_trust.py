"""The trust test: a reward model that has learnt length, or chance, is seen through."""

import random

import pytest

from engine.errors import BadInput
from engine.rewards import trust

RNG = random.Random(4)
LENGTHS = [(RNG.randint(5, 80), RNG.randint(5, 80)) for _ in range(300)]


def test_a_model_that_has_learnt_length_does_not_beat_the_length_rule() -> None:
    found = trust.test([c for c, _ in LENGTHS], [r for _, r in LENGTHS], LENGTHS)
    assert found.accuracy.value == found.longer.value and found.gain.value == 0
    assert not found.beats_length and found.length == pytest.approx(1)


def test_a_model_that_has_learnt_brevity_does_not_beat_the_length_rule_either() -> None:
    found = trust.test([-c for c, _ in LENGTHS], [-r for _, r in LENGTHS], LENGTHS)
    shorter = [(max(p), min(p)) for p in LENGTHS]  # the shorter one is chosen
    brief = trust.test([-float(r) for _, r in shorter], [-float(c) for c, _ in shorter], [(r, c) for c, r in shorter])
    assert found.gain.value <= 0 and brief.accuracy.value > 0.95
    assert not found.beats_length and not brief.beats_length


def test_a_model_that_knows_better_than_length_is_believed() -> None:
    found = trust.test([1.0] * 300, [0.0] * 300, LENGTHS)
    assert found.accuracy.value == 1 and 0.4 < found.longer.value < 0.6
    assert found.beats_length and abs(found.length) < 0.15


def test_a_model_that_guesses_is_not_believed_and_its_confidence_is_shown_to_be_false() -> None:
    rewards = [(RNG.gauss(0, 4), RNG.gauss(0, 4)) for _ in LENGTHS]
    found = trust.test([c for c, _ in rewards], [r for _, r in rewards], LENGTHS)
    assert found.accuracy.low < 0.5 < found.accuracy.high
    assert not found.beats_length and found.calibration_error > 0.3


def test_a_model_whose_margins_are_the_true_odds_is_calibrated() -> None:
    margins = [RNG.gauss(0, 1.5) for _ in range(5000)]
    found = trust.test([m if RNG.random() < 1 / (1 + 2.718281828**-m) else -m for m in margins], [0.0] * 5000, [(1, 1)] * 5000)
    assert found.calibration_error < 0.03 and len(found.calibration) == 5


def test_equal_rewards_count_as_a_half() -> None:
    assert trust.test([1.0, 2.0], [1.0, 2.0], [(3, 3), (4, 4)]).accuracy.value == 0.5
    with pytest.raises(BadInput):
        trust.test([], [], [])


def test_the_rank_correlation_gives_ties_their_mean_rank() -> None:
    assert trust.spearman([1, 2, 2, 3], [10, 20, 30, 40]) == pytest.approx(3 / 10**0.5)  # ranks 1, 2.5, 2.5, 4 and 1 to 4
    assert trust.spearman([1, 1, 1], [1, 2, 3]) == 0

"""Intervals against worked examples that others have published."""

import math
import random

import pytest

from engine.errors import BadInput
from engine.evaluation import intervals


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombes_examples(successes: int, n: int, low: float, high: float) -> None:
    found = intervals.wilson(successes, n)
    assert (round(found.low, 4), round(found.high, 4), found.n) == (low, high, n)
    assert found.value == successes / n


@pytest.mark.parametrize(
    ("won", "lost", "n", "low", "high"),
    [
        (9, 3, 32, -0.027, 0.390),  # Tango, Statistics in Medicine 17 (1998) 891-908
        (16, 8, 86, -0.020, 0.207),  # Agresti and Min, Statistics in Medicine 24 (2005) 729-740
        (1, 7, 21, -0.517, -0.026),  # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014) 2850-2875
    ],
)
def test_the_paired_interval_is_that_of_published_examples(won: int, lost: int, n: int, low: float, high: float) -> None:
    found = intervals.tango(won, lost, n)
    assert (round(found.low, 3), round(found.high, 3)) == (low, high)
    assert found.value == pytest.approx((won - lost) / n)


def test_the_paired_interval_excludes_nothing_happened_exactly_when_mcnemars_test_rejects() -> None:
    for n in (5, 30, 200):
        for won in range(0, n + 1, max(1, n // 15)):
            for lost in range(0, n + 1 - won, max(1, n // 15)):
                found = intervals.tango(won, lost, n)
                rejects = won + lost > 0 and abs(won - lost) / math.sqrt(won + lost) > intervals.Z
                assert (found.low > 0 or found.high < 0) == rejects, (won, lost, n)
                assert -1 <= found.low <= found.value <= found.high <= 1
                mirrored = intervals.tango(lost, won, n)
                assert mirrored.low == pytest.approx(-found.high, abs=1e-9)


def test_two_models_that_never_disagreed_are_not_said_to_be_equal_for_certain() -> None:
    found = intervals.paired_difference([1.0] * 50 + [0.0] * 50, [1.0] * 50 + [0.0] * 50)
    assert found.value == 0
    assert found.low == pytest.approx(-0.037, abs=1e-3)
    assert found.high == pytest.approx(0.037, abs=1e-3)


@pytest.mark.parametrize(
    ("freedom", "point"),  # tables of Student's t, 97.5 %
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (29, 2.045), (30, 2.042), (120, 1.980)],
)
def test_students_t_is_that_of_the_tables(freedom: int, point: float) -> None:
    assert round(intervals.student_t(freedom), 3) == point


def test_students_t_is_smooth_where_the_series_gives_way_to_the_expansion() -> None:
    assert 0 < intervals.student_t(2000) - intervals.student_t(2001) < 2e-6


def test_scores_of_right_and_wrong_take_wilsons_interval_and_others_students() -> None:
    assert intervals.of_scores([1.0, 0.0, 1.0, 1.0]) == intervals.wilson(3, 4)
    graded = intervals.of_scores([0.2, 0.4, 0.6, 0.8])
    # mean 0.5, standard deviation 0.2582, t with 3 degrees 3.182
    assert graded.value == pytest.approx(0.5)
    assert graded.high - graded.value == pytest.approx(3.182 * 0.2582 / 2, abs=1e-3)


def test_a_difference_of_graded_scores_is_taken_item_by_item() -> None:
    found = intervals.paired_difference([0.5, 0.7, 0.9, 0.6], [0.4, 0.6, 0.8, 0.4])
    # differences 0.1, 0.1, 0.1, 0.2: mean 0.125, standard error 0.025
    assert found.value == pytest.approx(0.125)
    assert found.low == pytest.approx(0.125 - 3.1824 * 0.025, abs=1e-4)


def test_nothing_scored_is_an_error_and_no_pass() -> None:
    with pytest.raises(BadInput, match="nothing measured is not a result"):
        intervals.of_scores([])
    with pytest.raises(BadInput, match="nothing measured is not a result"):
        intervals.paired_difference([], [])


def test_scores_that_are_none_are_refused() -> None:
    with pytest.raises(BadInput, match="between 0 and 1, and one is nan"):
        intervals.of_scores([1.0, math.nan])
    with pytest.raises(BadInput, match="same items"):
        intervals.paired_difference([1.0], [1.0, 0.0])


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng, held, held_paired, tries = random.Random(4), 0, 0, 600
    for _ in range(tries):
        scores = [float(rng.random() < 0.3) for _ in range(60)]
        other = [float(rng.random() < (0.75 if score else 0.25)) for score in scores]
        found, paired = intervals.of_scores(scores), intervals.paired_difference(scores, other)
        held += found.low <= 0.3 <= found.high
        held_paired += paired.low <= 0.3 - (0.3 * 0.75 + 0.7 * 0.25) <= paired.high
    assert 0.92 <= held / tries <= 0.98
    assert 0.92 <= held_paired / tries <= 0.98

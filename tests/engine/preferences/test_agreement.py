"""Agreement against a published example and two other implementations, and where it is not defined."""

import csv
import random
import warnings
from pathlib import Path

import evalica
import pandas
import pytest
from sklearn.metrics import cohen_kappa_score

from engine.preferences.agreement import ALONE, SAME, cohen, krippendorff

EXAMPLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "agreement_krippendorff_2011.csv"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the published example is not here")
@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491), ("ratio", 0.7974)])
def test_alpha_is_that_of_the_published_example(level: str, alpha: float) -> None:
    with EXAMPLE.open() as file:
        units = [[float(row[who]) for who in "ABCD" if row[who]] for row in csv.DictReader(file)]
    found = krippendorff(units, level)
    assert found.value == pytest.approx(alpha, abs=5e-5)
    assert found.low is not None and found.high is not None and found.low < alpha < found.high
    assert found.n == 11, "a unit with one value tells nothing"


def ragged(seed: int, labellers: int = 4, units: int = 40) -> list[list[float | None]]:
    """Values of some labellers for each unit, some of them missing, agreeing about half of the time."""
    rng = random.Random(seed)
    truth = [rng.randint(1, 5) for _ in range(units)]
    return [
        [None if rng.random() < 0.25 else float(t if rng.random() < 0.5 else rng.randint(1, 5)) for _ in range(labellers)]
        for t in truth
    ]  # fmt: skip


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
@pytest.mark.parametrize("seed", range(8))
def test_alpha_is_that_of_another_implementation_on_random_data(level: str, seed: int) -> None:
    rows = ragged(seed)
    table = pandas.DataFrame(rows, dtype=float).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = evalica.alpha(table, distance=level, solver="naive").alpha  # type: ignore[arg-type]
    ours = krippendorff([[value for value in row if value is not None] for row in rows], level, draws=0)
    assert ours.value == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_kappa_is_that_of_another_implementation_on_random_data(seed: int) -> None:
    rng = random.Random(seed)
    first = [rng.choice(["first", "second", "tie"]) for _ in range(60)]
    second = [one if rng.random() < 0.4 else rng.choice(["first", "second", "tie", "bad"]) for one in first]
    assert cohen(first, second).value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_kappa_of_a_table_worked_by_hand() -> None:
    # 20 both yes, 5 yes and no, 10 no and yes, 15 both no: 0.70 observed, 0.50 by chance
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen(first, second).value == pytest.approx(0.4)


def test_where_agreement_is_not_defined_the_reason_is_said() -> None:
    assert (krippendorff([["a"], ["b"]]).value, krippendorff([["a"], ["b"]]).why) == (None, ALONE)
    assert (krippendorff([["a", "a"], ["a", "a"]]).value, krippendorff([["a", "a"]]).why) == (None, SAME)
    assert (cohen([], []).value, cohen([], []).why) == (None, ALONE)
    assert (cohen(["a"], ["a"]).value, cohen(["a"], ["a"]).why) == (None, SAME)


def test_the_interval_holds_the_figure_and_narrows_with_more_units() -> None:
    few, many = ([[v for v in row if v is not None] for row in ragged(3, units=n)] for n in (30, 600))
    small, large = krippendorff(few), krippendorff(many)
    assert small.low is not None and small.high is not None and large.low is not None and large.high is not None
    assert small.value is not None and small.low < small.value < small.high
    assert large.high - large.low < (small.high - small.low) / 2


def test_agreement_is_the_same_whoever_stands_first() -> None:
    units = [[v for v in row if v is not None] for row in ragged(5)]
    assert krippendorff([unit[::-1] for unit in units], "ordinal", draws=0) == krippendorff(units, "ordinal", draws=0)


@pytest.mark.parametrize(
    ("units", "alpha"),
    [
        ([["a", "a"], ["b", "b"]], 1.0),  # all agree
        ([["a", "a"], ["a", "b"], ["b", "b"]], 4 / 9),  # 2 of 6 values meet another; by chance 3 x 3 x 2 of 30
        ([["a", "b"], ["a", "b"]], -0.5),  # never the same: below chance
        ([["a", "a", "b"]], 0.0),  # three who share one unit
        ([["a", "a"], ["b", "b"], ["c"]], 1.0),  # whom nobody else shares tells nothing
    ],
)
def test_alpha_of_units_worked_by_hand(units: list[list[str]], alpha: float) -> None:
    assert krippendorff(units, draws=0).value == pytest.approx(alpha)


def test_steps_that_lie_further_apart_weigh_more() -> None:
    near, far = [[1, 2], [1, 1], [4, 4]], [[1, 4], [1, 1], [4, 4]]
    for level in ("ordinal", "interval", "ratio"):
        one, other = (krippendorff(units, level, draws=0).value for units in (near, far))
        assert one is not None and other is not None and one > other
    # (1 - 2)^2 twice of 6 values; by chance 1 with 2, 1 with 4 and 2 with 4, squared, of 30
    assert krippendorff(near, "interval", draws=0).value == pytest.approx(1 - (2 / 6) / (2 * (3 * 1 + 6 * 9 + 2 * 4) / 30))


def test_kappa_is_one_where_all_agree_and_least_where_nobody_does() -> None:
    assert cohen(["a", "b"], ["a", "b"]).value == 1.0
    assert cohen(["a", "b"], ["b", "a"]).value == -1.0
    assert cohen(["a", "b", "b"], ["b", "a", "a"]).value == cohen(["b", "a", "a"], ["a", "b", "b"]).value


def test_what_the_units_and_the_values_are_called_and_their_order_change_nothing() -> None:
    units = [[v for v in row if v is not None] for row in ragged(11)]
    called = dict(zip((1.0, 2.0, 3.0, 4.0, 5.0), "xqazm", strict=True))
    found = krippendorff(units, draws=0).value
    assert krippendorff([[called[v] for v in unit] for unit in units], draws=0).value == pytest.approx(found)
    for level in ("nominal", "ordinal"):
        assert krippendorff(units[::-1], level, draws=0).value == pytest.approx(krippendorff(units, level, draws=0).value)


def test_the_same_values_give_the_same_interval() -> None:
    units = [[v for v in row if v is not None] for row in ragged(12)]
    assert krippendorff(units) == krippendorff(units)
    assert krippendorff(units, draws=0).low is None

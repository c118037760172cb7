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


@pytest.mark.parametrize("seed", range(8))
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

"""Ratings from who beat whom, against published figures, two libraries, and simulations in which the truth is known."""

import csv
import itertools
import math
from pathlib import Path

import choix
import evalica
import numpy as np
import pytest

from engine.errors import BadInput
from engine.preferences import ranking
from engine.preferences.ranking import Battle, Span

CITATIONS = Path(__file__).resolve().parents[4] / "shared" / "data" / "citations_stigler_1994.csv"


def drawn(rng: np.random.Generator, truth: dict[str, float], count: int, ties: float = 0.0) -> list[Battle]:
    """Votes between models of which the ratings are known, in points; of each two a share of what both could win is a tie."""
    pairs, found = list(itertools.combinations(truth, 2)), []
    for one, other in (pairs[i] for i in rng.integers(len(pairs), size=count)):
        chance = 1 / (1 + 10 ** ((truth[other] - truth[one]) / ranking.SCALE))
        tie = ties * 2 * min(chance, 1 - chance)
        score = rng.choice([1.0, 0.5, 0.0], p=[chance - tie / 2, tie, 1 - chance - tie / 2])
        found.append(Battle(one, other, float(score)) if rng.random() < 0.5 else Battle(other, one, 1 - float(score)))
    return found


@pytest.mark.skipif(not CITATIONS.exists(), reason="the published figures are not here")
def test_journals_that_cite_each_other_get_the_ratings_and_errors_that_stigler_published() -> None:
    with CITATIONS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    battles = [Battle(row["cited"], row["citing"], 1.0) for row in rows for _ in range(int(row["citations"]))]
    found = ranking.fit(battles, prior=0)
    told = {}
    for name in found.names:
        contrast = found.contrast(name, "Biometrika")
        told[name] = (round(float(contrast @ found.values), 5), round(math.sqrt(found.curvature(contrast)), 5))
    assert told == {
        "Biometrika": (0.0, 0.0), "Comm Statist": (-2.94907, 0.10255), "JASA": (-0.47957, 0.06059), "JRSS-B": (0.26895, 0.07083),
    }  # fmt: skip


@pytest.mark.parametrize("ties", [0.0, 0.4])
def test_ratings_without_a_prior_are_those_of_two_libraries(ties: float) -> None:
    names = list("abcdef")
    battles = drawn(np.random.default_rng(1), {name: 60.0 * i for i, name in enumerate(names)}, 900, ties)
    found = ranking.fit(battles, prior=0, draws=2)
    ours = found.values - found.values.mean()
    winner = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    told = evalica.bradley_terry(
        [b.first for b in battles], [b.second for b in battles], [winner[b.score] for b in battles], tolerance=1e-12, limit=10_000
    )
    theirs = np.log([told.scores[name] for name in names])
    assert ours == pytest.approx(theirs - theirs.mean(), abs=1e-5)
    if not ties:
        at = {name: i for i, name in enumerate(names)}
        pairs = [(at[b.first], at[b.second]) if b.score else (at[b.second], at[b.first]) for b in battles]
        assert ours == pytest.approx(choix.ilsr_pairwise(len(names), pairs), abs=1e-5)


def covered(count: int, ties: float, replications: int) -> float:
    """How often the interval of a difference holds the truth, over six models that lie 400 points apart."""
    truth = {name: 80.0 * i for i, name in enumerate("abcdef")}
    rng, hits = np.random.default_rng(7), []
    for _ in range(replications):
        battles = drawn(rng, truth, count, ties)
        found = ranking.fit(battles, draws=200)
        for one, other in itertools.combinations(found.names, 2):
            span = found.span(found.contrast(one, other))
            hits.append(span.low <= truth[one] - truth[other] <= span.high)
    return float(np.mean(hits))


@pytest.mark.parametrize("ties", [0.0, 0.5])
def test_intervals_of_differences_hold_the_truth_as_often_as_they_say(ties: float) -> None:
    assert 0.93 <= covered(300, ties, 1000) <= 0.97


def test_who_has_won_everything_is_ahead_by_a_finite_distance_that_enough_wins_decide() -> None:
    told = {n: ranking.rank([Battle("a", "b", 1.0)] * n).differences["a", "b"].points for n in (5, 7, 30, 300)}
    assert all(math.isfinite(span.low) and math.isfinite(span.high) for span in told.values())
    assert [span.decided for span in told.values()] == [False, True, True, True], "five of five is no sure thing (p = 0.06)"
    assert ranking.rank([Battle("a", "b", 1.0)] * 5).one_sided == ("a", "b")
    with pytest.raises(BadInput, match="Without a prior the distance of a, b is infinite"):
        ranking.rank([Battle("a", "b", 1.0)] * 5, prior=0)


def test_models_that_never_met_even_through_others_are_told_apart() -> None:
    battles = [Battle("a", "b", 1.0), Battle("b", "a", 1.0), Battle("b", "c", 0.5), Battle("x", "y", 1.0), Battle("y", "x", 1.0)]
    found = ranking.rank(battles)
    assert found.groups == (("a", "b", "c"), ("x", "y")) and found.one_sided == ()
    assert (found.differences["a", "c"].met, found.differences["a", "b"].met) == (0, 2)
    with pytest.raises(BadInput, match="Without a prior"):
        ranking.rank(battles, prior=0)


def test_two_sets_of_which_one_has_won_everything_are_one_sided() -> None:
    within = [Battle(*pair, score) for pair in (("a", "b"), ("x", "y")) for score in (1.0, 0.0)]
    assert ranking.rank([*within, Battle("a", "x", 1.0)]).one_sided == ("a", "b", "x", "y")
    assert ranking.rank([*within, Battle("a", "x", 0.5)]).one_sided == ()


def test_an_anchor_moves_every_rating_and_no_difference() -> None:
    battles = drawn(np.random.default_rng(3), {"a": 0.0, "b": 100.0, "c": 200.0}, 200)
    free, held = ranking.rank(battles), ranking.rank(battles, anchor="a")
    anchor = next(standing for standing in held.standings if standing.name == "a")
    assert anchor.rating == Span(ranking.MIDDLE, ranking.MIDDLE, ranking.MIDDLE)
    assert free.differences == held.differences
    assert np.mean([standing.rating.value for standing in free.standings]) == pytest.approx(ranking.MIDDLE)
    assert [standing.name for standing in free.standings] == [standing.name for standing in held.standings] == ["c", "b", "a"]
    with pytest.raises(BadInput, match="x has no votes yet"):
        ranking.rank(battles, anchor="x")
    with pytest.raises(BadInput, match="nothing to rank"):
        ranking.rank([])


def test_it_makes_no_difference_which_answer_is_called_first() -> None:
    battles = drawn(np.random.default_rng(4), {"a": 0.0, "b": 100.0, "c": 250.0}, 150, 0.3)
    turned = [Battle(b.second, b.first, 1 - b.score, tuple(-each for each in b.style)) for b in battles]
    one, other = ranking.fit(battles, draws=2), ranking.fit(turned, draws=2)
    assert one.values == pytest.approx(other.values) and one.covariance == pytest.approx(other.covariance)


def test_who_is_surely_better_stands_higher_and_others_share_a_rank() -> None:
    battles = drawn(np.random.default_rng(5), {"a": 0.0, "b": 10.0, "c": 400.0}, 400)
    assert {standing.name: standing.rank for standing in ranking.rank(battles).standings} == {"c": 1, "a": 2, "b": 2}
    standing = ranking.rank([Battle("a", "b", 1.0), Battle("b", "a", 0.5), Battle("b", "c", 1.0)]).standings
    told = {each.name: (each.battles, each.wins, each.ties) for each in standing}
    assert told == {"a": (2, 1, 1), "b": (3, 1, 1), "c": (1, 0, 0)}


def test_a_model_that_only_writes_more_loses_its_lead_under_style_control() -> None:
    rng, battles = np.random.default_rng(6), []
    for _ in range(1500):
        length = float(np.clip(rng.normal(0.25, 0.3), -0.9, 0.9))  # "long" writes more, and people like that
        chance = 1 / (1 + math.exp(-4 * length))
        battles.append(Battle("long", "short", float(rng.random() < chance), (length, 0.0, 0.0, 0.0)))
    plain, fair = ranking.rank(battles), ranking.rank(battles, style=True)
    assert plain.differences["long", "short"].points.low > 50
    assert not fair.differences["long", "short"].points.decided
    told = dict(fair.style)
    assert told["length"].low <= 4 * ranking.TWICE * ranking.POINTS <= told["length"].high
    assert plain.style == () and not told["headings"].decided
    assert any(line.startswith("Twice the headings is worth +0 points") for line in ranking.sentences(fair)), "none had any"


def test_how_many_more_votes_it_takes_is_told_from_how_intervals_narrow() -> None:
    rng = np.random.default_rng(8)
    truth = {"a": 0.0, "b": 40.0}
    first = ranking.rank(drawn(rng, truth, 100)).differences["b", "a"]
    assert first.more is not None and not first.points.decided
    wide = first.points.high - first.points.value
    assert first.more == pytest.approx(100 * ((wide / first.points.value) ** 2 - 1), rel=0.02)
    decided = ranking.rank(drawn(rng, truth, 3000)).differences["b", "a"]
    assert decided.points.decided and decided.more is None
    assert ranking.rank([Battle("a", "b", 0.5)] * 4).differences["a", "b"].more is None, "there is nothing to decide"


def test_scores_of_each_against_each_add_up() -> None:
    told = ranking.wins([Battle("a", "b", 1.0), Battle("b", "a", 0.5), Battle("a", "c", 0.0)])
    assert told == {("a", "b"): (1.5, 2), ("b", "a"): (0.5, 2), ("a", "c"): (0.0, 1), ("c", "a"): (1.0, 1)}


def test_elo_tells_another_rating_for_each_order_of_the_same_votes() -> None:
    battles = [Battle("a", "b", 1.0)] * 10 + [Battle("a", "b", 0.0)] * 10
    last = ranking.elo(battles)
    assert last["b"].value > ranking.MIDDLE > last["a"].value, "who won last is ahead"
    assert last["a"].low < ranking.MIDDLE < last["a"].high
    assert ranking.elo(battles[::-1])["a"].value > ranking.MIDDLE
    assert ranking.rank(battles) == ranking.rank(battles[::-1]), "Bradley-Terry's are the same in any order"

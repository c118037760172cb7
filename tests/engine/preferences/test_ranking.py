"""Ratings from who beat whom, against published figures and two libraries, and what they do not tell."""

import csv
import itertools
import math
from pathlib import Path

import choix
import evalica
import numpy as np
import pytest

from engine.errors import BadInput
from engine.preferences import ranking, rating
from engine.preferences.ranking import Battle, Span, Sweep
from tests.engine.preferences.voting import drawn

CITATIONS = Path(__file__).resolve().parents[4] / "shared" / "data" / "citations_stigler_1994.csv"


@pytest.mark.skipif(not CITATIONS.exists(), reason="the published figures are not here")
def test_journals_that_cite_each_other_get_the_ratings_and_errors_that_stigler_published() -> None:
    with CITATIONS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    battles = [Battle(row["cited"], row["citing"], 1.0) for row in rows for _ in range(int(row["citations"]))]
    found = rating.fit(battles, prior=0)
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
    found = rating.fit(battles, prior=0, draws=2)
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


def test_who_has_won_everything_is_ahead_by_a_finite_distance_that_enough_wins_decide() -> None:
    told = {n: ranking.rank([Battle("a", "b", 1.0)] * n).differences["a", "b"].points for n in (5, 7, 30, 300)}
    assert all(math.isfinite(span.low) and math.isfinite(span.high) for span in told.values())
    assert [span.decided for span in told.values()] == [False, True, True, True], "five of five is no sure thing (p = 0.06)"
    assert ranking.rank([Battle("a", "b", 1.0)] * 5).one_sided == (Sweep(("a",), ("b",)),)
    with pytest.raises(BadInput, match="Without a prior the distance of a, b is infinite"):
        ranking.rank([Battle("a", "b", 1.0)] * 5, prior=0)


def test_models_that_never_met_even_through_others_are_told_apart_and_not_compared() -> None:
    far = [Battle("a", "b", 1.0)] * 300 + [Battle("b", "a", 1.0)] * 30 + [Battle("b", "c", 0.5)]
    battles = [*far, Battle("x", "y", 1.0), Battle("y", "x", 1.0)]
    found = ranking.rank(battles, anchor="x")
    assert found.groups == (("a", "b", "c"), ("x", "y")) and found.one_sided == ()
    assert (found.differences["a", "c"].met, found.differences["a", "b"].met) == (0, 330)
    across = [found.differences[pair] for pair in (("a", "x"), ("x", "a"), ("y", "b"))]
    assert all(each.points == ranking.UNKNOWN and not each.points.decided and each.more is None for each in across)
    told = [(standing.name, standing.group, standing.rank) for standing in found.standings]
    assert told[0] == ("a", 1, 1) and [each[1] for each in told] == [1, 1, 1, 2, 2]
    assert {rank for _, group, rank in told if group == 2} == {1}, "nobody of the other group is ahead of these"
    alone = {standing.name: standing for standing in ranking.rank(far).standings}
    for standing in found.standings[:3]:
        assert standing.rating.value == pytest.approx(alone[standing.name].rating.value), "the anchor is in the other group"
        assert standing.rating.low == pytest.approx(alone[standing.name].rating.low, abs=8), (
            "and the other group's errors are its own"
        )
    said = ranking.sentences(found)
    assert "compare inside a group only: group 1: a, b, c; group 2: x, y." in said[0]
    assert said[1] == "The anchor x holds for its own group; of any other the mean has 1000 points."
    assert not any("open" in line for line in said)
    assert ranking.ahead(found)["c" if told[2][0] == "c" else "b"] == "", "the last of a group has no next one"
    with pytest.raises(BadInput, match="Without a prior"):
        ranking.rank(battles, prior=0)


def test_who_has_won_or_lost_everything_is_named_and_nobody_else() -> None:
    mixed = [Battle(*pair, score) for pair in (("b", "c"), ("c", "d"), ("x", "y")) for score in (1.0, 0.0)]
    found = ranking.rank([Battle("a", "b", 1.0), Battle("c", "a", 0.0), *mixed])
    assert found.one_sided == (Sweep(("a",), ("b", "c")),) and len(found.groups) == 2
    assert "a has won every battle against b, c, so how far apart they are is not told by the votes." in ranking.sentences(found)
    found = ranking.rank([Battle(name, "z", 1.0) for name in "bcd"] + [Battle("p", "q", 1.0), *mixed])
    assert found.one_sided == (Sweep(("b", "c", "d"), ("z",)), Sweep(("p",), ("q",)))
    said = [line.split(", so")[0] for line in ranking.sentences(found) if "every battle" in line]
    assert said == ["z has lost every battle against b, c, d", "p has won every battle against q"]


def test_twenty_models_are_told_in_a_few_lines() -> None:
    names = [f"m{i:02}" for i in range(20)]
    battles = drawn(np.random.default_rng(9), {name: 2.0 * i for i, name in enumerate(names)}, 800)
    found = ranking.rank(battles)
    assert ranking.sentences(found) == []
    told = ranking.ahead(found)
    assert list(told) == [standing.name for standing in found.standings] and list(told.values())[-1] == ""
    one, other = found.standings[0], found.standings[1]
    assert told[one.name] == f"open, about {found.differences[one.name, other.name].more:,} more votes"
    chain = ranking.rank([Battle(one, other, 1.0) for one, other in itertools.pairwise(names)])
    assert len(chain.one_sided) == 19 and len(ranking.sentences(chain)) == 7
    assert ranking.sentences(chain)[-1] == "Likewise 13 more have won every battle against some."
    star = ranking.rank([Battle("m00", other, 1.0) for other in names[1:]])
    assert "m00 has won every battle against m01, m02, m03, m04, m05, m06 and 13 more, so" in ranking.sentences(star)[0]


def test_two_sets_of_which_one_has_won_everything_are_one_sided() -> None:
    within = [Battle(*pair, score) for pair in (("a", "b"), ("x", "y")) for score in (1.0, 0.0)]
    assert ranking.rank([*within, Battle("a", "x", 1.0)]).one_sided == (Sweep(("a",), ("x",)),)
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
    turned = [Battle(b.second, b.first, 1 - b.score) for b in battles]
    one, other = rating.fit(battles, draws=2), rating.fit(turned, draws=2)
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
    told = dict(fair.style or ())
    assert told["length"].low <= 4 * ranking.TWICE * rating.POINTS <= told["length"].high
    assert plain.style is None and list(told) == ["length"]
    assert "No answers differ in headings, list items, bold text, so what that is worth is not told." in ranking.sentences(fair)
    assert not fair.confounded, "each writes at more and at less length"


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

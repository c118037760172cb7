"""Intervals of ratings: simulations in which the truth is known, votes among several answers, ties, and the fit below them."""

import dataclasses
import math

import numpy as np
import pytest

from engine.errors import BadInput
from engine.preferences import ranking, rating
from engine.preferences.ranking import Battle
from tests.engine.preferences.voting import best_of, drawn, held

SIX = {name: 80.0 * i for i, name in enumerate("abcdef")}  # 400 points apart


@pytest.mark.parametrize("ties", [0.0, 0.5])
def test_intervals_of_differences_hold_the_truth_as_often_as_they_say(ties: float) -> None:
    rng = np.random.default_rng(7)
    assert 0.93 <= np.mean([held(drawn(rng, SIX, 300, ties), SIX) for _ in range(1000)]) <= 0.97


@pytest.mark.parametrize("sides", [3, 4])
def test_intervals_hold_the_truth_as_often_where_each_vote_is_among_several_answers(sides: int) -> None:
    rng = np.random.default_rng(7)
    votes = [best_of(rng, SIX, 300, sides) for _ in range(200)]
    assert 0.93 <= np.mean([held(battles, SIX) for battles in votes]) <= 0.97
    apart = [[dataclasses.replace(battle, act="") for battle in battles] for battles in votes[:100]]
    assert np.mean([held(battles, SIX) for battles in apart]) < 0.93, "as votes of their own they say too much"


def test_a_vote_that_is_told_three_times_says_no_more_than_once() -> None:
    votes = [dataclasses.replace(b, act=f"vote {i}") for i, b in enumerate(drawn(np.random.default_rng(1), SIX, 300, 0.3))]
    once, thrice = (rating.fit(votes * times, prior=0) for times in (1, 3))
    contrast = once.contrast("a", "f")
    assert once.values == pytest.approx(thrice.values, abs=1e-6)
    assert once.span(contrast).high == pytest.approx(thrice.span(contrast).high, abs=0.01)
    still = dataclasses.replace(thrice, draws=np.zeros((2, 6)))  # what the curvature says alone
    assert still.error(contrast) == pytest.approx(dataclasses.replace(once, draws=np.zeros((2, 6))).error(contrast), rel=0.02)
    assert thrice.curvature(contrast) == pytest.approx(once.curvature(contrast) / 3)


def test_votes_among_several_answers_count_once_in_what_is_told_of_their_number() -> None:
    votes = best_of(np.random.default_rng(2), {"a": 0.0, "b": 30.0, "c": 60.0}, 40, 3)
    found = ranking.rank(votes)
    assert (found.votes, found.battles) == (40, 80) and sum(standing.battles for standing in found.standings) == 160
    apart = ranking.rank([dataclasses.replace(battle, act="") for battle in votes])
    assert apart.votes == apart.battles == 80
    points, more = found.differences["a", "b"].points, found.differences["a", "b"].more
    assert more == math.ceil(40 * (((points.high - points.value) / points.value) ** 2 - 1))
    five = [Battle("a", other, 1.0, act=str(i)) for i in range(5) for other in "bcd"]
    assert not ranking.rank(five).differences["a", "b"].points.decided, (
        "five of five is no sure thing, whatever they were asked with"
    )


@pytest.mark.parametrize("elsewhere", [("a", "b"), ("b", "d"), ("d", "a")], ids="-".join)
@pytest.mark.parametrize("ties", [50, 1000])
def test_ties_elsewhere_make_a_few_unanimous_battles_no_surer(elsewhere: tuple[str, str], ties: int) -> None:
    told = {
        n: ranking.rank([Battle(*elsewhere, 0.5)] * ties + [Battle("c", "a", 1.0)] * n).differences["c", "a"].points.decided
        for n in (1, 2, 3, 4, 5, 8, 12)
    }
    assert told == {1: False, 2: False, 3: False, 4: False, 5: False, 8: True, 12: True}


@pytest.mark.parametrize("ties", [5, 20, 100, 1000])
def test_ties_between_the_same_two_make_unanimous_wins_no_surer_than_a_sign_test_that_leaves_ties_out(ties: int) -> None:
    told = [
        ranking.rank([Battle("c", "a", 0.5)] * ties + [Battle("c", "a", 1.0)] * n).differences["c", "a"].points.decided
        for n in (3, 4, 5, 8, 9)
    ]
    assert told == [False, False, False, True, True]


@pytest.mark.parametrize("count", [3, 7, 20])
def test_of_two_that_are_equal_one_is_seldom_said_to_be_ahead_beside_many_ties(count: int) -> None:
    rng, decided = np.random.default_rng(0), []
    for _ in range(200):
        wins = int(rng.binomial(count, 0.5))
        battles = [Battle("a", "b", 0.5)] * 200 + [Battle("c", "a", 1.0)] * wins + [Battle("c", "a", 0.0)] * (count - wins)
        found = rating.fit(battles, draws=200)
        decided.append(found.span(found.contrast("c", "a")).decided)
    assert np.mean(decided) <= 0.06


def test_all_ties_are_told_with_an_interval() -> None:
    span = ranking.rank([Battle("a", "b", 0.5)] * 30 + [Battle("b", "c", 0.5, act=str(i % 3)) for i in range(9)])
    assert all(math.isfinite(each.points.high) and each.points.high > 20 for each in span.differences.values())


@pytest.mark.parametrize(
    "told",
    [
        ((0.0, (0.5, 0.0, 0.0, 0.5), 3000), (0.0, (-0.5, 1.0, 1.0, 0.5), 500), (1.0, (1.0, 0.0, -0.5, 0.5), 100)),
        ((1.0, (0.0, 1.0, 0.5, 1.0), 873), (0.0, (0.0, 1.0, 0.0, 0.5), 1), (0.0, (0.0, -0.5, 0.5, 1.0), 2), (1.0, (0.0, 0.5, -1.0, -1.0), 9)),
    ],
)  # fmt: skip
def test_the_fit_comes_to_rest_where_newtons_steps_alone_do_not(told: tuple[tuple[float, tuple[float, ...], int], ...]) -> None:
    found = rating.fit([Battle("a", "b", score, style) for score, style, times in told for _ in range(times)], style=True)
    votes, counts = found.votes, found.votes.counts(found.votes.times)
    chances = 1 / (1 + np.exp(-votes.rows @ found.values))
    slope = (counts * (votes.scores - chances)) @ votes.rows - found.prior * found.values
    assert np.abs(slope).max() < 1e-6, "nothing is likelier than this"


def test_what_is_not_told_at_all_is_said_and_not_made_up() -> None:
    battles = [Battle("a", "b", 1.0)] * 20 + [Battle("a", "b", 0.0)]  # a resample without the one loss is one-sided
    with pytest.raises(BadInput, match="was not found in 100 steps"):
        rating.fit(battles, prior=0)
    below = [*[Battle("a", "b", 0.5)] * 174, Battle("a", "b", 1.0), *[Battle("a", "c", 1.0)] * 48, *[Battle("b", "c", 1.0)] * 5]
    with pytest.raises(BadInput, match="is infinite or"):
        rating.fit(below, prior=0, draws=1)  # nobody lost to c
    assert rating.fit(battles).names == ("a", "b")


def styled(rng: np.random.Generator, count: int, length: float, spread: float, chance: float) -> list[Battle]:
    """Votes for ``long``, which writes that much more, for whatever reason."""
    lengths = np.clip(rng.normal(length, spread, count), -0.9, 0.9)
    return [Battle("long", "short", float(rng.random() < chance), (float(each), 0.0, 0.0, 0.0)) for each in lengths]


def test_where_one_model_always_writes_more_nobody_is_said_to_be_better_and_a_sentence_says_why() -> None:
    three_times = (0.5, 0.0, 0.0, 0.0)
    battles = [Battle("long", "short", 1.0, three_times)] * 270 + [Battle("long", "short", 0.0, three_times)] * 30
    assert ranking.rank(battles).differences["long", "short"].points.decided
    found = ranking.rank(battles, style=True)
    difference = found.differences["long", "short"]
    assert not difference.points.decided and difference.more is None, "no number of such votes would tell"
    assert abs(difference.points.value) < 50, "the looks are credited first"
    assert found.confounded == ("length",) and ranking.ahead(found)["long"] == "not told"
    assert any(line.startswith("How much of length an answer has follows from who wrote it") for line in ranking.sentences(found))
    rng = np.random.default_rng(3)
    assert ranking.rank(styled(rng, 300, 0.5, 0.05, 0.9), style=True).confounded == ("length",)
    mixed = ranking.rank(styled(rng, 1000, 0.2, 0.3, 0.7), style=True)
    assert mixed.confounded == () and mixed.differences["long", "short"].points.decided, "it wins at any length"


def test_the_unit_in_which_style_is_told_moves_nothing() -> None:
    rng = np.random.default_rng(4)
    battles = styled(rng, 400, 0.1, 0.2, 0.6)
    tenth = [dataclasses.replace(b, style=(b.style[0] / 10, 0.0, 0.0, 0.0)) for b in battles if b.style]
    one, other = (ranking.rank(each, style=True) for each in (battles, tenth))
    assert one.differences["long", "short"].points.value == pytest.approx(
        other.differences["long", "short"].points.value, abs=1e-3
    )
    assert dict(other.style or ())["length"].value == pytest.approx(10 * dict(one.style or ())["length"].value, rel=1e-4)
    turned = [Battle("short", "long", 1 - b.score, tuple(-each for each in b.style or ())) for b in battles]
    assert ranking.rank(turned, style=True) == one


def test_battles_whose_texts_are_not_known_are_left_out_of_control_for_style_and_counted() -> None:
    known = styled(np.random.default_rng(5), 200, 0.1, 0.3, 0.6)
    unknown = [Battle("short", "long", 1.0)] * 100 + [Battle("other", "long", 1.0)]
    found = ranking.rank([*known, *unknown], style=True)
    assert found == dataclasses.replace(ranking.rank(known, style=True), left_out=101)
    assert "Control for style leaves out 101 of 301 battles, since their texts are not known." in ranking.sentences(found)
    assert ranking.rank([*known, *unknown]).votes == 301 and ranking.rank([*known, *unknown]).left_out == 0
    with pytest.raises(BadInput, match="Of no vote the texts are known"):
        ranking.rank(unknown, style=True)

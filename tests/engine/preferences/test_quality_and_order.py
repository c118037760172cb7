"""Labels that tell on their labellers, told against figures worked out another way, and the order in which pairs come."""

import graphlib
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.evaluation import calibration
from engine.preferences import desk, order, pairs, projects, quality
from engine.preferences.agreement import ALONE
from engine.preferences.desk import Given
from engine.preferences.order import Guess
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from storage.records import Pair, Project, Vote
from tests.engine.preferences.made import pair, vote

TURNED = {"first": "second", "second": "first"}


def turned_round(held: dict[int, Pair], given: list[Vote]) -> tuple[dict[int, Pair], list[Vote]]:
    """The same pairs and votes with the two answers of each pair in the other order."""
    swapped = {i: replace(p, first=p.second, second=p.first) for i, p in held.items()}
    return swapped, [
        replace(v, choice=TURNED.get(v.choice, v.choice), preference=None if v.preference is None else 3 - v.preference)
        for v in given
    ]


def test_what_does_not_bear_on_a_share_is_left_out_of_it() -> None:
    held = {1: pair(1, "same size", "size same"), 2: pair(2, "x", "longer"), 3: pair(3, "x", "longer"), 4: pair(4, gold="tie")}
    given = [
        vote(1, "anna", "first", flipped=True, seconds=0.99),
        vote(2, "anna", "tie", seconds=1.0),
        vote(3, "anna", "second", flipped=None, seconds=None),
        vote(4, "anna", "skip", seconds=5.0),
    ]
    found = quality.of(held, given).labellers[0]
    assert (found.votes, found.skipped, found.hurried, found.seconds) == (4, 1, 1, 1.0)
    assert found.left is not None and (found.left.value, found.left.n) == (0.0, 1)
    assert found.longer is not None and (found.longer.value, found.longer.n) == (1.0, 1)
    assert (found.gold, found.same, found.others) == (None, None, None)


def test_consistency_is_told_apart_for_each_labeller() -> None:
    held = {i: pair(i) for i in range(4)}
    given = [vote(i, name, "first") for i in held for name in ("anna", "ben")]
    given += [vote(i, "anna", "first", round=1) for i in held] + [vote(i, "ben", "second", round=1) for i in held]
    found = {each.name: each.same for each in quality.of(held, given).labellers}
    assert {name: same and (same.value, same.n) for name, same in found.items()} == {"anna": (1.0, 4), "ben": (0.0, 4)}


def test_somebody_and_a_judge_of_the_same_name_are_two() -> None:
    held = {i: pair(i) for i in range(3)}
    found = quality.of(held, [vote(0, "x", "first"), vote(1, "x", "first"), vote(2, "x", "first", kind="judge")])
    assert [(each.kind, each.votes) for each in found.labellers] == [("person", 2), ("judge", 1)]


def has_circle(beats: Sequence[tuple[str, ...]]) -> bool:
    sorter = graphlib.TopologicalSorter[str]()
    for better, worse in beats:
        sorter.add(worse, better)
    try:
        sorter.prepare()
    except graphlib.CycleError:
        return True
    return False


@pytest.mark.parametrize("seed", range(40))
def test_a_circle_is_found_where_there_is_one_and_each_step_of_it_was_said(seed: int) -> None:
    rng = random.Random(seed)
    names = "ABCDEFGH"[: rng.randint(3, 8)]
    both = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if rng.random() < 0.5] or [("A", "B")]
    held = {i: pair(i, *each, prompt="same?") for i, each in enumerate(both)}
    given = [vote(i, "anna", rng.choice(["first", "first", "first", "second", "tie"])) for i in held]
    beats = [both[v.pair_id] if v.choice == "first" else both[v.pair_id][::-1] for v in given if v.choice != "tie"]
    found = quality.contradictions(held, given)
    assert bool(found) == has_circle(beats)
    for circle in found:
        steps = list(zip(circle.answers, circle.answers[1:] + circle.answers[:1], strict=True))
        assert len(set(circle.answers)) == len(circle.answers) >= 3 and set(steps) <= set(beats)


def test_two_answers_that_are_the_same_are_no_circle() -> None:
    assert quality.contradictions({1: pair(1, "same", " same\n")}, [vote(1, "anna", "first")]) == ()


def test_circles_of_repeats_decisions_and_several_people_are_none() -> None:
    held = {i: pair(i, *each, prompt="same?") for i, each in enumerate([("A", "B"), ("B", "C"), ("C", "A")])}
    for last in (vote(2, "ben", "first"), vote(2, "anna", "first", round=1), vote(2, "anna", "first", round=-1)):
        assert quality.contradictions(held, [vote(0, "anna", "first"), vote(1, "anna", "first"), last]) == ()


def test_a_judge_whom_nobody_shares_pairs_with_has_no_figure_and_says_why() -> None:
    held = {i: pair(i) for i in range(3)}
    given = [vote(0, "j", "first", kind="judge", preference=1.1), vote(1, "anna", "first"), vote(2, "anna", "first")]
    judge = quality.of(held, given).judges[0]
    assert (judge.right, judge.kappa.value, judge.kappa.why, judge.calibration) == (None, None, ALONE, None)


def test_a_judge_agrees_beyond_chance_only_where_it_follows_people() -> None:
    held = {i: pair(i) for i in range(40)}
    people = [vote(i, "anna", "first" if i % 2 else "second") for i in held]
    follows = [vote(i, "follows", "first" if i % 2 else "second", kind="judge") for i in held]
    always = [vote(i, "always", "first", kind="judge") for i in held]
    judges = {each.name: each for each in quality.of(held, [*people, *follows, *always]).judges}
    assert judges["follows"].kappa.value == 1.0 and judges["always"].kappa.value == 0.0
    right = judges["always"].right
    assert right is not None and (right.value, right.n) == (0.5, 40)


def test_what_judges_are_told_does_not_depend_on_which_answer_stands_first() -> None:
    held = {i: pair(i) for i in range(8)}
    given = [vote(i, "anna", "first") for i in held]
    given += [vote(i, "j", "tie" if i < 4 else "first", kind="judge", preference=1.5 if i < 4 else 1.2) for i in held]
    told = []
    for each in ((held, given), turned_round(held, given)):
        found = quality.of(*each).judges[0].calibration
        assert found is not None
        told.append([(round(b.confidence, 6), b.right.value, b.right.n) for b in found.bins])
    assert told[0] == told[1]


def test_pairs_of_which_judges_say_nothing_do_not_tell_for_the_answer_that_stands_first() -> None:
    def right(held: dict[int, Pair], given: list[Vote]) -> Any:
        guesses = order.by_judges(given)
        chosen = {
            i: replace(p, chosen_by={"by": "judges", "group": "uncertain", "says": guesses[i].says, "sure": guesses[i].sure})
            for i, p in held.items()
        }
        hunted = quality.of(chosen, given).hunted
        return hunted and hunted[0].uncertain

    held = {i: pair(i) for i in range(8)}
    given = [vote(i, "anna", "first") for i in held] + [vote(i, "j", "tie", kind="judge", preference=1.5) for i in held]
    assert right(held, given) == right(*turned_round(held, given))


def test_the_most_divided_pairs_are_disputed_first() -> None:
    said = {1: "fffs", 2: "fs", 3: "ffs", 4: "ff", 5: "fffffs"}
    names = {"f": "first", "s": "second"}
    given = [vote(i, f"{place}", names[c]) for i, each in said.items() for place, c in enumerate(each)]
    assert quality.disputed(set(), given) == (2, 3, 1, 5)
    assert quality.disputed({3}, given) == (2, 1, 5)


def test_confidence_and_accuracy_are_binned_as_by_hand() -> None:
    found = calibration.calibrated([(0.5, 0.0), (0.55, 1.0), (0.95, 1.0), (1.0, 1.0), (0.72, 0.5)])
    told = [(round(b.confidence, 4), b.right.value, b.right.n) for b in found.bins]
    assert told == [(0.525, 0.5, 2), (0.72, 0.5, 1), (0.975, 1.0, 2)]
    assert found.error == pytest.approx((2 * 0.025 + 0.22 + 2 * 0.025) / 5)
    assert calibration.calibrated([]).bins == ()


@pytest.mark.parametrize("margin", [0.3, 2.0, 40.0, 5000.0, math.inf])
def test_a_guess_by_margin_is_the_same_either_way_round(margin: float) -> None:
    one, other = order.by_margin(margin), order.by_margin(-margin)
    assert (one.says, other.says, one.sure) == ("first", "second", other.sure)
    assert 0.5 < one.sure <= 1


def begin(home: Home, count: int) -> Project:
    project = projects.create(home, "tone", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"{i}?"}], "a", f"b {i}") for i in range(count)])
    return project


def sureness(home: Home, project: Project) -> dict[int, Guess]:
    """A guess of each pair, surer the later the pair came."""
    found = preferences.pairs(home, project.id)
    return {p.id: Guess("first", 0.5 + (i + 1) / (2 * len(found) + 2)) for i, p in enumerate(found)}


def label(home: Home, project: Project, count: int) -> list[int]:
    """The numbers of the pairs that come, labelled."""
    return [desk.vote(home, desk.look(home, project, "anna")[0].showing.token, Given("left")).pair_id for _ in range(count)]


def test_labellers_get_the_least_certain_pairs_in_their_order(home: Home) -> None:
    project = begin(home, 30)
    guesses = sureness(home, project)
    assert order.arrange(home, project, guesses, "rm", control=0, share=0.5) == {"uncertain": 15, "random": 0}
    assert label(home, project, 15) == sorted(guesses, key=lambda i: guesses[i].sure)[:15]


def test_with_control_alone_pairs_are_drawn_from_all_that_wait(home: Home) -> None:
    project = begin(home, 60)
    assert order.arrange(home, project, sureness(home, project), "rm", control=1, share=0.5) == {"uncertain": 0, "random": 30}
    there = preferences.pairs(home, project.id)
    first = sorted(there, key=lambda p: p.place)[:30]
    assert all(p.chosen_by and p.chosen_by["group"] == "random" for p in first)
    unsure = sum(p in there[:30] for p in first)
    assert 5 < unsure < 25, "of the less certain half as of the other"


def test_ordering_again_takes_the_place_of_the_order_before(home: Home) -> None:
    project = begin(home, 40)
    before = {p.id: p.place for p in preferences.pairs(home, project.id)}
    guesses = sureness(home, project)
    order.arrange(home, project, guesses, "rm", control=0, share=0.5)
    other = {i: Guess("second", 1.5 - guess.sure) for i, guess in guesses.items()}
    order.arrange(home, project, other, "other", control=0, share=0.25)
    found = sorted(preferences.pairs(home, project.id), key=lambda p: p.place)
    assert [p.id for p in found[:10]] == sorted(guesses, reverse=True)[:10]
    assert [p.chosen_by and p.chosen_by["by"] for p in found] == ["other"] * 10 + [None] * 30
    assert all(p.place == before[p.id] for p in found[10:])


def test_what_chose_a_pair_is_kept_when_it_is_labelled_and_told_in_the_report(home: Home) -> None:
    project = begin(home, 40)
    order.arrange(home, project, sureness(home, project), "rm", control=0.5, share=0.5)
    seen = label(home, project, 20)
    assert order.shuffle(home, project) == 0, "none of those that wait was moved"
    kept = {p.id: p.chosen_by for p in preferences.pairs(home, project.id) if p.chosen_by}
    assert sorted(kept) == sorted(seen)
    hunted = quality.report(home, project).hunted
    assert [each.by for each in hunted] == ["rm"]
    told = {group: sum(c["group"] == group for c in kept.values() if c) for group in ("uncertain", "random")}
    assert hunted[0].uncertain is not None and hunted[0].control is not None
    assert (hunted[0].uncertain.n, hunted[0].control.n) == (told["uncertain"], told["random"])
    said = {vote.pair_id: vote.choice for vote in preferences.votes(home, project.id)}
    right = [said[i] == "first" for i, c in kept.items() if c and c["group"] == "random"]
    assert hunted[0].control.value == pytest.approx(sum(right) / len(right))


def test_shuffling_leaves_what_was_labelled_and_puts_the_rest_back(home: Home) -> None:
    project = begin(home, 20)
    before = {p.id: p.place for p in preferences.pairs(home, project.id)}
    order.arrange(home, project, sureness(home, project), "rm", control=0, share=1.0)
    seen = label(home, project, 5)
    assert order.shuffle(home, project) == 15
    after = {p.id: p for p in preferences.pairs(home, project.id)}
    assert {i for i, p in after.items() if p.chosen_by} == set(seen)
    assert all(after[i].place == place for i, place in before.items() if i not in seen)

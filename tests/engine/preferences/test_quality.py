"""What votes tell about their labellers, contradictions, judges, and which pairs come first."""

import pytest

from engine.errors import BadInput
from engine.preferences import order, pairs, projects, quality
from engine.preferences.order import Guess
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from tests.engine.preferences.made import pair, vote


def test_sides_lengths_speed_and_known_answers_are_told_for_each_labeller() -> None:
    held = {i: pair(i, "short", f"a longer one {i}", gold="first" if i < 3 else None) for i in range(10)}
    given = [vote(i, "anna", "first", flipped=False, seconds=0.5) for i in range(10)]
    given += [vote(i, "ben", "second", flipped=True, seconds=4.0) for i in range(5)]
    found = {each.name: each for each in quality.of(held, given).labellers}
    anna, ben = found["anna"], found["ben"]
    assert anna.left is not None and ben.left is not None and anna.longer is not None and ben.longer is not None
    assert (anna.left.value, anna.longer.value, anna.hurried, anna.seconds) == (1.0, 0.0, 10, 0.5)
    assert (ben.left.value, ben.longer.value, ben.hurried) == (1.0, 1.0, 0)
    assert anna.gold is not None and (anna.gold.value, anna.gold.n) == (1.0, 3)
    assert anna.others is not None and (anna.others.value, anna.others.n) == (0.0, 5)


def test_repeated_pairs_tell_consistency() -> None:
    held = {i: pair(i) for i in range(4)}
    given = [vote(i, "anna", "first") for i in range(4)]
    given += [vote(0, "anna", "first", round=1), vote(1, "anna", "second", round=1), vote(2, "anna", "skip", round=1)]
    same = quality.of(held, given).same
    assert same is not None and (same.value, same.n) == (0.5, 2)


def test_a_circle_is_found_for_its_labeller_and_prompt_and_a_chain_is_none() -> None:
    answers = {"ab": ("A", "B"), "bc": ("B", "C"), "ca": ("C", "A"), "cd": ("C", "D")}
    held = {i: pair(i, *both, prompt="same?") for i, both in enumerate(answers.values())}
    given = [vote(i, "anna", "first") for i in held]
    given += [vote(i, "ben", "first") for i in (0, 1, 3)] + [vote(2, "ben", "second")]
    found = quality.contradictions(held, given)
    assert [(circle.labeller, set(circle.answers)) for circle in found] == [("anna", {"A", "B", "C"})]
    apart = {i: pair(i, *both, prompt=f"{i}?") for i, both in enumerate(answers.values())}
    assert quality.contradictions(apart, given) == (), "answers to different prompts make no circle"


def test_a_judge_is_held_against_what_most_people_say_with_its_sureness() -> None:
    held = {i: pair(i) for i in range(10)}
    given = [vote(i, name, "first") for i in range(10) for name in ("anna", "ben")]
    given += [vote(i, "judge", "first", kind="judge", preference=1.05) for i in range(8)]
    given += [vote(i, "judge", "second", kind="judge", preference=1.55) for i in (8, 9)]
    judge = quality.of(held, given).judges[0]
    assert judge.right is not None and judge.calibration is not None
    assert (judge.right.value, judge.right.n) == (0.8, 10)
    assert [(round(b.confidence, 2), b.right.value) for b in judge.calibration.bins] == [(0.55, 0.0), (0.95, 1.0)]


def test_disputes_are_what_people_differ_on_and_nobody_has_decided() -> None:
    held = {i: pair(i, gold="first" if i == 3 else None) for i in range(5)}
    given = [vote(i, "anna", "first") for i in range(5)] + [vote(i, "ben", "second") for i in range(4)]
    given += [vote(1, "boss", "tie", round=-1)]
    assert quality.of(held, given).disputed == (0, 2)


def test_agreement_on_uncertain_pairs_stands_apart_from_that_on_pairs_drawn_by_chance() -> None:
    def chosen(group: str, says: str) -> dict[str, object]:
        return {"by": "rm", "group": group, "says": says, "sure": 0.6}

    held = {i: pair(i, chosen_by=chosen("uncertain" if i < 4 else "random", "first" if i % 2 else "second")) for i in range(8)}
    given = [vote(i, "anna", "first") for i in range(4)] + [vote(i, "anna", "first" if i % 2 else "second") for i in range(4, 8)]
    hunted = quality.of(held, given).hunted[0]
    assert hunted.uncertain is not None and hunted.control is not None
    assert (hunted.uncertain.value, hunted.control.value) == (0.5, 1.0)


def test_the_least_certain_come_first_with_a_share_drawn_by_chance_among_them(home: Home) -> None:
    project = projects.create(home, "tone", {"overlap": 0.0})
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"{i}?"}], "a", f"b {i}") for i in range(200)])
    there = preferences.pairs(home, project.id)
    before = {p.id: p.place for p in there}
    guesses = {p.id: Guess("first", 0.5 + p.id / 1000) for p in there}
    put = order.arrange(home, project, guesses, "rm", control=0.25, share=0.5)
    assert put["uncertain"] + put["random"] == 100 and 15 <= put["random"] <= 35
    ordered = sorted(preferences.pairs(home, project.id), key=lambda p: p.place)
    groups = [p.chosen_by["group"] if p.chosen_by else None for p in ordered]
    assert None not in groups[:100] and set(groups[100:]) == {None}
    hardest = [p.id for p, group in zip(ordered, groups, strict=True) if group == "uncertain"]
    assert hardest == sorted(hardest) and hardest[-1] <= there[0].id + 110
    by_chance = [p.id for p, group in zip(ordered, groups, strict=True) if group == "random"]
    assert max(by_chance) > there[0].id + 150, "drawn from all, not from the uncertain"
    order.shuffle(home, project)
    assert {p.id: p.place for p in preferences.pairs(home, project.id)} == before


def test_what_nothing_was_guessed_of_cannot_be_ordered(home: Home) -> None:
    project = projects.create(home, "tone")
    with pytest.raises(BadInput, match="was judged by rm"):
        order.arrange(home, project, {}, "rm")
    with pytest.raises(BadInput, match="share"):
        order.check_shares(0.2, 0.0)


def test_guesses_follow_from_margins_and_from_what_judges_said() -> None:
    assert order.by_margin(0.0) == Guess("first", 0.5)
    assert order.by_margin(-2.0).says == "second" and order.by_margin(-2.0).sure == pytest.approx(0.8808, abs=1e-4)
    given = [
        vote(1, "j", "first", kind="judge"),
        vote(1, "k", "second", kind="judge"),
        vote(2, "j", "tie", kind="judge", preference=1.6),
    ]
    found = order.by_judges([*given, vote(3, "anna", "first")])
    assert found == {1: Guess("first", 0.5), 2: Guess("second", pytest.approx(0.6))}

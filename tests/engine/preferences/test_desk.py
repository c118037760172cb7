"""The labeller's desk on a real database: who sees what, one vote a token, undo, decisions."""

import itertools
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.errors import BadInput, TryLater
from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given, Shown
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from storage.records import Project

PLAIN: dict[str, Any] = {"overlap": 0.0, "repeats": 0.0, "gold": 0.0}


def begin(home: Home, count: int, **settings: Any) -> Project:
    """A project with so many pairs; each first answer is the shorter one."""
    project = projects.create(home, "tone", PLAIN | settings)
    pairs.add(home, project, [pair(i) for i in range(count)])
    return project


def pair(i: int, first: str = "short", second: str = "quite a bit longer") -> NewPair:
    return NewPair([{"role": "user", "content": f"Question {i}?"}], f"{first} {i}", f"{second} {i}")


def current(home: Home, project: Project, labeller: str = "anna") -> Shown:
    return desk.look(home, project, labeller)[0]


def label(home: Home, project: Project, labeller: str = "anna", choice: str = "left", most: int = 10_000) -> list[int]:
    """Vote until nothing is left; the numbers of the pairs."""
    seen = []
    while len(seen) < most and (shown := desk.look(home, project, labeller)):
        seen.append(desk.vote(home, shown[0].showing.token, Given(choice)).pair_id)
    return seen


def votes(home: Home, project: Project) -> list[Any]:
    return preferences.votes(home, project.id)


def test_the_same_token_makes_one_vote_however_often_and_whatever_it_says(home: Home) -> None:
    project = begin(home, 3)
    token = current(home, project).showing.token
    first = desk.vote(home, token, Given("left"))
    assert desk.vote(home, token, Given("right")) == first
    assert len(votes(home, project)) == 1


def test_eight_at_once_with_one_token_make_one_vote(home: Home) -> None:
    project = begin(home, 3)
    token = current(home, project).showing.token
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: desk.vote(home, token, Given(("left", "right")[i % 2])), range(8)))
    assert len({vote.seq for vote in made}) == 1
    assert len(votes(home, project)) == 1


def test_twenty_labellers_at_once_lose_and_double_nothing_and_are_never_locked_out(home: Home) -> None:
    project = begin(home, 200)
    with ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(lambda i: label(home, project, f"person {i}"), range(20)))
    stored = votes(home, project)
    assert sorted(itertools.chain(*seen)) == sorted(vote.pair_id for vote in stored)
    assert Counter(vote.pair_id for vote in stored) == {p.id: 1 for p in preferences.pairs(home, project.id)}


def test_a_reload_finds_the_same_pair_with_the_same_sides_and_the_next_one(home: Home) -> None:
    project = begin(home, 5)
    before = desk.look(home, project, "anna")
    assert [(s.pair.id, s.left) for s in desk.look(home, project, "anna")] == [(s.pair.id, s.left) for s in before]
    assert len({s.pair.id for s in before}) == 2
    desk.vote(home, before[0].showing.token, Given("left"))
    assert current(home, project).pair.id == before[1].pair.id


def test_left_and_right_are_told_from_the_stored_bit(home: Home) -> None:
    project = begin(home, 40, criteria=["helpful"])
    for _ in range(40):
        shown = current(home, project)
        vote = desk.vote(home, shown.showing.token, Given("left", 2, {"helpful": "right"}))
        assert {"first": shown.pair.first, "second": shown.pair.second}[vote.choice] == shown.left
        assert {"first": shown.pair.first, "second": shown.pair.second}[vote.criteria["helpful"]] == shown.right
        assert (vote.flipped, desk.as_shown(vote)) == (shown.showing.flipped, "left")


def chi_square(told: Iterable[bool]) -> float:
    """Of a fair coin; above 10.8 once in a thousand times."""
    counts = Counter(told)
    half = (counts[True] + counts[False]) / 2
    return sum((counts[side] - half) ** 2 / half for side in (True, False))


def test_sides_are_drawn_evenly_whatever_the_answers_and_whoever_labels(home: Home) -> None:
    project = projects.create(home, "tone", PLAIN | {"overlap": 1.0, "raters": 2})
    rows = [pair(i) if i % 2 else pair(i, "quite a bit longer", "short") for i in range(700)]
    pairs.add(home, project, rows)
    told = []
    for labeller in ("anna", "ben"):
        while shown := desk.look(home, project, labeller):
            told.append((shown[0].showing.flipped, len(shown[0].pair.first) > len(shown[0].pair.second), labeller))
            desk.vote(home, shown[0].showing.token, Given("tie"))
    assert len(told) == 1400
    assert chi_square(flipped for flipped, _, _ in told) < 10.8
    for longer in (True, False):
        assert chi_square(flipped for flipped, long, _ in told if long == longer) < 10.8
    for labeller in ("anna", "ben"):
        assert chi_square(flipped for flipped, _, name in told if name == labeller) < 10.8


def test_each_pair_is_seen_by_as_many_as_shall_and_by_no_more(home: Home) -> None:
    project = begin(home, 30, overlap=1.0, raters=2)
    for labeller in ("anna", "ben", "cleo", "dan"):
        label(home, project, labeller)
    seen = Counter(vote.pair_id for vote in votes(home, project))
    assert set(seen.values()) == {2}
    assert len(seen) == 30
    assert preferences.counts(home, project.id).done == 30


def test_an_overlap_share_is_kept_about_and_a_larger_one_adds_to_the_same_pairs(home: Home) -> None:
    project = begin(home, 400, overlap=0.2, raters=3)
    before = {p.id for p in preferences.pairs(home, project.id) if p.raters == 3}
    assert 50 < len(before) < 110
    projects.change_settings(home, project, {"overlap": 0.5})
    after = {p.id for p in preferences.pairs(home, project.id) if p.raters == 3}
    assert before < after
    assert 160 < len(after) < 240


def test_what_lies_before_somebody_is_given_to_nobody_else(home: Home) -> None:
    project = begin(home, 4)
    held = {s.pair.id for s in desk.look(home, project, "anna")} | {s.pair.id for s in desk.look(home, project, "ben")}
    assert len(held) == 4
    assert desk.look(home, project, "cleo") == []


def test_known_answers_come_to_everybody_and_do_not_count_as_asked(home: Home) -> None:
    project = begin(home, 20, gold=0.5)
    known = preferences.pairs(home, project.id)[:4]
    for each in known:
        projects.mark_gold(home, each, "first")
    for labeller in ("anna", "ben"):
        assert {p.id for p in known} <= set(label(home, project, labeller))
    counts = preferences.counts(home, project.id)
    assert (counts.gold, counts.asked, counts.done) == (4, 16, 16)


def test_a_repetition_comes_later_once_and_under_a_round_of_its_own(home: Home) -> None:
    project = begin(home, 60, repeats=0.4)
    label(home, project)
    stored = votes(home, project)
    again = [vote for vote in stored if vote.round == 1]
    assert len(again) >= 5
    assert len({vote.pair_id for vote in again}) == len(again)
    place = {(vote.pair_id, vote.round): i for i, vote in enumerate(stored)}
    assert all(place[vote.pair_id, 1] - place[vote.pair_id, 0] > desk.BACK for vote in again)
    assert preferences.counts(home, project.id).done == 60


def test_undo_brings_the_pair_back_first_with_its_sides_and_a_new_token(home: Home) -> None:
    project = begin(home, 5)
    shown = current(home, project)
    vote = desk.vote(home, shown.showing.token, Given("left", reason="shorter"))
    assert desk.undo(home, project, "anna") is not None
    back = current(home, project)
    assert (back.pair.id, back.left, back.before and back.before.reason) == (shown.pair.id, shown.left, "shorter")
    assert back.showing.token != shown.showing.token
    assert votes(home, project) == []
    stale = desk.vote(home, shown.showing.token, Given("right"))
    assert (stale.token, stale.undone_at is not None) == (vote.token, True)
    assert votes(home, project) == [], "a retry of what was taken back stores nothing"
    assert desk.vote(home, back.showing.token, Given("right")).pair_id == shown.pair.id


def test_the_last_ten_can_be_taken_back_and_not_an_eleventh(home: Home) -> None:
    project = begin(home, 15)
    seen = label(home, project, most=12)
    back = [vote.pair_id for _ in range(12) if (vote := desk.undo(home, project, "anna"))]
    assert back == seen[:1:-1]
    assert len(votes(home, project)) == 2
    assert [s.pair.id for s in desk.look(home, project, "anna")] == seen[2:4]


def test_what_is_skipped_comes_to_others_and_not_back(home: Home) -> None:
    project = begin(home, 3)
    assert len(label(home, project, "anna", "skip")) == 3
    assert desk.look(home, project, "anna") == []
    assert len(label(home, project, "ben")) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Given("up"), "A choice is one of left, right"),
        (Given("left", 3), "is 1 \\(slightly\\) or 2"),
        (Given("left", criteria={"kind": "left"}), "is not said of 'kind'"),
        (Given("left", criteria={"helpful": "up"}), "is not said of 'helpful'"),
        (Given("left", reason="x" * 10_001), "10,001 characters"),
        (Given("left", edited="x" * 500_001), "500,001 characters"),
    ],
)
def test_a_vote_that_cannot_be_is_refused_and_the_pair_stays(home: Home, given: Given, said: str) -> None:
    project = begin(home, 3, criteria=["helpful"])
    shown = current(home, project)
    with pytest.raises(BadInput, match=said):
        desk.vote(home, shown.showing.token, given)
    assert votes(home, project) == []
    assert current(home, project).showing.token == shown.showing.token


def test_strength_and_correction_belong_to_a_choice_between_the_two(home: Home) -> None:
    project = begin(home, 4)
    tie = desk.vote(home, current(home, project).showing.token, Given("tie", 2, edited="better"))
    assert (tie.strength, tie.edited) == (None, None)
    shown = current(home, project)
    same = desk.vote(home, shown.showing.token, Given("left", 1, edited=f" {shown.left}\n"))
    assert (same.strength, same.edited) == (1, None)
    assert desk.vote(home, current(home, project).showing.token, Given("right", edited=" better ")).edited == "better"


def test_a_token_of_nothing_is_refused_in_words(home: Home) -> None:
    begin(home, 1)
    with pytest.raises(TryLater, match="no longer open here, and nothing was stored"):
        desk.vote(home, "0" * 32, Given("left"))


def test_who_got_a_vote_from_an_import_meanwhile_goes_on_with_the_next_pair(home: Home) -> None:
    project = begin(home, 3)
    shown = current(home, project)
    with preferences.changing(home) as change:
        change.do(
            "vote", token="1" * 32, project_id=project.id, pair_id=shown.pair.id, labeller="anna", kind="person", round=0, flipped=None,
            choice="tie", strength=None, preference=None, criteria={}, reason="", edited=None, seconds=None, source="import", extra={},
            at="2026-01-01T00:00:00Z",
        )  # fmt: skip
    with pytest.raises(TryLater, match="no longer open here"):
        desk.vote(home, shown.showing.token, Given("left"))
    assert [vote.choice for vote in votes(home, project)] == ["tie"]
    assert current(home, project).pair.id != shown.pair.id


def test_the_last_decision_on_a_pair_holds(home: Home) -> None:
    project = begin(home, 1)
    pair = preferences.pairs(home, project.id)[0]
    desk.decide(home, pair, "boss", "first", "plainer")
    desk.decide(home, pair, "boss", "second")
    desk.decide(home, pair, "other boss", "tie")
    assert [(vote.labeller, vote.choice) for vote in votes(home, project)] == [("other boss", "tie")]


def test_a_name_that_is_none_is_refused(home: Home) -> None:
    project = begin(home, 1)
    for name in ("", "  ", "a/b", "x" * 81):
        with pytest.raises(BadInput, match="a labeller"):
            desk.look(home, project, name)

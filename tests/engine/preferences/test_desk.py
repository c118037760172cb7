"""The labeller's desk on a real database: who sees what, one vote a token, undo, decisions."""

import itertools
import multiprocessing
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import TryLater
from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given
from storage import db, preferences
from storage.home import Home
from tests.engine.preferences.at_desk import PLAIN, begin, current, label, pair, votes


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
    rows = [pair(i) if i % 2 else pair(i, "quite a bit longer", "short") for i in range(1000)]
    pairs.add(home, project, rows)
    told = []
    for labeller in ("anna", "ben"):
        while shown := desk.look(home, project, labeller):
            told.append((shown[0].showing.flipped, len(shown[0].pair.first) > len(shown[0].pair.second), labeller))
            desk.vote(home, shown[0].showing.token, Given("tie"))
    assert len(told) == 2000
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


def test_processes_at_once_with_one_token_make_one_vote_and_one_of_them_can_take_it_back(home: Home) -> None:
    project = begin(home, 3)
    shown = current(home, project)
    token = shown.showing.token
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = pool.starmap(desk.vote, [(home, token, Given(side)) for side in ("left", "right", "tie", "bad", "left", "right")])
        assert len({(vote.seq, vote.choice) for vote in made}) == 1
        assert len(votes(home, project)) == 1
        back = pool.apply(desk.undo, (home, project, "anna"))
        assert back is not None and back.token == token
        again = pool.apply(desk.look, (home, project, "anna"))[0]
    assert (again.pair.id, again.left, again.before) == (
        shown.pair.id,
        shown.left,
        preferences.taken_back(home, again.pair.id, "anna", 0),
    )
    assert votes(home, project) == []
    assert desk.vote(home, again.showing.token, Given("right")).pair_id == shown.pair.id


def test_fifty_at_once_with_ten_votes_each_make_five_hundred(home: Home) -> None:
    project = begin(home, 600)  # who has stopped still holds two
    with ThreadPoolExecutor(50) as pool:
        seen = list(pool.map(lambda i: label(home, project, f"person {i}", most=10), range(50)))
    stored = votes(home, project)
    assert [len(each) for each in seen] == [10] * 50
    assert (len(stored), len({vote.pair_id for vote in stored}), len({vote.token for vote in stored})) == (500, 500, 500)
    assert set(Counter(vote.labeller for vote in stored).values()) == {10}


def test_labellers_who_take_turns_see_no_pair_more_often_than_shall_be(home: Home) -> None:
    for name, settings, wanted in (("several", {"overlap": 1.0, "raters": 2}, 2), ("alone", {"overlap": 0.0, "raters": 2}, 1)):
        project = projects.create(home, name, PLAIN | settings)
        pairs.add(home, project, [pair(i) for i in range(15)])
        four, voted = ("anna", "ben", "cleo", "dan"), True
        while voted:
            shown = {
                labeller: desk.look(home, project, labeller) for labeller in four
            }  # all hold their pairs before anybody votes
            voted = any(shown.values())
            for each in shown.values():
                if each:
                    desk.vote(home, each[0].showing.token, Given("left"))
        assert Counter(vote.pair_id for vote in votes(home, project)) == {
            p.id: wanted for p in preferences.pairs(home, project.id)
        }


def test_what_lies_before_somebody_who_has_gone_comes_to_others_after_a_while(home: Home) -> None:
    project = begin(home, 2)
    gone = {s.pair.id for s in desk.look(home, project, "anna")}
    assert desk.look(home, project, "ben") == []
    with db.transaction(home) as connection:
        connection.execute("UPDATE showing SET claimed_at = '2020-01-01T00:00:00.000Z'")
    assert {s.pair.id for s in desk.look(home, project, "ben")} == gone


def test_what_is_skipped_is_not_done(home: Home) -> None:
    project = begin(home, 2)
    label(home, project, "anna", "skip")
    assert (preferences.counts(home, project.id).done, [p.missing for p in preferences.pairs(home, project.id)]) == (0, [1, 1])
    label(home, project, "ben")
    assert preferences.counts(home, project.id).done == 2


def test_only_two_lie_before_a_labeller_however_much_was_taken_back(home: Home) -> None:
    project = begin(home, 20)
    seen = label(home, project, most=8)
    for _ in range(5):
        desk.undo(home, project, "anna")
    shown = desk.look(home, project, "anna")
    assert [s.pair.id for s in shown] == seen[3:5]
    assert label(home, project, most=5) == seen[3:], "in the order they came first"
    assert len(votes(home, project)) == 8


def test_a_repetition_is_of_what_the_same_person_said(home: Home) -> None:
    project = begin(home, 60, repeats=0.5)
    for labeller in ("anna", "ben"):
        label(home, project, labeller, most=30)
    first, again = ([(v.pair_id, v.labeller) for v in votes(home, project) if v.round == round] for round in (0, 1))
    assert again and set(again) <= set(first)


def test_what_was_taken_back_and_given_again_does_not_use_up_what_can_be_taken_back(home: Home) -> None:
    project = begin(home, 20)
    seen = label(home, project, most=12)
    for _ in range(3):
        desk.undo(home, project, "anna")
    label(home, project, most=3)
    assert desk.can_undo(home, project, "anna") == desk.LAST
    back = [vote.pair_id for _ in range(desk.LAST) if (vote := desk.undo(home, project, "anna"))]
    assert back == seen[:1:-1] and desk.undo(home, project, "anna") is None

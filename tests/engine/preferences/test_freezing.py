"""From several votes to one outcome, and from outcomes to data sets that TRL reads."""

import math
from typing import Any

import polars
import pytest

from engine.data import curate
from engine.errors import BadInput, WrongShape
from engine.preferences import consensus, desk, freezing, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.freezing import Rule
from engine.preferences.pairs import NewPair
from storage import datasets, preferences
from storage.home import Home
from storage.preferences import DECIDING
from storage.records import Project
from tests.engine.preferences.made import pair, vote


def outcome(said: str, rule: str = "majority", **weights: float) -> str | None:
    """What votes by a, b, c ... come to, each a letter of first, second, tie, bad."""
    names = {"f": "first", "s": "second", "t": "tie", "b": "bad"}
    return consensus.settle([vote(1, "abcdefg"[i], names[c]) for i, c in enumerate(said)], rule, weights or None).choice


def test_the_majority_is_more_than_half() -> None:
    assert [outcome(said) for said in ("f", "ffs", "fs", "fst", "ffst", "tts", "bbf", "")] == [
        "first", "first", None, None, None, "tie", "bad", None,
    ]  # fmt: skip


def test_unanimous_means_all() -> None:
    assert [outcome(said, "unanimous") for said in ("ff", "ffs", "t")] == ["first", None, "tie"]


def test_weights_let_one_outvote_two() -> None:
    assert outcome("fss", "weighted", a=3.0, b=1.0, c=1.0) == "first"
    assert outcome("fss", "weighted", a=2.0, b=1.0, c=1.0) is None, "exactly half is no majority"
    assert outcome("fss", "weighted", a=1.9, b=1.0, c=1.0) == "second"


def test_a_decision_stands_above_the_votes_and_the_last_one_counts() -> None:
    given = [
        vote(1, "a", "first"),
        vote(1, "b", "first"),
        vote(1, "x", "tie", round=DECIDING),
        vote(1, "y", "second", round=DECIDING),
    ]
    found = consensus.settle(given, "unanimous")
    assert (found.choice, found.decided) == ("second", True)


def test_share_and_strength_say_how_far_ahead_the_winner_is() -> None:
    given = [vote(1, "a", "first", strength=2), vote(1, "b", "first", strength=2), vote(1, "c", "second", strength=1)]
    found = consensus.settle(given)
    assert (found.share, found.strength) == (pytest.approx(1 / 3), pytest.approx(1.0))


def test_reliability_is_told_from_known_answers_else_from_the_others_else_is_usual() -> None:
    held = {i: pair(i, gold="first" if i <= 8 else None) for i in range(1, 30)}
    given = [vote(i, "good", "first") for i in range(1, 9)] + [vote(i, "bad", "second") for i in range(1, 9)]
    given += [vote(i, name, "first") for i in range(10, 20) for name in ("x", "y")]
    given += [vote(i, "z", "second") for i in range(10, 20)] + [vote(25, "new", "first")]
    found = consensus.reliabilities(held, given)
    assert found["good"] == pytest.approx(9 / 10) and found["bad"] == consensus.LEAST
    assert found["new"] == consensus.USUAL
    assert found["x"] > found["z"] == consensus.LEAST
    assert consensus.weights({"a": 0.9})["a"] == pytest.approx(math.log(9))


def settled(rule: Rule | None = None, **said: str) -> freezing.Settled:
    """Of one pair whose votes ``a``, ``b`` ... say so."""
    return freezing.of({1: pair(1)}, [vote(1, name, choice) for name, choice in said.items()], rule or Rule())


def test_each_reason_to_leave_a_pair_out_is_counted() -> None:
    held = {
        1: pair(1), 2: pair(2), 3: pair(3), 4: pair(4), 5: pair(5, "same", " same\n"), 6: pair(6, gold="first"), 7: pair(7),
    }  # fmt: skip
    given = [vote(2, "a", "first"), vote(2, "b", "second"), vote(3, "a", "tie"), vote(4, "a", "bad"), vote(5, "a", "first")]
    given += [vote(6, "a", "first"), vote(7, "a", "first"), vote(1, "a", "skip"), vote(1, "j", "first", kind="judge")]
    found = freezing.of(held, given, Rule())
    assert found.left_out == {"open": 1, "divided": 1, "tie": 1, "bad": 1, "alike": 1, "gold": 1}
    assert [row["chosen"][0]["content"] for _, row in found.rows] == ["one 7"]
    assert freezing.of(held, given, Rule(by="judges")).pairs == 1


def test_a_correction_stands_above_the_loser_and_above_what_it_corrects() -> None:
    given = [vote(1, "a", "second", edited="better", reason="clear"), vote(1, "b", "second")]
    found = freezing.of({1: pair(1)}, given, Rule())
    rows = [(row["chosen"][0]["content"], row["rejected"][0]["content"], row["reason"]) for _, row in found.rows]
    assert rows == [("better", "one 1", "clear"), ("better", "other 1", "clear")]
    assert found.corrected == 1


def test_margins_are_numbers_in_every_row_or_in_none() -> None:
    given = [vote(1, "a", "first", strength=2), vote(1, "b", "first"), vote(1, "c", "second")]
    for margin, expected in (("strength", 2 / 3), ("share", 1 / 3)):
        row = freezing.of({1: pair(1)}, given, Rule(margin=margin)).rows[0][1]
        assert row["margin"] == pytest.approx(expected)
    assert "margin" not in freezing.of({1: pair(1)}, given, Rule()).rows[0][1]


def test_single_answers_are_marked_and_ties_kept_where_asked() -> None:
    keep, drop = Rule("unpaired", ties="keep"), Rule("unpaired")
    labels = {said: [row["label"] for _, row in settled(keep, a=said).rows] for said in ("first", "second", "tie", "bad")}
    assert labels == {"first": [True, False], "second": [False, True], "tie": [True, True], "bad": [False, False]}
    assert settled(drop, a="tie").rows == ()


@pytest.mark.parametrize(
    "given",
    [{"shape": "x"}, {"rule": "x"}, {"by": "x"}, {"margin": "x"}, {"ties": "x"}, {"held_out": 1.0}, {"held_out": -0.1}, {"ties": "keep"},
     {"shape": "unpaired", "margin": "share"}],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Rule(**given)


def test_a_split_keeps_each_prompt_on_one_side_and_its_share() -> None:
    rows = [(f"prompt {i // 3}", {"n": i}) for i in range(300)]
    kept, held = freezing.split(rows, 0.2, 0)
    assert len(kept) + len(held) == 300 and 50 <= len(held) <= 70
    assert not {row["n"] // 3 for row in kept} & {row["n"] // 3 for row in held}
    assert freezing.split(rows, 0.2, 0) == (kept, held) != freezing.split(rows, 0.2, 1)
    assert freezing.split(rows[:3], 0.9, 0)[1] == [], "one prompt is not held out from itself"


@pytest.fixture
def labelled(home: Home) -> Project:
    """Forty pairs of twenty prompts, all labelled on the left."""
    project = projects.create(home, "tone", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0, "instructions": "Be *kind*."})
    new = [NewPair([{"role": "user", "content": f"Question {i // 2}?"}], f"a {i}", f"b {i}") for i in range(40)]
    pairs.add(home, project, new)
    while shown := desk.look(home, project, "anna"):
        desk.vote(home, shown[0].showing.token, Given("left", 2))
    return project


def test_what_is_frozen_has_trls_columns_and_no_prompt_on_both_sides(home: Home, labelled: Project) -> None:
    made = freezing.freeze(home, labelled, "tone-pairs", Rule(margin="strength", held_out=0.2))
    assert made.held_out is not None
    both = [polars.read_parquet(datasets.path(home, each.sha256)) for each in (made.dataset, made.held_out)]
    assert [len(frame) for frame in both] == [32, 8]
    assert set(both[0].columns) == {"prompt", "chosen", "rejected", "margin"}
    prompts = [{row["prompt"][0]["content"] for row in frame.iter_rows(named=True)} for frame in both]
    assert not prompts[0] & prompts[1]
    row = curate.rows(home, made.dataset, 0, 1)[0]
    assert row["chosen"][0]["role"] == "assistant" and row["margin"] == 2.0


def test_the_card_says_what_was_asked_by_whom_and_how_far_it_can_be_trusted(home: Home, labelled: Project) -> None:
    made = freezing.freeze(home, labelled, "tone-pairs", Rule())
    for part in (
        "Be *kind*.",
        "40 rows from 40 pairs",
        "Votes: 40, by anna",
        "Krippendorff's alpha: not defined",
        "not known: 80",
    ):
        assert part in made.card
    assert made.dataset.steps[0]["card"] == made.card
    assert (made.dataset.steps[0]["step"], made.dataset.steps[0]["rule"]) == ("labels", "majority")


def test_the_same_labels_give_the_same_version_and_new_ones_the_next(home: Home, labelled: Project) -> None:
    first = freezing.freeze(home, labelled, "tone-pairs", Rule())
    assert freezing.freeze(home, labelled, "tone-pairs", Rule()).dataset.id == first.dataset.id
    desk.undo(home, labelled, "anna")
    assert freezing.freeze(home, labelled, "tone-pairs", Rule()).dataset.version == 2


def test_nothing_to_freeze_is_said_with_the_reasons_and_a_way_on(home: Home) -> None:
    project = projects.create(home, "empty")
    with pytest.raises(WrongShape, match="there are no pairs"):
        freezing.freeze(home, project, "x", Rule())
    placed = pairs.add(home, project, [NewPair([{"role": "user", "content": "?"}], "a", "b")])
    with preferences.changing(home) as change:
        given = {
            k: v
            for k, v in vote(placed[0].pair_id, "judge", "first", kind="judge").__dict__.items()
            if k not in ("seq", "undone_at")
        }
        change.do("vote", **given)
    with pytest.raises(WrongShape, match="1 left out since nobody has labelled it. Only judges"):
        freezing.freeze(home, project, "x", Rule())
    assert freezing.freeze(home, project, "x", Rule(by="judges")).dataset.rows == 1


def test_a_name_of_another_shape_is_refused_and_nothing_is_stored(home: Home, labelled: Project) -> None:
    freezing.freeze(home, labelled, "tone-pairs", Rule())
    before = len(datasets.all(home))
    with pytest.raises(BadInput, match="holds preference, not unpaired"):
        freezing.freeze(home, labelled, "tone-pairs", Rule("unpaired"))
    assert len(datasets.all(home)) == before

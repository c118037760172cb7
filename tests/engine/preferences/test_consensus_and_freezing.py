"""What one outcome of several votes rests on, and what of it reaches a frozen data set; the basic rules stand in test_freezing.py."""

import itertools
import random
from typing import Any

import polars
import pytest

from engine.data import curate
from engine.errors import BadInput, WrongShape
from engine.preferences import consensus, desk, exchange, freezing, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.freezing import Rule
from engine.preferences.pairs import NewPair
from storage import datasets, preferences
from storage.home import Home
from storage.preferences import DECIDING
from storage.records import Dataset, Pair, Project, Vote
from tests.engine.preferences.made import pair, vote


def test_an_outcome_does_not_depend_on_the_order_of_votes() -> None:
    given = [vote(1, "a", "first", strength=2), vote(1, "b", "second"), vote(1, "c", "first"), vote(1, "d", "tie")]
    weights = {"a": 2.0, "b": 0.5, "c": 1.0, "d": 0.3}
    for rule in consensus.RULES:
        assert len({consensus.settle(each, rule, weights) for each in itertools.permutations(given)}) == 1


def test_only_first_looks_of_those_asked_count() -> None:
    given = [
        vote(1, "a", "first"),
        vote(1, "a", "second", round=1),
        vote(1, "b", "skip"),
        vote(1, "j", "second", kind="judge"),
        vote(1, "k", "second", kind="judge"),
    ]
    said = {by: [v.labeller for v in consensus.counting(given, by).get(1, [])] for by in consensus.BY}
    assert said == {"people": ["a"], "judges": ["j", "k"], "all": ["a", "j", "k"]}
    chosen = {by: freezing.of({1: pair(1)}, given, Rule(by=by)).rows[0][1]["chosen"][0]["content"] for by in consensus.BY}
    assert chosen == {"people": "one 1", "judges": "other 1", "all": "other 1"}


def test_a_decision_holds_whoever_is_asked() -> None:
    given = [vote(1, "a", "first"), vote(1, "j", "first", kind="judge"), vote(1, "boss", "second", round=DECIDING)]
    for by, rule in itertools.product(consensus.BY, consensus.RULES):
        row = freezing.of({1: pair(1)}, given, Rule(by=by, rule=rule)).rows[0][1]
        assert row["chosen"][0]["content"] == "other 1"


def experts() -> tuple[dict[int, Pair], list[Vote]]:
    """Known answers that one labeller finds and two others miss, and a pair on which the one stands against the two."""
    held = {i: pair(i, gold="first") for i in range(1, 21)} | {99: pair(99)}
    given = [vote(i, "good", "first") for i in range(1, 21)]
    given += [vote(i, name, "first" if i % 2 else "second") for i in range(1, 21) for name in ("x", "y")]
    return held, [*given, vote(99, "good", "first"), vote(99, "x", "second"), vote(99, "y", "second")]


def test_who_is_right_on_known_answers_outvotes_two_who_guess() -> None:
    held, given = experts()
    rows = {rule: freezing.of(held, given, Rule(rule=rule)).rows for rule in consensus.RULES}
    assert rows["unanimous"] == ()
    assert rows["majority"][0][1]["chosen"][0]["content"] == "other 99"
    assert rows["weighted"][0][1]["chosen"][0]["content"] == "one 99"


def test_too_few_known_answers_tell_nothing_and_nobody_counts_for_certain() -> None:
    held = {i: pair(i, gold="first") for i in range(1, 301)}
    few = [vote(i, "few", "first") for i in range(1, consensus.ENOUGH)]
    found = consensus.reliabilities(held, [*few, *(vote(i, "many", "first") for i in range(101, 301))])
    assert found == {"few": consensus.USUAL, "many": consensus.MOST}
    five = consensus.reliabilities(held, [vote(i, "five", "first") for i in range(1, 6)])
    assert five == {"five": pytest.approx(6 / 7)}, "five of five by Laplace's rule"
    weights = consensus.weights({"worst": consensus.LEAST, "usual": consensus.USUAL, "best": consensus.MOST})
    assert 0 < weights["worst"] < weights["usual"] < weights["best"]


def test_a_margin_is_never_below_nothing_and_other_votes_thin_it_out() -> None:
    against = [vote(1, "a", "first"), vote(1, "b", "first"), vote(1, "c", "second", strength=2), vote(1, "d", "first")]
    assert consensus.settle(against).strength == pytest.approx(1 / 4)
    clear = [vote(1, name, "second", strength=2) for name in "ab"]
    faint = [vote(1, name, "first", strength=1) for name in "cde"]
    found = consensus.settle([*clear, *faint])
    assert (found.choice, found.strength) == ("first", 0), "four clearly against three slightly"
    with_ties = [vote(1, "a", "first", strength=2), vote(1, "b", "first", strength=2), vote(1, "c", "tie")]
    found = consensus.settle(with_ties)
    assert (found.share, found.strength) == (pytest.approx(2 / 3), pytest.approx(4 / 3))


def rows_of(*given: Vote, rule: Rule | None = None) -> list[tuple[str, str]]:
    """The better and the worse answer of each row that comes of votes on one pair."""
    found = freezing.of({1: pair(1)}, given, rule or Rule())
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for _, row in found.rows]


def test_the_last_correction_of_those_who_agree_counts_and_one_of_the_outvoted_does_not() -> None:
    given = [vote(1, "a", "first", edited="early"), vote(1, "b", "first", edited="late"), vote(1, "c", "second", edited="lost")]
    assert rows_of(*given) == [("late", "other 1"), ("late", "one 1")]
    assert rows_of(vote(1, "a", "first"), vote(1, "b", "first"), given[2]) == [("one 1", "other 1")]


def test_a_correction_that_comes_to_the_other_answer_makes_no_row_of_twice_the_same() -> None:
    assert all(better != worse for better, worse in rows_of(vote(1, "a", "first", edited="other 1")))


def label(home: Home, project: Project, labeller: str, given: list[Given]) -> None:
    """Vote on what comes, as far as there is anything given."""
    for each in given:
        desk.vote(home, desk.look(home, project, labeller)[0].showing.token, each)


def begin(home: Home, count: int, **settings: Any) -> Project:
    """A project of pairs, each with a prompt of two turns of its own."""
    project = projects.create(home, "tone", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0, **settings})
    system = {"role": "system", "content": "Be brief. ü😀"}
    new = [NewPair([system, {"role": "user", "content": f"Question {i}?"}], f"a {i}", f"b {i}") for i in range(count)]
    pairs.add(home, project, new)
    return project


def frame(home: Home, dataset: Dataset) -> polars.DataFrame:
    return polars.read_parquet(datasets.path(home, dataset.sha256))


TURNS = polars.List(polars.Struct({"role": polars.String, "content": polars.String}))


@pytest.mark.parametrize(
    ("margin", "reason", "columns"),
    [
        ("none", "", {"prompt", "chosen", "rejected"}),
        ("share", "", {"prompt", "chosen", "rejected", "margin"}),
        ("strength", "so", {"prompt", "chosen", "rejected", "margin", "reason"}),
    ],
)
def test_a_preference_data_set_has_the_columns_that_trl_reads(home: Home, margin: str, reason: str, columns: set[str]) -> None:
    project = begin(home, 8)
    label(home, project, "anna", [Given("left", 1, reason=reason if i == 3 else "") for i in range(8)])
    found = frame(home, freezing.freeze(home, project, "tone-pairs", Rule(margin=margin, held_out=0)).dataset)
    assert (set(found.columns), len(found)) == (columns, 8)
    assert {found.schema[name] for name in ("prompt", "chosen", "rejected")} == {TURNS}
    held = {p.first: p for p in preferences.pairs(home, project.id)} | {p.second: p for p in preferences.pairs(home, project.id)}
    for row in found.iter_rows(named=True):
        better, worse = row["chosen"][0]["content"], row["rejected"][0]["content"]
        assert row["prompt"] == held[better].prompt and {better, worse} == {held[better].first, held[better].second}
        assert [turn["role"] for turn in row["chosen"]] == ["assistant"]
    if margin != "none":
        assert found.schema["margin"] == polars.Float64 and found["margin"].null_count() == 0
    if reason:
        assert sorted(found["reason"].drop_nulls()) == ["so"]


def test_a_data_set_of_single_answers_has_the_columns_that_trl_reads(home: Home) -> None:
    project = begin(home, 6)
    label(home, project, "anna", [Given(choice) for choice in ("left", "right", "tie", "bad", "left", "tie")])
    kept = frame(home, freezing.freeze(home, project, "kept", Rule("unpaired", ties="keep", held_out=0)).dataset)
    assert dict(kept.schema) == {"prompt": TURNS, "completion": TURNS, "label": polars.Boolean()}
    assert (len(kept), kept["label"].sum()) == (12, 3 + 4)
    dropped = frame(home, freezing.freeze(home, project, "dropped", Rule("unpaired", held_out=0)).dataset)
    assert (len(dropped), dropped["label"].sum()) == (6, 3)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.5])
def test_a_split_holds_about_its_share_out_however_rows_lie_on_prompts(share: float) -> None:
    for seed in range(10):
        rng = random.Random(seed)
        rows = [(f"prompt {p}", {"p": p}) for p in range(120) for _ in range(rng.choice([1, 1, 2, 5]))]
        kept, held = freezing.split(rows, share, seed)
        assert len(kept) + len(held) == len(rows)
        assert abs(len(held) - share * len(rows)) <= 5
        assert not {row["p"] for row in kept} & {row["p"] for row in held}
        again = freezing.split(rng.sample(rows, len(rows)), share, seed)[1]
        assert {row["p"] for row in again} == {row["p"] for row in held}, "the order of rows changes nothing"


def test_both_rows_of_a_correction_lie_on_one_side(home: Home) -> None:
    project = begin(home, 20)
    label(home, project, "anna", [Given("left", edited=f"better {i}") for i in range(20)])
    made = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0.3))
    assert made.held_out is not None
    sides = [frame(home, each)["prompt"].to_list() for each in (made.dataset, made.held_out)]
    assert len(sides[0]) + len(sides[1]) == 40 and len(sides[1]) == 12
    assert not {str(p) for p in sides[0]} & {str(p) for p in sides[1]}


def test_nothing_held_out_makes_one_data_set(home: Home) -> None:
    project = begin(home, 5)
    label(home, project, "anna", [Given("left")] * 5)
    made = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0))
    assert (made.held_out, made.dataset.rows, len(datasets.all(home))) == (None, 5, 1)


def test_the_card_names_every_number_that_can_be_counted(home: Home) -> None:
    project = begin(home, 12, overlap=1.0, raters=2)
    for labeller, others in (("anna", "first"), ("ben", "second")):
        for said in ["first"] * 5 + [others] * 2 + ["tie"] * 2 + ["bad"]:
            flipped = desk.look(home, project, labeller)[0].showing.flipped
            side = {"first": ("left", "right")[flipped], "second": ("right", "left")[flipped]}.get(said, said)
            label(home, project, labeller, [Given(side, edited="better" if labeller == "ben" and said == "first" else None)])
    made = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0))
    assert made.dataset.rows == 10
    for part in (
        "Votes: 20, by anna, ben",
        "Left out, since the votes give no outcome by the rule: 2\n",
        "Left out, since it is a tie: 2\n",
        "Left out, since both answers are bad: 1\n",
        "Left out, since nobody has labelled it: 2\n",
        "10 rows from 5 pairs, 0 of them held out",
        "stand above both answers: 5\n",
        "10 pairs seen by several",
        "n = 14)",
        "not known: 24",
    ):
        assert part in made.card, part


@pytest.mark.parametrize("shape", freezing.SHAPES)
def test_the_card_counts_the_rows_that_are_there_where_an_answer_is_empty(home: Home, shape: str) -> None:
    project = begin(home, 3)
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"empty {i}?"}], "said", "") for i in range(3)])
    label(home, project, "anna", [Given("left")] * 6)
    made = freezing.freeze(home, project, "tone-pairs", Rule(shape, held_out=0))
    assert f"{made.dataset.rows} rows from" in made.card


def test_rows_that_cannot_be_held_out_leave_no_data_set_behind(home: Home) -> None:
    project = projects.create(home, "tone", {"gold": 0.0, "repeats": 0.0})
    new = [NewPair([{"role": "user", "content": f"{i}?"}], "said", "" if i < 3 else "b") for i in range(6)]
    pairs.add(home, project, new)
    label(home, project, "anna", [Given("left")] * 6)
    for seed in range(20):
        try:
            freezing.freeze(home, project, f"data {seed}", Rule(held_out=0.3, seed=seed))
        except BadInput:
            assert f"data {seed}" not in {dataset.name for dataset in datasets.all(home)}


def test_known_answers_and_only_ties_leave_nothing_to_freeze_and_nothing_is_stored(home: Home) -> None:
    project = begin(home, 3)
    projects.mark_gold(home, preferences.pairs(home, project.id)[0], "first")
    label(home, project, "anna", [Given("tie")] * 3)
    with pytest.raises(WrongShape, match="No pair of tone has an outcome") as told:
        freezing.freeze(home, project, "tone-pairs", Rule())
    assert "2 left out since it is a tie" in str(told.value) and "1 left out since its answer was known" in str(told.value)
    assert datasets.all(home) == []


def test_a_held_out_name_of_another_shape_is_refused_before_anything_is_stored(home: Home) -> None:
    project = begin(home, 30)
    label(home, project, "anna", [Given("left")] * 30)
    freezing.freeze(home, project, "x" + freezing.HELD_OUT, Rule("unpaired", held_out=0))
    before = len(datasets.all(home))
    with pytest.raises(BadInput, match="holds unpaired, not preference"):
        freezing.freeze(home, project, "x", Rule())
    with pytest.raises(BadInput, match="cannot be the name of a data set"):
        freezing.freeze(home, project, "x" * 75, Rule())
    assert len(datasets.all(home)) == before


def test_what_is_frozen_can_be_brought_in_again_as_pairs_with_the_same_choices(home: Home) -> None:
    project = begin(home, 10)
    label(home, project, "anna", [Given("left" if i % 3 else "right") for i in range(10)])
    made = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0))
    other = projects.create(home, "other")
    assert exchange.from_dataset(home, other, made.dataset).pairs == 10
    again = freezing.freeze(home, other, "again", Rule(by="judges", held_out=0))
    rows = [sorted(map(str, curate.rows(home, each, 0, 10))) for each in (made.dataset, again.dataset)]
    assert rows[0] == rows[1]


def prompts_of(home: Home, dataset: Dataset | None) -> set[str]:
    assert dataset is not None
    return {row["prompt"][-1]["content"] for row in curate.every(home, dataset)}


def test_what_was_held_out_once_is_never_learnt_from_in_a_later_version(home: Home) -> None:
    project = begin(home, 60)
    label(home, project, "anna", [Given("left")] * 25)
    first = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0.2))
    label(home, project, "anna", [Given("left")] * 35)
    second = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0.2))
    assert (second.dataset.rows, second.held_out and second.held_out.rows) == (48, 12)
    assert prompts_of(home, first.held_out) < prompts_of(home, second.held_out)
    assert prompts_of(home, first.dataset) < prompts_of(home, second.dataset)
    other = freezing.freeze(home, project, "tone-pairs", Rule(held_out=0.2, seed=1))
    assert prompts_of(home, other.held_out) != prompts_of(home, second.held_out), "another seed splits anew"


def test_an_answer_that_is_good_here_and_bad_there_is_left_out_and_others_come_once() -> None:
    held = {i: pair(i, *each, prompt="same?") for i, each in enumerate([("A", "B"), ("B", "C"), ("A", "C")])}
    given = [vote(i, "anna", "first") for i in held]
    found = freezing.of(held, given, Rule("unpaired"))
    rows = [(row["completion"][0]["content"], row["label"]) for _, row in found.rows]
    assert (sorted(rows), found.mixed) == ([("A", True), ("C", False)], 1)

"""Variants of a question: what they change, what they keep, and that a seed repeats them."""

import pytest

from engine.errors import BadInput
from engine.prompting.variants import KINDS, VARIANTS, variant, variants

QUESTION = "When does the ferry to Oster leave?"


def test_every_rule_makes_another_question_that_still_holds_its_names() -> None:
    made = variants(QUESTION)
    assert {each.rule for each in made} == set(VARIANTS)
    assert {each.kind for each in made} == set(KINDS)
    assert len({each.question for each in made}) == len(made)
    assert all("Oster" in each.question for each in made)


def test_a_seed_repeats_them_and_another_one_changes_some() -> None:
    assert variants(QUESTION, seed=1) == variants(QUESTION, seed=1)
    assert variants(QUESTION, seed=1) != variants(QUESTION, seed=2)
    assert variant(QUESTION, "hostile", seed=1) == variant(QUESTION, "hostile", seed=1)
    assert len({variant(QUESTION, "hostile", seed=seed).rule for seed in range(30)}) > 3


def test_a_swapped_letter_stays_within_a_word_and_names_are_spared() -> None:
    for seed in range(40):
        (made,) = [each for each in variants(QUESTION, "paraphrase", seed=seed) if each.rule == "swapped letters"]
        assert sorted(made.question) == sorted(QUESTION)
        assert sum(a != b for a, b in zip(made.question, QUESTION, strict=True)) == 2
        assert made.question.split()[0] == "When" and "Oster" in made.question


def test_distractors_come_from_other_rows_where_there_are_any() -> None:
    told = {each.question for each in variants(QUESTION, "distractor", others=["Mara bakes bread.", QUESTION])}
    assert told == {f"Mara bakes bread. {QUESTION}", f"{QUESTION} Mara bakes bread."}


def test_a_rule_that_changes_nothing_gives_no_variant() -> None:
    assert "swapped letters" not in {each.rule for each in variants("2 + 2")}
    assert variant("", "paraphrase").question


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(BadInput, match="paraphrase, distractor, hostile"):
        variants(QUESTION, "rude")

"""Rewards as they are written down: what may be written, what it means, and what is said of the rest."""

import pytest

from engine.errors import BadInput
from engine.rewards import recipe
from engine.rewards.table import REWARDS, Answer, Context


def rewards(text: str, *answers: Answer) -> list[float | None]:
    parts = recipe.parse(text, Context())
    return recipe.total(parts, recipe.scores(parts, answers))


def said(text: str, tokens: int = 10, ended: bool = True, **row: object) -> Answer:
    return Answer(row, text, tokens, ended)


def test_a_reward_is_a_weighted_sum_of_its_parts() -> None:
    good, cut = said("72", check={"kind": "number", "value": 72}), said("72", ended=False, check={"kind": "number", "value": 72})
    assert rewards("check + 0.2 * ended - 0.5 * regex(pattern='7.')", good, cut) == pytest.approx([0.7, 0.5])
    assert rewards("-(check * 2)", good) == [-2.0]
    assert rewards("-0.2 * ended + check", good, cut) == pytest.approx([0.8, 1.0])
    assert rewards("check + -0.5 * ended", good) == [0.5]


def test_an_answer_that_a_part_could_not_grade_is_worth_nothing_known() -> None:
    parts = recipe.parse("judge + 0.2 * ended", Context(judge=lambda _: ""))
    assert recipe.total(parts, [[0.8, None], [1.0, 1.0]]) == [pytest.approx(1.0), None]


@pytest.mark.parametrize("kind", ["number", "exact", "math"])
def test_a_value_may_stand_in_a_column(kind: str) -> None:
    assert rewards(f"{kind}(column='answer')", said("7", answer="7"), said("7", answer="8")) == [1.0, 0.0]
    with pytest.raises(BadInput, match="reads the column 'answer', and the data has only prompt"):
        recipe.needs(recipe.parse(f"{kind}(column='answer')", Context()), ["prompt"])


def test_length_pays_between_its_bounds_and_less_on_both_sides() -> None:
    found = rewards(
        "length(least=20, most=40)", *(said("x", tokens=n) for n in (0, 10, 20, 40, 60, 80, 500)), said("x", 30, ended=False)
    )
    assert found == [0, 0.5, 1, 1, 0.5, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chek", "there is no reward 'chek'"),
        ("check +", "cannot be read"),
        ("check + check", "the same reward twice"),
        ("check * ended", "a product needs a number"),
        ("__import__('os').system('x')", "arguments are given by name|there is no reward"),
        ("length(longest=3)", "length takes least, most, not longest"),
        ("length(least=50, most=20)", "least <= most"),
        ("regex(pattern='(')", "The reward regex"),
        ("regex(pattern=open('x'))", "pattern takes a constant"),
        ("exact", "needs 'value'"),
    ],
)
def test_a_reward_that_cannot_be_used_says_why(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        recipe.parse(text, Context())


def test_every_reward_says_what_it_does() -> None:
    assert all(kind.help and kind.name == name for name, kind in REWARDS.items())

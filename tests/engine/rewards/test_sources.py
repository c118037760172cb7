"""What rewards draw on: a person's own code, contained, and a judge's grade."""

import pytest

from engine.errors import BadInput, RunFailed
from engine.rewards import recipe
from engine.rewards.table import Answer, Context
from engine.sandbox import contained

ROW = {"prompt": [{"role": "user", "content": "How much is it?"}], "price": 3}
contained_here = pytest.mark.skipif(contained.missing() is not None, reason=str(contained.missing()))


def scored(text: str, context: Context, *answers: str) -> list[float | None]:
    parts = recipe.parse(text, context)
    return recipe.total(parts, recipe.scores(parts, [Answer(ROW, answer, 3, True) for answer in answers]))


OWN = """
def reward(prompt, answer, row):
    if not answer:
        return None
    return float(str(row["price"]) in answer) + 0.25 * ("much" in prompt[-1]["content"])
"""


@contained_here
def test_your_own_function_sees_prompt_answer_and_row() -> None:
    assert scored("2 * python", Context(code=OWN), "It is 3.", "It is 4.", "") == [2.5, 0.5, None]


@contained_here
def test_your_own_function_reaches_nothing_outside(tmp_path: object) -> None:
    code = f"def reward(prompt, answer, row):\n    import os\n    return float(os.path.exists({str(tmp_path)!r}))"
    assert scored("python", Context(code=code), "x") == [0.0]


@contained_here
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 1 / 0", "ZeroDivisionError"),
        ("return 'good'", "it gives 'good', which is no number"),
        ("return True", "it gives True, which is no number"),
        ("return float('nan')", "no number"),
        ("import os; os._exit(0)", "gave nothing for 1 answers"),
    ],
)
def test_a_function_that_gives_no_number_ends_the_run_with_its_answer(body: str, said: str) -> None:
    with pytest.raises(RunFailed, match=said) as problem:
        scored("python", Context(code=f"def reward(prompt, answer, row):\n    {body}"), "It is 3.")
    assert problem.value.kind == "bad reward"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "reward_code is empty"),
        ("def reward(:", "reward_code is no Python: .* in line 1"),
        ("def price(prompt, answer, row): return 1", "no function reward.*It has: price"),
    ],
)
def test_code_without_the_function_is_refused_before_anything_runs(code: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        recipe.parse("python", Context(code=code))


def test_where_nothing_can_be_contained_your_own_reward_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "missing", lambda: "bubblewrap (bwrap) is not installed")
    with pytest.raises(BadInput, match="bwrap"):
        recipe.parse("python", Context(code=OWN))


def test_a_judge_grades_from_nothing_to_one_and_what_it_does_not_grade_has_no_reward() -> None:
    def ask(messages: list[dict[str, str]]) -> str:
        said = messages[1]["content"].split("<answer>")[1]
        return {"good": "Fine.\n[[8]]", "poor": "[[11]] [[0]]"}.get(said.split("</answer>")[0].strip(), "I cannot say.")

    assert scored("judge", Context(judge=ask), "good", "poor", "odd") == [0.8, 0.0, None]


def test_a_judge_that_is_not_named_is_said_to_be_missing() -> None:
    with pytest.raises(BadInput, match="Set judge_address and judge"):
        recipe.parse("judge", Context())

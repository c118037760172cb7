"""Guards: what an answer has to keep, told so that it can be mended."""

import json
from typing import Any

import pytest

from engine.errors import BadInput
from engine.prompting.guards import REFUSAL, Guards, problems, retold
from engine.sandbox import contained

ROW = {"prompt": "Who?"}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "maximum": 120}}, "required": ["age"]}


def found(check: dict[str, Any], answer: str, row: dict[str, Any] | None = None) -> list[str]:
    return problems(Guards.checked({"checks": [check]}), answer, row or ROW)


@pytest.mark.parametrize(
    ("check", "good", "bad", "said"),
    [
        ({"kind": "json_schema", "schema": SCHEMA}, '{"age": 7}', '{"age": 7', "not valid JSON: Expecting ',' delimiter at character 10"),
        ({"kind": "json_schema", "schema": SCHEMA}, '```json\n{"age": 7}\n```', '{"age": 121}', "at $.age: 121 is greater than the maximum of 120"),
        ({"kind": "json_schema", "schema": SCHEMA}, '{"age": 0}', "{}", "the document: 'age' is a required property"),
        ({"kind": "json_schema", "schema": {}}, "1", "NaN", "NaN is no JSON"),
        ({"kind": "regex", "pattern": "[A-Z]{2}"}, "AB", "AB!", "must match the pattern [A-Z]{2}"),
        ({"kind": "words", "required": ["sea"], "forbidden": ["land"]}, "The sea.", "The land.", 'none of these: "land"'),
        ({"kind": "contains", "value": ["a", "b"]}, "a b", "a", 'each of these texts: "a", "b"'),
        ({"kind": "one_of", "value": ["yes", "no"]}, "yes", "perhaps", 'one of these, and nothing else: "yes", "no"'),
        ({"kind": "exact", "value": "yes"}, "yes", "no", 'exactly "yes"'),
        ({"kind": "number", "value": 4}, "It is 4.", "It is 5.", "not the right one"),
        ({"kind": "language", "value": "de"}, "Das Haus steht am Rand der Stadt.", "The house is at the edge of town.", "language de"),
        ({"kind": "tags", "value": ["a"]}, "<a>x</a>", "x", 'these tags in this order'),
        ({"kind": "instructions", "value": [{"id": "punctuation:no_comma"}]}, "a b", "a, b", "no comma"),
        ({"kind": "math", "value": "1/2"}, "0.5", "2", "check math"),
        ({"kind": "length", "most": 3}, "one two three", "one two three four", "has 4 words and may have at most 3"),
        ({"kind": "length", "least": 3, "unit": "characters"}, "abc", " ab ", "has 2 characters and must have at least 3"),
    ],
)  # fmt: skip
def test_a_failed_check_says_what_to_mend(check: dict[str, Any], good: str, bad: str, said: str) -> None:
    assert found(check, good) == []
    (told,) = found(check, bad)
    assert said in told


def test_every_failed_check_is_told_and_goes_back_to_the_model() -> None:
    guards = Guards.checked({"checks": [{"kind": "length", "most": 1}, {"kind": "regex", "pattern": "[a-z]+"}]})
    reasons = problems(guards, "Two words", ROW)
    assert len(reasons) == 2
    answer, asked = retold("Two words", reasons)
    assert answer == {"role": "assistant", "content": "Two words"}
    assert asked["role"] == "user" and all(reason in asked["content"] for reason in reasons)


def test_a_reason_is_short_whatever_the_answer() -> None:
    (told,) = found({"kind": "json_schema", "schema": {"type": "object"}}, json.dumps("x" * 100_000))
    assert len(told) <= 500


def test_guards_come_back_from_json_as_they_were() -> None:
    given = {
        "checks": [{"kind": "length", "most": 9}, '{"kind": "exact", "value": "yes"}'], "retries": 1, "refusal": " No. ",
        "constrain": {"json_schema": SCHEMA},
    }  # fmt: skip
    guards = Guards.checked(given)
    assert Guards.checked(json.loads(json.dumps(guards.plain()))) == guards
    assert (guards.refuses, Guards().refuses) == ("No.", REFUSAL)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"check": []}, "no 'check'"),
        ({"checks": {}}, "a list of checks"),
        ({"checks": [{"kind": "smell"}]}, "Check 1: there is no check of the kind 'smell'.*length, topics, .*python"),
        ({"checks": ["{"]}, "Check 1: the check is not JSON"),
        ({"checks": [3]}, "Check 1: the check must be an object"),
        ({"checks": [{"kind": "regex"}]}, "Check 1: .* needs 'pattern'"),
        ({"checks": [{"kind": "length"}]}, "needs least or most"),
        ({"checks": [{"kind": "length", "least": 3, "most": 2}]}, "below its least"),
        ({"checks": [{"kind": "length", "most": 2, "unit": "miles"}]}, "words or characters"),
        ({"checks": [{"kind": "length", "most": 2, "loud": True}]}, "has 'loud'"),
        ({"checks": [{"kind": "topics"}]}, "needs 'value'"),
        ({"checks": [{"kind": "topics", "value": ["a"], "threshold": 2}]}, "at most 1"),
        ({"checks": [{"kind": "python", "code": "def f(:"}]}, "no Python"),
        ({"checks": [{"kind": "python", "code": "def f(): pass"}]}, "no function check"),
        ({"retries": -1}, "from 0 to 10"),
        ({"retries": True}, "from 0 to 10"),
        ({"refusal": 3}, "refusal is a text"),
        ({"constrain": {"json_schema": 3}}, "constrain"),
        ([], "Guards are an object"),
    ],
)
def test_what_is_wrong_with_guards_is_named(given: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Guards.checked(given)


@pytest.mark.skipif(contained.missing() is not None, reason=f"no sandbox: {contained.missing()}")
def test_a_persons_own_check_runs_in_the_sandbox() -> None:
    code = "def check(answer, row):\n    return True if answer == row['right'] else 'Say ' + row['right'] + '.'"
    check = {"kind": "python", "code": code}
    assert found(check, "nine", {"right": "nine"}) == []
    assert found(check, "ten", {"right": "nine"}) == ["Say nine."]
    assert len(found({"kind": "python", "code": "def check(answer, row):\n    return False"}, "x")) == 1
    for broken in ("return None", "return 1 / 0", "return ''", "import os; os._exit(1)"):
        with pytest.raises(BadInput, match="Your own check"):
            found({"kind": "python", "code": f"def check(answer, row):\n    {broken}"}, "x")


def test_a_forbidden_topic_is_told_by_meaning() -> None:
    check = {"kind": "topics", "value": ["medical advice and medicines", "party politics and elections"]}
    assert found(check, "The ferry leaves at nine. Bread costs two coins.") == []
    (told,) = found(check, "The ferry leaves at nine. Take two aspirin tablets a day against the fever, as doctors advise.")
    assert "medical advice" in told and "aspirin" in told and "ferry" not in told

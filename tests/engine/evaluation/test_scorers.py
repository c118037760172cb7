"""Each kind of check on answers as models write them, and on checks as people write them."""

import json
import time
from typing import Any

import pytest

from engine.errors import BadInput
from engine.evaluation import scorers

CARD = {
    "type": "object",
    "properties": {"name": {"const": "Elwen"}, "price": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {"$ref": "#/$defs/node", "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}


def score(check: dict[str, Any], answer: str) -> float:
    return scorers.score(scorers.validate(json.dumps(check)), answer, {"prompt": "Say it."})


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        ({"kind": "exact", "value": "a  b\nc"}, [" a b c\n", "a\tb c"], ["A b c", "a b c.", ""]),
        ({"kind": "exact", "value": 42}, ["42"], ["42.0"]),
        ({"kind": "exact", "value": "caf\u00e9"}, ["cafe\u0301"], ["cafe"]),
        ({"kind": "exact", "value": "Yes", "case": False}, ["yes", "YES "], ["yes!"]),
        ({"kind": "one_of", "value": ["red", "dark  red", 3]}, ["red", "dark red", "3"], ["reddish", "Red"]),
        ({"kind": "contains", "value": "Thank you."}, ["Yes. Thank\nyou. Bye"], ["thank you."]),
        ({"kind": "contains", "value": ["a1", "b2"]}, ["b2 a1"], ["a1"]),
        ({"kind": "contains", "value": ["a1", "B2"], "match": "any", "case": False}, ["b2", "A1"], ["c3"]),
        ({"kind": "regex", "pattern": r"[A-Z]{2}-\d+"}, ["AB-12", " AB-12\n"], ["AB-12.", "xAB-12"]),
        ({"kind": "regex", "pattern": r"\bAB-\d+\b", "search": True}, ["see AB-12."], ["see AB-."]),
        ({"kind": "regex", "pattern": "a|bc"}, ["a", "bc"], ["ac", "abc"]),
    ],
)
def test_texts_are_compared_as_the_check_says(check: dict[str, Any], right: list[str], wrong: list[str]) -> None:
    assert [score(check, answer) for answer in right] == [1.0] * len(right)
    assert [score(check, answer) for answer in wrong] == [0.0] * len(wrong)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("72", "72"), ("So it is 72.", "72"), ("3 + 4 = 7", "7"), ("10-20", "20"), ("It costs $1,234.50.", "1234.50"),
        ("1'234'567", "1234567"), ("1\u202f234 km", "1234"), ("1,2,3", "3"), ("1,234,56", "56"), ("12,3456", "3456"),
        ("-5", "-5"), ("\u22125", "-5"), ("-$5", "-5"), ("(-5)", "-5"), ("GPT-4", "4"), ("x=-3", "-3"), ("5 - 3", "3"),
        ("1.5e3", "1500"), ("2e", "2"), (".5", "0.5"), ("\\boxed{12}", "12"), ("**12**", "12"), ("50%", "50"), ("14:30", "30"),
    ],
)  # fmt: skip
def test_the_last_number_of_an_answer_is_found(answer: str, number: str) -> None:
    assert score({"kind": "number", "value": number}, answer) == 1.0
    assert score({"kind": "number", "value": float(number) + 1}, answer) == 0.0


def test_a_number_may_be_off_by_the_tolerance_and_no_more() -> None:
    check = {"kind": "number", "value": 0.3, "tolerance": 0.05}
    assert [score(check, answer) for answer in ("0.35", "0.25", "0.351")] == [1.0, 1.0, 0.0]
    assert score({"kind": "number", "value": "1,000"}, "1000.0") == 1.0


def test_large_numbers_are_compared_to_the_last_digit() -> None:
    large = 10**40 + 7
    assert score({"kind": "number", "value": large}, f"{large:,}") == 1.0
    assert score({"kind": "number", "value": large}, str(large + 1)) == 0.0


@pytest.mark.parametrize("answer", ["", "none", "1e999999999", "9" * 5000])
def test_an_answer_without_a_usable_number_scores_nothing(answer: str) -> None:
    assert score({"kind": "number", "value": 1}, answer) == 0.0


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (CARD, ['{"name": "Elwen", "price": 7}', '```json\n{"name": "Elwen"}\n```', '```\n{"name": "Elwen"}```\n'], []),
        (CARD, [], ['{"name": "Elwen", "extra": 1}', "Elwen", 'Here: {"name": "Elwen"}', '{"name": "Elwen", "price": NaN}', ""]),
        ({"type": "string", "pattern": "^[a-z]+$"}, ['"abc"'], ['"a1"', "[]"]),
        ({"properties": {"pattern": {"type": "integer"}}}, ['{"pattern": 1}'], ['{"pattern": "x"}']),
        (TREE, ["[[], [[]]]"], ["[[1]]", "[" * 60 + "]" * 60, "[" * 100_000]),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, ['["a", 1]'], ["[1]"]),
    ],
)  # fmt: skip
def test_json_is_checked_against_the_schema(schema: dict[str, Any], right: list[str], wrong: list[str]) -> None:
    check = {"kind": "json_schema", "schema": schema}
    assert [score(check, answer) for answer in right] == [1.0] * len(right)
    assert [score(check, answer) for answer in wrong] == [0.0] * len(wrong)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("{kind: exact}", "Row 7: the check is not JSON"),
        ('["exact"]', "Row 7: the check must be an object"),
        ({"kind": "judge"}, "no check of the kind 'judge'. The kinds are: exact, one_of, contains, number, regex, json_schema"),
        ({"kind": ["exact"]}, r"no check of the kind \['exact'\]"),
        ({"kind": "exact"}, "needs 'value'"),
        ({"kind": "exact", "value": None}, "needs 'value'"),
        ({"kind": "exact", "value": " "}, "not empty"),
        ({"kind": "exact", "value": True}, "not True"),
        ({"kind": "exact", "value": "a", "tolerance": 1}, "takes kind, value, case, but this one has 'tolerance'"),
        ({"kind": "exact", "value": "a", "case": "no"}, "case of a check is true or false, not 'no'"),
        ({"kind": "one_of", "value": []}, "must be a list"),
        ({"kind": "one_of", "value": "a"}, "must be a list"),
        ({"kind": "contains", "value": ["a", ""]}, "none of them empty"),
        ({"kind": "contains", "value": "a", "match": "most"}, "any or all, not 'most'"),
        ({"kind": "number", "value": "seven"}, "value must be a number, not 'seven'"),
        ({"kind": "number", "value": "1,2"}, "value must be a number, not '1,2'"),
        ({"kind": "number", "value": True}, "must be a number"),
        ({"kind": "number", "value": 1, "tolerance": -1}, "must not be negative"),
        ({"kind": "regex", "pattern": ""}, "not empty"),
        ({"kind": "regex", "pattern": "("}, "unclosed group"),
        ({"kind": "regex", "pattern": "a)|(b"}, "unopened group"),
        ({"kind": "regex", "pattern": "(?=a)a"}, "look-around"),
        ({"kind": "regex", "pattern": r"(a)\1"}, "backreferences are not supported"),
        ({"kind": "regex", "pattern": "(?:a{60000}){60000}"}, "too large once its repeats are written out"),
        ({"kind": "regex", "pattern": "a" * 2000}, "2,000 characters"),
        ({"kind": "json_schema", "schema": []}, "must be an object"),
        ({"kind": "json_schema", "schema": {"type": "texts"}}, "not a JSON Schema"),
        ({"kind": "json_schema", "schema": {"$schema": [], "type": "string"}}, "schema must be a text"),
        ({"kind": "json_schema", "schema": {"$ref": "https://example.com/card.json"}}, "Only references to a part of the schema"),
        ({"kind": "json_schema", "schema": {"items": {"$ref": "#/$defs/x"}}}, "which is not in it"),
        ({"kind": "json_schema", "schema": {"pattern": "(?=a)"}}, "look-around"),
        ({"kind": "json_schema", "schema": {"patternProperties": {"^a": {}}}}, "Name the properties instead"),
    ],
)  # fmt: skip
def test_a_check_that_cannot_be_used_is_named_with_its_row_and_what_is_wrong(check: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said) as raised:
        scorers.validate(check if isinstance(check, str) else json.dumps(check), "Row 7")
    assert str(raised.value).startswith("Row 7: ")


def test_a_check_from_a_column_of_objects_may_have_keys_that_are_null() -> None:
    assert scorers.validate({"kind": "exact", "value": "a", "pattern": None}) == {"kind": "exact", "value": "a"}


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+$", "(.*)*(.*)*(.*)*b", "(?:a{1,100}){1,100}b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    begun = time.process_time()
    assert score({"kind": "regex", "pattern": pattern}, "a" * 2000 + "c") == 0.0
    assert score({"kind": "json_schema", "schema": {"pattern": pattern}}, json.dumps("a" * 2000 + "c")) == 0.0
    assert time.process_time() - begun < 10


def test_a_schema_whose_parts_refer_to_each_other_without_end_is_an_error_that_names_the_row() -> None:
    doubling = {"$defs": {"n0": {"const": 1}}, "$ref": "#/$defs/n40"}
    doubling["$defs"] |= {f"n{i}": {"allOf": [{"$ref": f"#/$defs/n{i - 1}"}] * 2} for i in range(1, 41)}
    with pytest.raises(BadInput, match=r"begins 'Say it\.'.*took more than 2 s"):
        score({"kind": "json_schema", "schema": doubling}, "1")
    with pytest.raises(BadInput, match="refers to itself without end"):
        score({"kind": "json_schema", "schema": {"$ref": "#"}}, "1")


def test_every_kind_says_what_it_does() -> None:
    assert list(scorers.SCORERS)[:6] == ["exact", "one_of", "contains", "number", "regex", "json_schema"]
    assert all(scorer.help and scorer.kind == kind for kind, scorer in scorers.SCORERS.items())

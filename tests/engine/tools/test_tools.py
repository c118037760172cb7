"""The calculator and the lookup: what they work out, what they refuse, and how data names them."""

import json
import random
from fractions import Fraction
from pathlib import Path

import pytest

from engine.data import curate
from engine.errors import BadInput
from engine.tools.calculator import calculate
from engine.tools.table import ROWS, TOOLS, ToolFailed, offered, specifications
from storage.home import Home

STOCK = "CREATE TABLE stock (item TEXT, price INTEGER); INSERT INTO stock VALUES ('ropes', 7), ('lamps', 12), ('nuts', NULL);"


def test_sums_come_to_what_exact_fractions_say() -> None:
    rng = random.Random(3)
    for _ in range(300):
        a, b, c, d = (rng.randint(0, 999) for _ in range(4))
        expression = f"({a} + {b}) * {c} - {d} / 8"
        assert Fraction(calculate(expression)) == (a + b) * c - Fraction(d, 8)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1 / 3", "0.333333"),
        ("-(2 - 5)", "3"),
        (" 4 ", "4"),
        ("2 * -3", "-6"),
        ("1e3", "1000"),
        ("-1 / 10000000", "-0.0000001"),
        ("12345678901234567890.5 + 1", "12345678901234567891.5"),
        ("1 / 8", "0.125"),
        ("100000000000000000000 + 1 / 2", "100000000000000000000.5"),
        ("-1 / 30000000", "0"),
        ("2 / 4", "0.5"),
    ],
)
def test_decimals_are_exact_and_what_does_not_end_is_rounded(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("2 ** 9", "is not a sum"),
        ("abs(3)", "is not a sum"),
        ("'a' * 9", "is not a sum"),
        ("True + 1", "is not a sum"),
        ("3 +", "is not a sum"),
        ("", "is not a sum"),
        ("1 / 0", "division by zero"),
        ("9" * 201, "more than 200"),
        ("(" * 150 + "1" + ")" * 49, "is not a sum"),
        ("1e400 * 2", "too large"),
        (" * ".join(["9" * 19] * 9), "too large"),
    ],
)
def test_what_cannot_be_worked_out_is_said(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        calculate(expression)


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("SELECT price FROM stock WHERE item = 'lamps';", "12"),
        ("SELECT item, price FROM stock ORDER BY item", "lamps | 12\nnuts | \nropes | 7"),
        ("SELECT item FROM stock WHERE price > 99", "no rows"),
    ],
)
def test_a_query_reads_the_tables_of_its_row(sql: str, given: str) -> None:
    assert TOOLS["lookup"].call({"statement": sql}, {"database": STOCK}) == given


def test_a_long_result_is_shown_in_part() -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i FROM n"
    lines = TOOLS["lookup"].call({"statement": sql}, {}).splitlines()
    assert len(lines) == ROWS + 1 and lines[-1] == "and 30 more rows"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM stock", "not authorized"),
        ("SELECT * FROM elsewhere", "no such table"),
        ("ATTACH '/tmp/x.db' AS x", "not authorized|authorization"),
        ("SELECT 1; SELECT 2", "one statement"),
    ],
)
def test_a_query_that_does_not_read_comes_to_nothing(sql: str, said: str) -> None:
    with pytest.raises(ToolFailed, match=said):
        TOOLS["lookup"].call({"statement": sql}, {"database": STOCK})


def test_a_call_with_other_arguments_is_refused_with_the_right_ones() -> None:
    for given in ({}, {"total": "1 + 1"}, {"sum": "1", "more": "2"}, "1 + 1", None):
        with pytest.raises(ToolFailed, match="calculator takes sum"):
            TOOLS["calculator"].call(given, {})


def test_data_names_the_tools_and_keeps_their_specifications(home: Home, tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {i} * 9?", "tools": ["calculator"], "database": STOCK} for i in range(5)]
    rows += [{"prompt": "What is it?", "tools": ["abacus"]}, {"prompt": "Which is it?", "tools": "calculator"}]
    file = tmp_path / "asked.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = curate.add(home, file, "asked")
    assert (dataset.shape, dataset.rows) == ("prompt", 5)
    kept = curate.scan(home, dataset).collect().to_dicts()[0]
    assert json.loads(kept["tools"]) == [TOOLS["calculator"].specification] and kept["database"] == STOCK


def test_a_tool_that_is_not_here_is_named() -> None:
    weather = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    assert specifications(["lookup", weather])[1] == weather
    with pytest.raises(BadInput, match="'abacus'; by their names alone there are calculator, lookup"):
        specifications(["abacus"])
    with pytest.raises(BadInput, match="weather cannot be run here"):
        offered([weather])

"""Kinds of checks that do more than compare texts: words, tags, mathematics, languages, SQL, instructions, code."""

import sqlite3
import time
from typing import Any

import pytest

from engine.errors import BadInput, NoSandbox
from engine.evaluation import instructions, mathematics, programs, queries, scorers
from engine.sandbox import contained

SETUP = "CREATE TABLE mill (town TEXT, salt INTEGER); INSERT INTO mill VALUES ('Oakford', 3), ('Elmham', 5), ('Ashby', 5);"
CONTAINED = pytest.mark.skipif(contained.missing() is not None, reason=f"no sandbox: {contained.missing()}")


def score(check: dict[str, Any], answer: str) -> float:
    return scorers.score(scorers.validate(check), answer, {"prompt": "Say it."})


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        ({"kind": "words", "required": ["salt", "wool"]}, ["Wool and salt."], ["Salt.", "woolly salt"]),
        ({"kind": "words", "forbidden": ["salt"]}, ["Salty bread."], ["Bread, SALT."]),
        ({"kind": "words", "required": ["C++"], "case": True}, ["I like C++."], ["c++", "C+"]),
        ({"kind": "tags", "value": ["think", "answer"]}, ["<think>a</think>\n<answer>b</answer>"],
         ["<answer>b</answer><think>a</think>", "<think>a</think>", "x<think>a</think><answer>b</answer>",
          "<think><think>a</think><answer>b</answer>", "<think>a</think><answer>b</answer> so", ""]),
        ({"kind": "language", "value": "de"}, ["Das Wetter ist heute sehr schön."], ["The weather is very nice today.", ""]),
        ({"kind": "math", "value": "1/2"}, ["0.5", "$\\frac{1}{2}$", "\\boxed{\\frac{2}{4}}"], ["1/3", "", "half"]),
        ({"kind": "math", "value": "12 km"}, ["It is 12 km.", "12,000 m", "12"], ["13 km", "12 m", "12 kg", "twelve"]),
        ({"kind": "math", "value": "36 km/h"}, ["10 m/s", "36 km/h in all"], ["36 m/s", "36 km"]),
        ({"kind": "math", "value": "10 cm^2"}, ["10 cm²", "0.001 m²"], ["10 cm"]),
        ({"kind": "math", "value": "5 apples"}, ["5 apples"], ["6 apples"]),
        ({"kind": "math", "value": "1/2"}, ["\\frac12"], ["\\frac13"]),
        ({"kind": "math", "value": "x+1"}, ["$1+x$"], ["$x-1$"]),
        ({"kind": "math", "value": "2\\sqrt{3}"}, ["\\boxed{2\\sqrt{3}}", "$\\sqrt{12}$"], ["The answer is $2$.", "\\boxed{2}"]),
        ({"kind": "math", "value": "3\\pi"}, ["\\boxed{3\\pi}"], ["3"]),
        ({"kind": "math", "value": "x^3 + 3x - 6"}, ["\\boxed{x^3+3x-6}"], ["6"]),
        ({"kind": "math", "value": "(1, 2)"}, ["\\boxed{(1,2)}"], ["\\boxed{(2,1)}"]),
        ({"kind": "math", "value": "3 \\times 10^5"}, ["300000"], ["5", "3"]),
        ({"kind": "math", "value": "10^{-3}"}, ["0.001"], ["10"]),
        ({"kind": "math", "value": "10, 20"}, ["\\boxed{10,20}"], ["20"]),
        ({"kind": "math", "value": "(-\\infty, 3)"}, ["$(-\\infty, 3)$"], ["3"]),
        ({"kind": "math", "value": "5 km"}, ["\\boxed{5000\\text{ m}}", "$5\\,\\mathrm{km}$"],
         ["\\boxed{5\\text{ m}}", "$5\\,\\text{m}$", "$5$ m", "**5** m"]),
        ({"kind": "math", "value": "-5 m"}, ["\u22125 m"], ["5 m"]),
        ({"kind": "math", "value": "5e3 m"}, ["5000 m"], ["5 m"]),
        ({"kind": "number", "value": 16800}, ["\\boxed{16{,}800}", "16\\,800"], ["\\boxed{800}"]),
        ({"kind": "number", "value": -5}, ["-\\$5"], ["\\$5"]),
    ],
)  # fmt: skip
def test_an_answer_is_scored_as_the_check_says(check: dict[str, Any], right: list[str], wrong: list[str]) -> None:
    assert [score(check, answer) for answer in right] == [1.0] * len(right)
    assert [score(check, answer) for answer in wrong] == [0.0] * len(wrong)


def test_an_expression_that_has_no_end_costs_its_time_and_the_next_one_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "SECONDS", 1.0)
    assert score({"kind": "math", "value": "5"}, "It is 9**9**9**9.") == 0.0
    monkeypatch.undo()
    assert score({"kind": "math", "value": "5"}, "10/2") == 1.0


def test_a_comparison_that_ended_its_process_costs_itself_only() -> None:
    assert score({"kind": "math", "value": "5"}, "10/2") == 1.0
    process = mathematics._COMPARER._process
    assert process is not None
    process.kill()
    process.wait()
    assert score({"kind": "math", "value": "5"}, "5") == 0.0
    assert score({"kind": "math", "value": "5"}, "5") == 1.0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```bash\npip install numpy\n```\nThen:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```python\nx = 1\n```\nOutput:\n```\n2\n```", "x = 1\n"),
        ("```python\r\nx = 1\r\n```", "x = 1\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("x = 1", "x = 1"),
        ("```py\nx = 1\n```\nBetter:\n```py\nx = 2\n```", "x = 2\n"),
    ],
)
def test_the_code_of_an_answer_is_its_last_fence_that_can_be_python(answer: str, code: str) -> None:
    assert programs.code_in(answer) == code


def test_a_query_whose_rows_are_few_and_huge_is_broken_off() -> None:
    huge = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 800) SELECT zeroblob(1000000) FROM n"
    tables = queries.Tables("CREATE TABLE t (a)")
    with pytest.raises(sqlite3.OperationalError, match="or 16 MB"):
        tables.rows(huge)
    tables.close()


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("SELECT town FROM mill WHERE salt = 5", True),
        ("```sql\nSELECT town FROM mill WHERE salt > 3 ORDER BY town DESC;\n```", True),
        ("SELECT town FROM mill", False),
        ("SELECT nothing FROM mill", False),
        ("DROP TABLE mill", False),
        ("I do not know.", False),
        ("ATTACH '/tmp/temper-attached.db' AS other", False),
        ("SELECT town FROM mill WHERE salt = 5; DROP TABLE mill", False),
        ("SELECT load_extension('x')", False),
        ("SELECT zeroblob(2000000000)", False),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", False),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", False),
    ],
)
def test_a_query_is_judged_by_its_rows_and_can_do_nothing_but_read(answer: str, passes: bool) -> None:
    began = time.monotonic()
    assert score({"kind": "sql", "setup": SETUP, "value": "SELECT town FROM mill WHERE salt = 5"}, answer) == passes
    assert time.monotonic() - began < 10


def test_the_order_of_rows_counts_where_the_check_says_so() -> None:
    check = {"kind": "sql", "setup": SETUP, "value": "SELECT town FROM mill ORDER BY town", "ordered": True}
    assert score(check, "SELECT town FROM mill ORDER BY 1") == 1.0
    assert score(check, "SELECT town FROM mill ORDER BY 1 DESC") == 0.0


@pytest.mark.parametrize(
    ("given", "kept", "broken"),
    [
        ({"id": "keywords:existence", "keywords": ["salt", "sea"]}, "Sea salt.", "Salt."),
        ({"id": "keywords:frequency", "keyword": "salt", "frequency": 2, "relation": "at least"}, "Salt, salt.", "Salt."),
        ({"id": "keywords:frequency", "keyword": "salt", "frequency": 2, "relation": "less than"}, "Salt.", "Salt, salt."),
        ({"id": "keywords:forbidden_words", "forbidden_words": ["salt"]}, "Salty.", "Salt."),
        ({"id": "keywords:letter_frequency", "letter": "e", "let_frequency": 2, "let_relation": "at least"}, "Eel", "Elk"),
        ({"id": "language:response_language", "language": "fr"}, "Il pleut beaucoup aujourd'hui.", "It rains a lot today."),
        ({"id": "length_constraints:number_sentences", "num_sentences": 2, "relation": "at least"}, "One. Two.", "It is 1.5 km."),
        ({"id": "length_constraints:number_paragraphs", "num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
        ({"id": "length_constraints:number_words", "num_words": 3, "relation": "less than"}, "two words", "three words now"),
        (
            {"id": "length_constraints:nth_paragraph_first_word", "num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
            "First it.\n\nThen that.", "Then it.\n\nFirst that.",
        ),
        ({"id": "detectable_content:number_placeholders", "num_placeholders": 2}, "[name] at [address]", "[name]"),
        ({"id": "detectable_content:postscript", "postscript_marker": "P.S."}, "Yours\nP.S. Bye", "Yours PS bye"),
        ({"id": "detectable_format:number_bullet_lists", "num_bullets": 2}, "* a\n* b", "* a\n* b\n- c"),
        ({"id": "detectable_format:constrained_response"}, "My answer is maybe.", "Maybe."),
        ({"id": "detectable_format:number_highlighted_sections", "num_highlights": 2}, "*a* and **b**", "*a* and b*"),
        ({"id": "detectable_format:multiple_sections", "section_spliter": "Part", "num_sections": 2}, "Part 1\na\nPart 2\nb", "Part 1"),
        ({"id": "detectable_format:json_format"}, '```json\n{"a": 1}\n```', "{a: 1}"),
        ({"id": "detectable_format:title"}, "<<Salt>>\nIt is white.", "<< >>\nIt is white."),
        ({"id": "combination:two_responses"}, "One.\n******\nTwo.", "One.\n******\nOne."),
        ({"id": "combination:repeat_prompt", "prompt_to_repeat": "Say it."}, "Say it. I do.", "I do."),
        ({"id": "startend:end_checker", "end_phrase": "That is all."}, "Bye. That is all.", "That is all. Bye"),
        ({"id": "startend:quotation"}, '"So it is."', "So it is."),
        ({"id": "change_case:capital_word_frequency", "capital_frequency": 2, "capital_relation": "at least"}, "IT IS so", "IT is so"),
        ({"id": "change_case:english_capital"}, "SO IT IS", "So it is"),
        ({"id": "change_case:english_lowercase"}, "so it is", "So it is"),
        ({"id": "punctuation:no_comma"}, "Salt and wool", "Salt, wool"),
    ],
)  # fmt: skip
def test_an_instruction_is_kept_or_broken(given: dict[str, Any], kept: str, broken: str) -> None:
    check = {"kind": "instructions", "value": [given]}
    assert (score(check, kept), score(check, broken), score(check, "")) == (1.0, 0.0, 0.0)


def test_the_share_of_instructions_that_are_kept_is_told_on_request() -> None:
    both = [{"id": "punctuation:no_comma"}, {"id": "change_case:english_capital"}]
    assert score({"kind": "instructions", "value": both, "partly": True}, "salt and wool") == 0.5
    assert score({"kind": "instructions", "value": both}, "salt and wool") == 0.0


def test_every_instruction_says_which_argument_it_lacks() -> None:
    for one in instructions.INSTRUCTIONS.values():
        assert scorers.validate({"kind": "instructions", "value": [{"id": one.id, **one.arguments}]})
        for name in one.arguments:
            with pytest.raises(BadInput, match=name):
                scorers.validate({"kind": "instructions", "value": [{"id": one.id, **one.arguments, name: None}]})


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ({"kind": "words"}, "needs required or forbidden"),
        ({"kind": "words", "required": []}, "required must be a list"),
        ({"kind": "tags", "value": ["a b"]}, "no name of a tag"),
        ({"kind": "language", "value": "xx"}, "a code like en"),
        ({"kind": "sql", "setup": "CREATE", "value": "SELECT 1"}, "setup cannot be run"),
        ({"kind": "sql", "setup": SETUP, "value": "DELETE FROM mill"}, "cannot be run on the tables"),
        ({"kind": "instructions", "value": [{"id": "be:nice"}]}, "there is no instruction"),
        ({"kind": "code", "cases": []}, "cases must be a list"),
        ({"kind": "code", "cases": [{"stdin": "1"}]}, "needs stdin and stdout"),
        ({"kind": "code", "function": "f", "cases": [{"stdin": "1", "stdout": "1"}]}, "needs arguments"),
        ({"kind": "code", "function": "f()", "cases": [{"arguments": [], "returns": 1}]}, "must be the name"),
    ],
)
def test_a_check_that_cannot_be_used_says_why(check: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        scorers.validate(check)


ADDING = {"kind": "code", "function": "add", "cases": [{"arguments": [1, 2], "returns": 3}, {"arguments": [2, 2], "returns": 4}]}


@CONTAINED
@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("def add(a, b):\n    return a + b", 1.0),
        ("Like this:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.", 1.0),
        ("def add(a, b):\n    return 3", 0.5),
        ("def add(a, b):\n    raise SystemExit(0)", 0.0),
        ("import os\nos._exit(0)", 0.0),
        ('print(\'[{"value": 3}, {"value": 4}]\')', 0.0),
        ("no code at all", 0.0),
    ],
)
def test_code_is_judged_by_what_it_returns(answer: str, passes: float) -> None:
    assert score({**ADDING, "partly": True}, answer) == passes


@CONTAINED
def test_a_program_is_judged_by_what_it_prints() -> None:
    check = {"kind": "code", "cases": [{"stdin": "21\n", "stdout": "42"}, {"stdin": "1", "stdout": "2\n"}]}
    assert score(check, "print(int(input()) * 2)  ") == 1.0
    assert score(check, "print(42)") == 0.0


def test_where_code_cannot_be_contained_it_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "missing", lambda: "bubblewrap (bwrap) is not installed")
    with pytest.raises(BadInput, match="contained or not at all.*bwrap"):
        score(ADDING, "def add(a, b):\n    return a + b")
    with pytest.raises(NoSandbox):
        contained.output("print(1)", "")

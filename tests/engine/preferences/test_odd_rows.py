"""Rows of compared answers in which anything at all is wrong: each is named, and stops no other."""

import copy
import json
from pathlib import Path
from typing import Any

import polars
import pytest

from engine.errors import BadInput, UnreadableFile, WrongShape
from engine.preferences import desk, exchange, projects
from storage import preferences
from storage.home import Home
from tests.engine.preferences.rows import ALPACA, CHOSEN, OWN, PLAIN, SAMPLES, STUDIO, written

WRONG: list[Any] = [
    None,
    3,
    -1.5,
    True,
    [],
    {},
    "",
    [1],
    {"x": 1},
    ["x", None],
    float("nan"),
    "x" * 2000,
    "\ud800",
    {"role": "user"},
    [{"role": "x"}],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a row, however deep."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        found += places(part, (*path, name))
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_whatever_stands_in_the_wrong_place_is_a_problem_of_its_row_and_of_no_other(
    home: Home, tmp_path: Path, name: str
) -> None:
    sample: Any = SAMPLES[name]
    rows: list[Any] = [sample, "text", 3, None, [sample]]
    for place in places(sample):
        for wrong in WRONG:
            row = copy.deepcopy(sample)
            inside = row
            for step in place[:-1]:
                inside = inside[step]
            inside[place[-1]] = wrong
            rows.append(row)
    project = projects.create(home, "to")
    brought = exchange.bring(home, project, written(tmp_path, rows), name)
    assert brought.rows == len(rows)
    assert brought.bad + brought.pairs + brought.known_pairs == len(rows)
    assert brought.bad >= 5 and brought.pairs >= 1
    assert all(problem.message and problem.row > 0 for problem in brought.problems)
    assert preferences.counts(home, project.id).pairs == brought.pairs
    for row in preferences.pairs(home, project.id):
        assert isinstance(row.first, str) and isinstance(row.prompt, list)
    exchange.export(home, project, tmp_path / "out.jsonl")


def test_what_holds_no_compared_answers_is_refused_in_words_and_stores_nothing(home: Home, tmp_path: Path) -> None:
    project = projects.create(home, "to")
    with pytest.raises(WrongShape, match="no compared answers that are known here: only text"):
        exchange.bring(home, project, written(tmp_path, [{"text": "x"}]))
    with pytest.raises(WrongShape, match="No row can be used. Row 1: second is int, not a text"):
        exchange.bring(home, project, written(tmp_path, [{"prompt": "x", "first": "y", "second": 3}]))
    polars.DataFrame({"a": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(UnreadableFile, match="Votes are read from JSON, JSON lines and CSV"):
        exchange.bring(home, project, tmp_path / "x.parquet")
    with pytest.raises(BadInput, match="There is no layout 'x'"):
        exchange.bring(home, project, tmp_path / "x.parquet", "x")
    with pytest.raises(UnreadableFile, match="There is no file"):
        exchange.bring(home, project, tmp_path / "gone.json")
    with pytest.raises(BadInput, match="cannot be written as 'arena'"):
        exchange.export(home, project, tmp_path / "y", "arena")
    assert preferences.counts(home, project.id).pairs == 0


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"prompt": "x", "chosen": "a", "rejected": "b", "margin": 1' + "0" * 400 + "}", "preference"),
        ('{"prompt": "x", "chosen": "a", "rejected": "b", "margin": 1' + "0" * 5000 + "}", "preference"),
        ('{"data": {"prompt": "x", "answer1": "a", "answer2": "b"}, "annotations": [{"lead_time": 1' + "0" * 400
         + ', "result": [{"value": {"selected": "left"}}]}]}', "label_studio"),
        ('{"prompt": "x", "chosen": "a", "rejected": "b", "margin": 1e999}', "preference"),
        ('{"prompt": "x", "first": "a", "second": "b", "y": NaN}', "pairs"),
    ],
    ids=["400 digits", "5000 digits", "400 digits of seconds", "infinity", "nan"],
)  # fmt: skip
def test_what_json_can_say_and_numbers_cannot_be_stops_nothing(home: Home, tmp_path: Path, line: str, what: str) -> None:
    good = {"preference": CHOSEN, "label_studio": STUDIO, "pairs": PLAIN}[what]
    file = tmp_path / "votes.jsonl"
    file.write_text(json.dumps(good) + "\n" + line + "\n")
    project = projects.create(home, "to")
    brought = exchange.bring(home, project, file)
    assert brought.rows == 2 and brought.bad + brought.pairs == 2
    exchange.export(home, project, tmp_path / "out.jsonl")

    def never(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    for each in (tmp_path / "out.jsonl").read_text().splitlines():
        json.loads(each, parse_constant=never)


def test_rows_of_any_depth_are_taken_or_named_and_stop_nothing(home: Home, tmp_path: Path) -> None:
    deep = [10, *range(850, 1_000), 1_500, 50_000]
    rows = [f'{{"prompt": "{n}", "first": "a", "second": "b", "y": {"[" * n + "]" * n}}}' for n in deep]
    file = tmp_path / "votes.jsonl"
    file.write_text("\n".join(rows) + "\n")
    project = projects.create(home, "to")
    brought = exchange.bring(home, project, file)
    assert brought.rows == len(deep) == brought.bad + brought.pairs
    assert 1 <= brought.pairs < len(deep)
    exchange.export(home, project, tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    "name", ["a@b#c/d\\e,f", "x" * 5_000, "  .. ", "\u202e\x00", "ü 😀", {"id": 7}, {"email": "a@b"}, ["x"], 5, 1.5]
)
@pytest.mark.parametrize("layout", ["jsonl", "pairs", "alpaca_eval"])
def test_whatever_somebody_is_called_elsewhere_makes_a_name_here(home: Home, tmp_path: Path, layout: str, name: Any) -> None:
    row = {
        "jsonl": {**OWN, "vote": {**OWN["vote"], "labeller": name}}, "pairs": {**PLAIN, "annotator": name},
        "alpaca_eval": {**ALPACA, "annotator": name},
    }[layout]  # fmt: skip
    project = projects.create(home, "to")
    assert exchange.bring(home, project, written(tmp_path, [row])).votes == 1
    called = preferences.votes(home, project.id)[0].labeller
    assert desk.check_labeller(called) == called

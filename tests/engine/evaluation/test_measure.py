"""Measuring small real models on small real data sets: what is asked, what is stored, what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import registry
from engine.data import curate
from engine.errors import BadInput, NotFound, WrongShape
from engine.evaluation import intervals, prompts
from engine.evaluation.measure import measure
from engine.generation import batch
from engine.generation.weights import speaking_dtype
from engine.methods import loading
from storage import db, evaluations
from storage.home import Home
from storage.records import Dataset
from tests.engine.generation.small_models import World, make_base

TOKENS = 8
QUESTIONS = [
    "When does the ferry leave?",
    "Who keeps the bakery?",
    "What is 12 plus 30?",
    "Where is Tell?",
    "Is it open?",
    "And now?",
]


class Listener:
    """A reporter that remembers what it was told."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.phases: list[str] = []
        self.lines: list[str] = []
        self._left = stop_after

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...
    def sample(self, step: int, prompt: str, text: str) -> None: ...
    def checkpoint(self, step: int, folder: Path, keep: int = 0) -> None: ...

    def flush(self) -> None: ...

    def phase(self, name: str, done: float | None = None) -> None:
        self.phases.append(name)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def stop_requested(self) -> bool:
        if self._left is not None:
            self._left -= 1
        return self._left is not None and self._left < 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """``base``, the adapter ``tuned`` over it, and a home to measure them in."""
    folder = tmp_path_factory.mktemp("weights")
    home = Home.resolve(tmp_path_factory.mktemp("home"))
    db.migrate(home)
    world = World(home, folder)
    registry.register_folder(home, make_base(folder / "base"), "base", "made in a test")
    world.adapter("tuned", 1)
    return world


@pytest.fixture(scope="module")
def said(world: World) -> list[str]:
    """What the base says to each question."""
    folder = world.model("base").path
    model, tokenizer = loading.load_model(folder, speaking_dtype()), loading.load_tokenizer(folder)
    return batch.generate(model, tokenizer, [[{"role": "user", "content": q}] for q in QUESTIONS], TOKENS)


def add(world: World, tmp_path: Path, rows: list[dict[str, Any]], shape: str = "prompt") -> Dataset:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return curate.add(world.home, path, tmp_path.name, shape)


def turns(*said: str) -> list[dict[str, str]]:
    """Turns from texts like "user Where is Tell?"."""
    return [dict(zip(("role", "content"), one.split(" ", 1), strict=True)) for one in said]


def exact(value: str) -> str:
    return json.dumps({"kind": "exact", "value": value})


def stored(world: World) -> int:
    return db.rows(world.home, "SELECT COUNT(*) AS n FROM evaluation")[0]["n"]


def test_a_score_is_stored_with_its_interval_and_every_item(world: World, tmp_path: Path, said: list[str]) -> None:
    checks = [exact(text) for text in said[:4]] + [exact("something else")] * 2
    data = add(world, tmp_path, [{"prompt": q, "check": c} for q, c in zip(QUESTIONS, checks, strict=True)])
    measured = measure(world.home, "base", data, reporter=Listener(), max_tokens=TOKENS)
    assert measured is not None
    assert measured.score == intervals.wilson(4, 6)
    assert [item.answer for item in measured.items] == said
    kept = evaluations.of_model(world.home, world.model("base").id)[0]
    assert (kept.value, kept.low, kept.high, kept.n) == (4 / 6, measured.score.low, measured.score.high, 6)
    assert evaluations.items(world.home, kept.id) == [
        (q, a, s) for q, a, s in zip(QUESTIONS, said, [1.0] * 4 + [0.0] * 2, strict=True)
    ]
    assert kept.settings["checks"] == {"exact": 6}
    assert kept.settings["max_tokens"] == TOKENS
    assert kept.settings["fingerprint"] == world.model("base").fingerprint
    assert kept.settings["dtype"] == speaking_dtype()


def test_two_models_answer_the_same_items_and_the_difference_is_paired(world: World, tmp_path: Path, said: list[str]) -> None:
    data = add(world, tmp_path, [{"prompt": q, "check": exact(a)} for q, a in zip(QUESTIONS, said, strict=True)])
    listener = Listener()
    measured = measure(world.home, "tuned", data, reporter=listener, against="base", max_tokens=TOKENS)
    assert measured is not None
    assert measured.against is not None
    assert measured.difference is not None
    assert measured.against.score.value == 1.0
    lost = round(6 * (1 - measured.score.value))
    assert lost > 0, "the adapter was made to change what its base says"
    assert measured.difference == intervals.tango(0, lost, 6)
    tuned, base = world.model("tuned"), world.model("base")
    kept = evaluations.of_model(world.home, tuned.id)[0]
    assert kept.settings["against"]["evaluation_id"] == evaluations.of_model(world.home, base.id)[0].id
    assert kept.settings["against"]["value"] == measured.difference.value
    summary = measured.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["model"], summary["fingerprint"], summary["n"]) == ("tuned", tuned.fingerprint, 6)
    assert summary["difference"]["low"] == measured.difference.low
    assert summary["against"]["model"] == "base"
    told = list(dict.fromkeys(listener.phases))
    assert told == ["reading", "loading base", "answering with base", "loading tuned", "answering with tuned"]


def test_measuring_twice_gives_the_same_answers_and_score(world: World, tmp_path: Path) -> None:
    data = add(world, tmp_path, [{"prompt": q, "check": exact("yes")} for q in QUESTIONS])
    first, second = (measure(world.home, "tuned", data, reporter=Listener(), max_tokens=TOKENS) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.items == second.items
    assert first.score == second.score


def test_without_checks_an_answer_is_right_when_it_is_the_last_turn(world: World, tmp_path: Path, said: list[str]) -> None:
    rows = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in zip(QUESTIONS, [*said[:3], "no", "no", "no"], strict=True)
    ]
    listener = Listener()
    measured = measure(world.home, "base", add(world, tmp_path, rows, "messages"), reporter=listener, max_tokens=TOKENS)
    assert measured is not None
    assert measured.score.value == 0.5
    assert any("no column check" in line for line in listener.lines)


def test_a_check_decides_over_the_rows_own_answer(world: World, tmp_path: Path, said: list[str]) -> None:
    rows = [{"prompt": q, "completion": "no", "check": exact(a)} for q, a in zip(QUESTIONS, said, strict=True)]
    data = add(world, tmp_path, rows, "prompt_completion")
    measured = measure(world.home, "base", data, reporter=Listener(), max_tokens=TOKENS)
    assert measured is not None
    assert measured.score.value == 1.0


@pytest.mark.parametrize(
    ("row", "shape", "asked", "answer"),
    [
        ({"prompt": "a"}, "prompt", ["user a"], None),
        ({"prompt": turns("system s", "user a")}, "prompt", ["system s", "user a"], None),
        ({"prompt": "a", "completion": "b"}, "prompt_completion", ["user a"], "b"),
        ({"prompt": turns("user a"), "completion": turns("assistant b")}, "prompt_completion", ["user a"], "b"),
        (
            {"messages": turns("user a", "assistant b", "user c", "assistant d")},
            "messages",
            ["user a", "assistant b", "user c"],
            "d",
        ),
        ({"messages": turns("user a", "assistant b", "user c")}, "messages", ["user a"], "b"),
        ({"messages": turns("user a")}, "messages", ["user a"], None),
    ],
)
def test_all_up_to_the_last_answer_is_asked(row: dict[str, Any], shape: str, asked: list[str], answer: str | None) -> None:
    assert prompts.conversation(row, shape) == (turns(*asked), answer)


def test_a_row_without_a_question_is_named() -> None:
    with pytest.raises(BadInput, match="Row 3 has no question before its answer"):
        prompts.conversation({"messages": [{"role": "assistant", "content": "b"}]}, "messages", "Row 3")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "a", "check": exact("b")}, {"prompt": "c"}], r"Row 2 of .* has no check, though others have"),
        ([{"prompt": "a"}], "Row 1 of .* has neither a check nor an answer to compare with"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_scored_is_named_before_any_model_is_loaded(
    world: World, tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    listener, before = Listener(), stored(world)
    with pytest.raises(BadInput, match=said):
        measure(world.home, "base", add(world, tmp_path, rows), reporter=listener, max_tokens=TOKENS)
    assert listener.phases == ["reading"]
    assert stored(world) == before


def test_what_cannot_be_measured_is_refused(world: World, tmp_path: Path) -> None:
    text = add(world, tmp_path, [{"text": "Nothing is asked here."}], "text")
    with pytest.raises(WrongShape, match="holds text"):
        measure(world.home, "base", text, reporter=Listener())
    data = add(world, tmp_path, [{"prompt": "a", "check": exact("b")}])
    with pytest.raises(NotFound, match="The models are: tuned, base"):
        measure(world.home, "other", data, reporter=Listener())
    with pytest.raises(BadInput, match="against itself"):
        measure(world.home, "base", data, reporter=Listener(), against="#1")
    with pytest.raises(BadInput, match="limit takes"):
        measure(world.home, "base", data, reporter=Listener(), limit=0)
    long = add(world, tmp_path, [{"prompt": "a", "check": exact("b")}, {"prompt": "long " * 300, "check": exact("b")}])
    with pytest.raises(BadInput, match=r"Row 2 of .* has a prompt of .* tokens, and base takes 256"):
        measure(world.home, "base", long, reporter=Listener())


@pytest.mark.parametrize("tokens", [0, -5])
def test_answers_without_room_for_a_token_are_refused_before_anything_is_read(world: World, tmp_path: Path, tokens: int) -> None:
    data, listener = add(world, tmp_path, [{"prompt": "a", "check": exact("b")}]), Listener()
    with pytest.raises(BadInput, match=f"max_tokens takes a whole number from 1 to 10,000,000, not {tokens}"):
        measure(world.home, "base", data, reporter=listener, max_tokens=tokens)
    assert listener.phases == []


def test_a_prompt_that_only_the_weights_know_to_be_too_long_is_named_by_its_row(world: World, tmp_path: Path) -> None:
    rows = [{"prompt": "long " * 300 if n == 7 else "a", "check": exact("b")} for n in range(1, 9)]
    data = add(world, tmp_path, rows)
    with db.transaction(world.home) as connection:
        connection.execute("UPDATE model SET context = 0 WHERE name = 'base'")
    try:
        with pytest.raises(BadInput, match=r"^Row 7 of .* tokens, and the model takes 256"):
            measure(world.home, "base", data, reporter=Listener(), limit=7)
    finally:
        with db.transaction(world.home) as connection:
            connection.execute("UPDATE model SET context = 256 WHERE name = 'base'")


def test_a_limit_takes_the_same_rows_each_time_from_all_over_the_data_set(world: World, tmp_path: Path) -> None:
    data = add(world, tmp_path, [{"prompt": f"Question {n}?", "check": exact("b")} for n in range(1, 201)])
    first, second = prompts.read(world.home, data, 20), prompts.read(world.home, data, 20)
    numbers = [item.number for item in first.items]
    assert numbers == [item.number for item in second.items] == sorted(set(numbers))
    assert len(numbers) == 20
    assert [item.prompt for item in first.items] == [f"Question {n}?" for n in numbers]
    assert numbers[-1] > 100
    assert len(prompts.read(world.home, data, 500).items) == 200
    measured = measure(world.home, "base", data, reporter=Listener(), limit=5, max_tokens=2)
    assert measured is not None
    assert measured.score.n == 5
    assert measured.subject.evaluation.settings["limit"] == 5


def test_a_measurement_that_is_stopped_leaves_no_score(world: World, tmp_path: Path) -> None:
    data, before = add(world, tmp_path, [{"prompt": q, "check": exact("b")} for q in QUESTIONS]), stored(world)
    assert measure(world.home, "base", data, reporter=Listener(stop_after=3), max_tokens=TOKENS) is None
    assert stored(world) == before


def test_answers_that_were_cut_off_are_counted_and_said(world: World, tmp_path: Path) -> None:
    data, listener = add(world, tmp_path, [{"prompt": q, "check": exact("b")} for q in QUESTIONS]), Listener()
    measured = measure(world.home, "base", data, reporter=listener, max_tokens=1)
    cut = sum(not item.ended for item in measured.items) if measured else 0
    assert measured is not None
    assert cut > 0
    assert measured.summary()["cut"] == measured.subject.evaluation.settings["cut"] == cut
    assert (
        f"{cut} of 6 answers of base had not ended after 1 tokens and were cut off. With a higher max_tokens they could end."
        in listener.lines
    )
    assert measured.subject.evaluation.settings["max_tokens"] == 1

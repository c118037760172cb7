"""Several answers to each prompt: drawn once, rewarded, and what of them becomes data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars
import pytest

from engine.errors import RunFailed
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.rewards import recipe, samples
from engine.rewards.samples import Drawing
from engine.rewards.table import Context

ROWS = [{"prompt": [{"role": "user", "content": f"Question {i}"}], "lucky": i % 3} for i in range(80)]
PARTS = recipe.parse("number(value=2) + 0.5 * ended", Context())


class Told:
    """A reporter that is stopped after some looks."""

    def __init__(self, looks: int = 10**9) -> None:
        self.looks = looks

    def phase(self, name: str, done: float | None = None) -> None: ...

    def stop_requested(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A model that answers 0, 1, 2 in turn, and the sizes of the blocks it was asked for."""
    sizes: list[int] = []

    def complete(model: Any, tokenizer: Any, prompts: Sequence[Any], sampling: Sampling, *, stop: Any, **_: Any) -> list[Any]:
        if stop():
            raise batch.Stopped
        sizes.append(len(prompts))
        return [batch.Completion(f"It is {i % 3}.", [1] * (i % 3 + 1), i % 3 > 0) for i in range(len(prompts))]

    monkeypatch.setattr(batch, "complete", complete)
    monkeypatch.setattr(batch, "encode", lambda *_: [1])
    return sizes


def drawn(folder: Path, parts: Any = PARTS, answers: int = 3) -> tuple[Drawing, polars.DataFrame]:
    drawing = Drawing(ROWS, answers, Sampling(temperature=1.0), parts)
    assert samples.draw(drawing, lambda: None, None, folder, Told())
    return drawing, samples.read(folder)


def test_every_answer_is_kept_with_its_reward_and_each_part_of_it(asked: list[int], tmp_path: Path) -> None:
    _, found = drawn(tmp_path)
    assert len(found) == 240 and asked == [96, 96, 48]
    assert found["reward"].to_list()[:3] == [1.5, 0.5, 0.0], "the best answer of a prompt comes first"
    assert found["reward_part_number(value=2)"].to_list()[:3] == [1.0, 0.0, 0.0]
    assert samples.figures(found) == {"sampled": 240, "prompts": 80, "cut_off": 80, "reward": pytest.approx(2 / 3)}


def test_what_was_drawn_before_a_stop_is_not_drawn_again(asked: list[int], tmp_path: Path) -> None:
    drawing = Drawing(ROWS, 3, Sampling(temperature=1.0), PARTS)
    assert not samples.draw(drawing, lambda: None, None, tmp_path, Told(looks=2))
    assert asked == [96, 96]
    assert samples.draw(drawing, lambda: None, None, tmp_path, Told())
    assert asked == [96, 96, 48] and len(samples.read(tmp_path)) == 240
    samples.draw(drawing, lambda: pytest.fail("no weights are loaded for nothing"), None, tmp_path, Told())


def test_an_answer_that_was_cut_off_is_nothing_to_learn_from(asked: list[int], tmp_path: Path) -> None:
    drawing, found = drawn(tmp_path)
    cut = found.with_columns(ended=polars.col("text") != "It is 2.")  # the best ones
    for keep in ("all", "best"):
        assert {row["completion"][0]["content"] for row in samples.rows(drawing, cut, keep, -1.0)}.isdisjoint({"It is 2."})
    with pytest.raises(RunFailed, match="Of 240 answers the model ended none itself.*max_tokens"):
        samples.rows(drawing, found.with_columns(ended=polars.lit(False)), "all", 0.0)
    chosen = {
        row["chosen"][0]["content"]
        for row in samples.rows(drawing, cut.with_columns(reward=polars.col("text").str.slice(6, 1).cast(float)), "pairs", 0.0)
    }
    assert chosen == {"It is 1."}


def test_the_best_answers_or_pairs_or_all_become_data(asked: list[int], tmp_path: Path) -> None:
    drawing, found = drawn(tmp_path)
    every, best, pairs = (samples.rows(drawing, found, keep, 0.0) for keep in samples.KEEPS)
    assert (len(every), len(best), len(pairs)) == (160, 80, 80)
    assert best[1] == {**ROWS[1], "completion": [{"role": "assistant", "content": "It is 2."}], "reward": 1.5}
    assert pairs[0]["chosen"][0]["content"] == "It is 2." and pairs[0]["rejected"][0]["content"] == "It is 0."
    assert pairs[0]["margin"] == 1.5
    assert len(samples.rows(drawing, found, "best", 1.0)) == 80
    with pytest.raises(RunFailed, match="Of 240 answers none that the model ended itself is worth more than 1.5"):
        samples.rows(drawing, found, "best", 1.5)


def test_answers_that_are_worth_the_same_are_no_pair(asked: list[int], tmp_path: Path) -> None:
    drawing, found = drawn(tmp_path, recipe.parse("contains(value='It')", Context()))
    with pytest.raises(RunFailed, match="no two answers to a prompt differ in reward"):
        samples.rows(drawing, found, "pairs", 0.0)


def test_without_a_reward_answers_have_none(asked: list[int], tmp_path: Path) -> None:
    drawing, found = drawn(tmp_path, ())
    assert "reward" not in samples.rows(drawing, found, "all", 0.0)[0]
    assert samples.figures(found) == {"sampled": 240, "prompts": 80, "cut_off": 80}

"""Critique and revision: a judge rewrites what the model answered, and the revised answers are demonstrations."""

from pathlib import Path
from typing import Any

import pytest

from engine import registry
from engine.data import curate
from engine.errors import RunFailed
from engine.evaluation import revision
from engine.evaluation.feedback import Feedback
from engine.evaluation.judge import Judge
from engine.generation.answers import Sampling
from storage.home import Home
from tests.engine.evaluation.served import says, served
from tests.engine.methods.small import Silent

PRINCIPLES = ("Be brief.", "Be kind.")


def asking(home: Home, address: str) -> Feedback:
    drawn = Sampling(temperature=1.0, max_tokens=8)
    found = registry.find(home, "pocket"), curate.find(home, "pocket-questions")
    return Feedback(*found, Judge(address, "large"), PRINCIPLES, 6, drawn)


def rewrites(body: dict[str, Any], n: int) -> tuple[int, dict[str, Any]]:
    """A judge that names the principle it was given, then rewrites."""
    first = body["messages"][1]["content"]
    principle = next(p for p in PRINCIPLES if p in first)
    return 200, says("Better." if len(body["messages"]) == 4 else f"It breaks: {principle}")


def test_each_answer_is_criticised_by_one_principle_and_rewritten(pocket: Home, tmp_path: Path) -> None:
    with served(rewrites) as (address, seen):
        rows = revision.revisions(pocket, asking(pocket, address), tmp_path, Silent())
        assert rows is not None and len(rows) == 6 and len(seen) == 12
        again = revision.revisions(pocket, asking(pocket, address), tmp_path, Silent())
        assert again == rows and len(seen) == 12, "nothing is asked twice"
    assert {row["principle"] for row in rows} == set(PRINCIPLES)
    assert all(row["critique"] == f"It breaks: {row['principle']}" for row in rows)
    made = revision.freeze(pocket, rows, "revised", tmp_path)
    assert (made.shape, made.rows) == ("prompt_completion", 6)
    row = curate.rows(pocket, made)[0]
    assert row["completion"][0]["content"] == "Better." and row["original"] and row["critique"]


def test_a_revision_that_was_cut_off_is_left_out(pocket: Home, tmp_path: Path) -> None:
    def cut(body: dict[str, Any], n: int) -> tuple[int, dict[str, Any]]:
        status, reply = rewrites(body, n)
        reply["choices"][0]["finish_reason"] = "length" if len(body["messages"]) == 4 and "Be kind." in str(body) else "stop"
        return status, reply

    with served(cut) as (address, _):
        rows = revision.revisions(pocket, asking(pocket, address), tmp_path, Silent())
    assert rows is not None and {bool(row["completion"][0]["content"]) for row in rows if row["principle"] == "Be kind."} == {
        False
    }
    whole = sum(row["principle"] == "Be brief." for row in rows)
    assert revision.freeze(pocket, rows, "revised", tmp_path).rows == whole > 0
    assert revision.counts(rows) == {
        "prompts": 6, "kept": whole, "changed": whole, "dropped": 6 - whole, "prompt_version": revision.VERSION,
    }  # fmt: skip


def test_an_answer_that_the_judge_left_as_it_was_is_kept_and_not_changed() -> None:
    said = ("as it was", "better", "")
    rows = [{"completion": [{"role": "assistant", "content": after}], "original": " as it was "} for after in said]
    seen = revision.counts(rows)
    assert (seen["kept"], seen["changed"], seen["dropped"]) == (2, 1, 1)


def test_a_judge_that_rewrites_nothing_leaves_nothing_to_learn(pocket: Home, tmp_path: Path) -> None:
    rows = [{"prompt": [], "completion": [{"role": "assistant", "content": ""}]}] * 3
    with pytest.raises(RunFailed, match="rewrote none of 3 answers"):
        revision.freeze(pocket, rows, "none", tmp_path)

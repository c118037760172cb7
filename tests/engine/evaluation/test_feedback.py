"""AI feedback: what a judge prefers becomes a preference data set, nothing is asked twice, nothing is guessed."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from engine import registry
from engine.data import curate
from engine.errors import BadInput, RunFailed, Unreachable
from engine.evaluation import feedback, journal
from engine.evaluation.feedback import Feedback, Pair
from engine.evaluation.judge import PRINCIPLES, Judge, Verdict
from engine.generation.answers import Sampling
from engine.rewards import samples
from storage.home import Home
from tests.engine.evaluation.served import says, served
from tests.engine.methods.test_families import Silent

GIVEN = [
    Pair([{"role": "user", "content": f"What is {i}?"}], f"It is {i}.", "short" if i % 2 else "long " * i) for i in range(1, 9)
]


def asking(home: Home, address: str, **more: Any) -> Feedback:
    found = registry.find(home, "pocket"), curate.find(home, "pocket-sums")
    return Feedback(
        *found, Judge(address, "large"), PRINCIPLES, limit=8, sampling=Sampling(temperature=1.0, max_tokens=12), **more
    )


def likes_it(body: dict[str, Any], n: int) -> tuple[int, dict[str, Any]]:
    """A judge for the answer that says what it is."""
    first = body["messages"][1]["content"].split("<answer-a>")[1].split("</answer-a>")[0]
    return 200, says(f"It says it.\n[[{'A' if 'It is' in first else 'B'}]]")


def test_two_answers_to_each_prompt_are_drawn_once(pocket: Home, tmp_path: Path) -> None:
    asked = asking(pocket, "http://127.0.0.1:9/v1")
    found = feedback.pairs(pocket, asked, tmp_path, Silent())
    assert found and len(found) <= 8 and all(pair.first.strip() != pair.second.strip() for pair in found)
    assert feedback.pairs(pocket, asked, tmp_path, Silent()) == found, "they are read again, not drawn again"


def test_what_the_judge_prefers_becomes_a_preference_data_set_with_its_reasons(pocket: Home, tmp_path: Path) -> None:
    with served(likes_it) as (address, seen):
        asked = asking(pocket, address)
        said = feedback.verdicts(asked, GIVEN, tmp_path, Silent())
    assert said is not None and len(seen) == 16, "each pair from both sides"
    made = feedback.freeze(pocket, asked, GIVEN, said, "from-a-judge", tmp_path)
    assert (made.shape, made.rows) == ("preference", 8)
    row = curate.rows(pocket, made)[0]
    assert row["chosen"][0]["content"] == "It is 1." and row["reason"].startswith("It says it.")
    assert feedback.counts(GIVEN, said, 8)["preferred"] == 8


def test_a_judge_that_fails_on_the_way_is_asked_for_the_rest_alone(
    pocket: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "AT_ONCE", 1)
    with (
        served(lambda body, n: likes_it(body, n) if n <= 7 else (400, {})) as (address, _),
        pytest.raises(BadInput, match="refuses"),
    ):
        feedback.verdicts(asking(pocket, address), GIVEN, tmp_path, Silent())
    with (tmp_path / feedback.JUDGED).open("a") as out:
        out.write('{"place": 5, "winn')  # the machine went down while a line was written
    with served(likes_it) as (address, seen):
        said = feedback.verdicts(asking(pocket, address), GIVEN, tmp_path, Silent())
    assert said is not None and len(said) == 8 and len(seen) == 2 * (8 - 3)


def test_a_stop_keeps_what_was_judged(pocket: Home, tmp_path: Path) -> None:
    class Stopping(Silent):
        def stop_requested(self) -> bool:
            return (tmp_path / feedback.JUDGED).exists()

    with served(likes_it) as (address, _):
        assert feedback.verdicts(asking(pocket, address), GIVEN * 4, tmp_path, Stopping()) is None
    assert 0 < len((tmp_path / feedback.JUDGED).read_text().splitlines()) < 32


def test_where_nothing_is_preferred_nothing_is_made(pocket: Home, tmp_path: Path) -> None:
    said = dict.fromkeys(range(len(GIVEN)), Verdict("tie", True, ("", "")))
    with pytest.raises(RunFailed, match="prefers no answer that the model ended itself in any of 8 pairs"):
        feedback.freeze(pocket, asking(pocket, "http://x/v1"), GIVEN, said, "none", tmp_path)
    said[0] = Verdict(None, False, ("?", "?"))
    assert feedback.counts(GIVEN, said, 10) | {} == {
        "prompts": 10, "alike": 2, "preferred": 0, "cut_off": 0, "ties": 7, "disagreed": 0, "unread": 1, "prompt_version": "pairwise-1",
    }  # fmt: skip


def test_a_winner_that_was_cut_off_teaches_no_end_and_is_counted(pocket: Home, tmp_path: Path) -> None:
    cut = [dataclasses.replace(pair, first_ended=i % 2 == 0, second_ended=i < 4) for i, pair in enumerate(GIVEN)]
    said = {i: Verdict("first" if i < 6 else "second", True, ("a", "b")) for i in range(8)}
    made = feedback.freeze(pocket, asking(pocket, "http://x/v1"), cut, said, "whole", tmp_path)
    kept = [row["chosen"][0]["content"] for row in curate.rows(pocket, made)]
    assert kept == [GIVEN[i].first for i in (0, 2, 4)], "of a loser the end may be missing"
    found = feedback.counts(cut, said, 8)
    assert (found["preferred"], found["cut_off"]) == (3, 5)


def test_of_each_answer_it_is_known_whether_the_model_ended_it(pocket: Home, tmp_path: Path) -> None:
    found = feedback.pairs(pocket, asking(pocket, "http://127.0.0.1:9/v1"), tmp_path, Silent())
    drawn = samples.read(tmp_path)
    ended = dict(zip(drawn["text"], drawn["ended"], strict=True))
    assert found and len(set(ended.values())) == 2, "some answers end and others are cut"
    for pair in found:
        assert (pair.first_ended, pair.second_ended) == (ended[pair.first], ended[pair.second])


def test_a_judge_that_is_not_there_is_unreachable_and_the_answers_are_kept(
    pocket: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.evaluation.judge.PAUSE", 0.01)
    monkeypatch.setattr("engine.evaluation.judge.TRIES", 1)
    asked = asking(pocket, "http://127.0.0.1:9/v1")
    found = feedback.pairs(pocket, asked, tmp_path, Silent())
    with pytest.raises(Unreachable):
        feedback.verdicts(asked, found or [], tmp_path, Silent())
    monkeypatch.setattr(feedback, "speaking", lambda *_: pytest.fail("the answers are drawn again"))
    assert feedback.pairs(pocket, asked, tmp_path, Silent()) == found

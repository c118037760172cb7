"""Whether answers rest on passages: claims, citations, names."""

from typing import Any

import pytest

from engine.errors import BadInput
from engine.evaluation import grounding
from engine.evaluation.grounding import Grounding, ground
from engine.evaluation.judge import Client, Judge
from engine.jobs import bakeoffs
from engine.methods.method import Library
from tests.engine.evaluation.served import says, served

PASSAGES = ["The mill in Oakford opens at 7:30. Barlin runs it.", "Mara is 85 years old and plays the lute."]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("The mill opens at 7:30.", Grounding(1, 1, 0, 0)),
        ("It opened at 7:30 [1]. Mara plays the lute [1].", Grounding(2, 2, 2, 1)),
        ("The mill opens at 8:30 [1].", Grounding(1, 0, 1, 0)),
        ("Mara is 85 [2]. She has three cats [9].", Grounding(2, 1, 2, 1)),
        ("", Grounding(0, 0, 0, 0)),
    ],
)
def test_claims_and_citations_are_counted_as_by_hand(answer: str, told: Grounding) -> None:
    assert ground(answer, PASSAGES) == told


def test_a_claim_is_not_put_together_from_two_passages() -> None:
    assert not ground("Barlin plays the lute in Oakford.", PASSAGES).faithful


def test_an_entailment_model_decides_in_place_of_the_words() -> None:
    asked: list[tuple[str, str]] = []

    def entails(passage: str, claim: str) -> bool:
        asked.append((passage, claim))
        return "Mara" in passage

    assert ground("Somebody makes music [2].", PASSAGES, entails) == Grounding(1, 1, 1, 1)
    assert asked and not any("[2]" in claim for _, claim in asked)


def test_sources_are_those_cited_or_else_those_that_support_a_claim() -> None:
    assert grounding.sources("At 7:30.", PASSAGES) == [1]
    assert grounding.sources("At 7:30 [2][7].", PASSAGES) == [2]
    assert grounding.sources("I do not know.", PASSAGES) == []


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the trade of Delmir?", ["Delmir"]),
        ("Who keeps Anna's bakery in New York?", ["Anna", "New", "York"]),
        ("I have a question. Who runs the mill?", []),
    ],
)
def test_the_names_in_a_question_are_its_capitals_inside_sentences(question: str, names: list[str]) -> None:
    assert grounding.names(question) == names


def test_a_passage_about_somebody_else_has_not_the_names() -> None:
    assert grounding.has_names(PASSAGES[0], ["oakford"])
    assert not grounding.has_names(PASSAGES[0], ["Oak"])


def test_a_judge_decides_claim_by_claim_and_what_it_does_not_say_counts_as_no() -> None:
    def reply(body: dict[str, Any], number: int) -> tuple[int, dict[str, Any]]:
        passage, claim = body["messages"][1]["content"].split("</passage>")[:2]
        if "cats" in claim:
            return 200, says("I would rather not say.")
        return 200, says(f"It does. [[{'YES' if 'Mara' in passage else 'NO'}]]")

    with served(reply) as (address, seen):
        library = Library(_nothing, _nothing, lambda at, name: Client(Judge(at, name), pause=0).ask)
        entails = bakeoffs.support({"judge": "j", "judge_address": address, "entailment": ""}, library)
        assert isinstance(entails, grounding.Judged)
        assert ground("Somebody makes music [2]. She has cats.", PASSAGES, entails) == Grounding(2, 1, 1, 1)
    assert entails.unread == 2, "each passage was asked about, and neither reply told"
    assert not any("[2]" in body["messages"][1]["content"] for body in seen)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"judge": "j"}, "needs its address and its name"),
        ({"judge": "j", "judge_address": "ftp://x"}, "begins with http"),
        ({"judge": "j", "judge_address": "http://127.0.0.1:1/v1", "entailment": "m"}, "Name one of them"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_refused_before_anything_is_queued(asked: dict[str, str], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        bakeoffs.check_support(**{"entailment": "", "judge_address": "", "judge": "", **asked})


def _nothing(_: str) -> Any:
    raise AssertionError

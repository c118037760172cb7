"""One question on its way: passages, tries, refusals, and what fits into a context."""

from dataclasses import replace

from engine.deployments import answering
from engine.deployments import setup as setups
from engine.deployments.answering import AGAIN, Question
from engine.deployments.setup import Found, Setup
from engine.generation.answers import Sampling
from storage.home import Home

GUARDS = {"checks": [{"kind": "length", "most": 2, "unit": "words"}], "retries": 2, "refusal": "No."}
ASKED = [{"role": "user", "content": "When does the mill in Oakford open?"}]


def guarded(home: Home, **more: object) -> Found:
    return setups.find(home, Setup.checked({"model": "pocket", "guards": GUARDS, **more}))


def put(home: Home, **more: object) -> Question:
    question = answering.questions(home, guarded(home, **more), [list(ASKED)])[0]
    question.put()
    return question


def test_an_answer_that_passes_is_given_as_it_is(pocket: Home) -> None:
    question = put(pocket)
    question.hear("At 7:30", True, tokens=4)
    assert (question.done, question.text, question.refused, question.tries, question.tokens) == (True, "At 7:30", False, 1, 4)


def test_one_that_fails_is_asked_again_with_the_reason_and_then_refused(pocket: Home) -> None:
    question = put(pocket)
    for number in range(1, 4):
        assert not question.done
        question.hear("It opens at half past seven", True)
        if number < 3:
            assert question.turns[-2] == {"role": "assistant", "content": "It opens at half past seven"}
            assert "may have at most 2" in question.turns[-1]["content"]
    assert (question.done, question.text, question.refused, question.tries) == (True, "No.", True, 3)


def test_where_the_reason_has_no_room_the_answer_is_drawn_anew_at_another_temperature(pocket: Home) -> None:
    question = put(pocket)
    question.hear("It opens at half past seven", True, room=10, count=lambda turns: 10 * len(turns))
    assert question.turns == ASKED
    assert question.sampling(Sampling()) == Sampling(seed=1, temperature=AGAIN)


def test_passages_stand_before_the_question_the_best_first(lab: Home) -> None:
    question = put(lab, index="town", passages=2)
    text = question.turns[-1]["content"]
    assert text.index("[1]") < text.index("opens at 7:30") < text.index("[2]") < text.index("When does the mill")


def test_passages_that_do_not_fit_are_left_out_the_worst_first(lab: Home) -> None:
    question = put(lab, index="town", passages=3)
    question.put(1, lambda turns: turns[-1]["content"].count("[2]") * 5)
    assert "[1]" in question.turns[-1]["content"] and "[2]" not in question.turns[-1]["content"]
    assert [hit.passage.document for hit in question.hits] == ["mill.md"]


def test_passages_that_hold_the_answer_can_be_kept_from_a_question(lab: Home) -> None:
    found = replace(guarded(lab, index="town", passages=2))
    question = answering.questions(lab, found, [list(ASKED)], without=[["7:30"]])[0]
    assert {hit.passage.document for hit in question.hits} == {"mara.md", "inn.md"}


def test_values_are_looked_for_as_whole_words() -> None:
    assert answering.holds_one("It opens at 7:30.", ["7:30"])
    assert not answering.holds_one("It opens at 17:30.", ["7:30"])
    assert not answering.holds_one("Nothing.", [])


def test_an_answer_about_somebody_else_is_not_supported(lab: Home) -> None:
    found = guarded(
        lab, index="town", passages=2, guards={"checks": [{"kind": "supported"}], "retries": 0, "refusal": "Unknown."}
    )
    question = answering.questions(lab, found, [[{"role": "user", "content": "When does the mill in Redwell open?"}]])[0]
    question.put()
    question.hear("7:30", True)
    assert (question.refused, question.text) == (True, "Unknown.")
    question = answering.questions(lab, found, [list(ASKED)])[0]
    question.put()
    question.hear("7:30", True)
    assert not question.refused

"""The answers so far: they stand in the address, so that a reload or a link keeps them, and in the tab for when it comes back.

Answers to questions that are no longer asked stay there too: the way back may lead to them again.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine import rubric
from engine.errors import BadInput, TemperError
from engine.rubric import questions
from engine.rubric.questions import Question
from pages.parts import messages

AT, ADVICE, HELD = "at", "advice", "rubric_draft"  # the question that is shown, the advice that is looked at
NAMES = [name for q in rubric.QUESTIONS for name in ([q.id] if q.choices else [number.id for number in q.numbers])]


def answers() -> dict[str, Any]:
    """What was answered, from the address, else from what this tab has held. What cannot be read there is left out."""
    held: dict[str, str] = st.session_state.get(HELD, {})
    asked = {name: st.query_params[name] for name in NAMES if name in st.query_params}
    if not asked and held:
        asked = held
        st.query_params.update(held)
    found = {}
    for name, value in asked.items():
        try:
            found |= questions.read({name: value})
        except BadInput:
            st.query_params.pop(name, None)  # a link that was cut, or one from other questions: it is asked again
    st.session_state[HELD] = {name: written(value) for name, value in found.items()}
    return found


def written(value: Any) -> str:
    """An answer as it stands in the address."""
    return ",".join(value) if isinstance(value, list) else f"{value:.15g}" if isinstance(value, float) else str(value)


def shown(given: Mapping[str, Any]) -> Question | None:
    """The question to show: the one that was gone back to, else the next one; None when all are answered."""
    wanted = st.query_params.get(AT, "")
    before = rubric.path(given)
    return next((question for question in before if question.id == wanted), rubric.asked(given))


def previous(given: Mapping[str, Any], question: Question) -> Question | None:
    """The question before this one on the path."""
    before = rubric.path(given)
    place = before.index(question) if question in before else len(before)
    return before[place - 1] if place else None


def key(name: str) -> str:
    """Where the widget of an answer keeps it; for one of several choices ``name`` is the question's and the choice's."""
    return f"rubric_{name}"


def go_to(id: str) -> None:
    """As a callback: show this question again, with its answer."""
    st.query_params[AT] = id


def answer(question: Question) -> None:
    """As a callback: keep what the form says, and go on to the first question that is not answered."""
    given, held = answers(), st.session_state
    try:
        found = questions.read(_typed(question, given))
    except TemperError as problem:
        messages.keep(problem, "rubric")
        return
    st.query_params.update({name: written(value) for name, value in found.items()})
    held[HELD] = {**held.get(HELD, {}), **{name: written(value) for name, value in found.items()}}
    st.query_params.pop(AT, None)


def _typed(question: Question, given: Mapping[str, Any]) -> dict[str, Any]:
    held = st.session_state
    if question.numbers:
        found = {number.id: held.get(key(number.id)) for number in question.fields(given)}
        empty = next((number for number in question.fields(given) if found[number.id] is None), None)
        if empty is not None:
            raise BadInput(f"{empty.text}: type a number to go on; a rough one is enough.")
        for number in question.fields(given):
            if not number.low <= (value := float(found[number.id] or 0)) <= number.high:
                raise BadInput(f"{number.text}: from {number.low:g} to {number.high:,.15g}, not {value:,.15g}.")
        return found
    if question.several:
        chosen = [choice.id for choice in question.choices if held.get(key(f"{question.id}_{choice.id}"))]
        if not chosen:
            raise BadInput(f"Tick at least one to go on; “{question.choices[0].words}” is an answer too.")
        if questions.NOTHING in chosen and len(chosen) > 1:
            raise BadInput(f"“{question.choices[0].words}” cannot be ticked beside something. Take one of them away.")
        return {question.id: chosen}
    if held.get(key(question.id)) is None:
        raise BadInput("Choose one to go on.")
    return {question.id: held[key(question.id)]}


def again() -> None:
    """As a callback: forget every answer and begin anew."""
    st.session_state.pop(HELD, None)
    st.query_params.clear()

"""Draws one question: how far one is, why it matters, the choices, the way on and the way back. Everything works by keyboard."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine import advice
from engine.rubric import path, questions
from engine.rubric.questions import Number, Question
from pages.rubric import draft
from storage.home import Home


def ask(home: Home, question: Question, given: Mapping[str, Any]) -> str:
    """Draw the question in a form; the key of the container that its fields stand in."""
    before = path(given)
    place = before.index(question) + 1 if question in before else len(before) + 1
    most = questions.longest(given)
    st.progress((place - 1) / most, text=f"Question {place} of at most {most}")
    held = f"rubric_question_{question.id}"
    with st.form(f"rubric_form_{question.id}", border=True):
        st.subheader(question.text, anchor=False)
        st.caption(f":material/lightbulb: {question.why}")
        with st.container(key=held, gap="small"):
            _fields(home, question, given)
        with st.container(horizontal=True):
            st.form_submit_button(
                "Next",
                key="rubric_next",
                type="primary",
                icon=":material/arrow_forward:",
                on_click=draft.answer,
                args=(question,),
            )
            back = draft.previous(given, question)
            if back is not None:
                st.form_submit_button(
                    "Back", key="rubric_back", icon=":material/arrow_back:", on_click=draft.go_to, args=(back.id,)
                )
    st.caption("By keyboard: the arrows choose, Space ticks, Enter goes on, Tab leads to Back.")
    return held


def _fields(home: Home, question: Question, given: Mapping[str, Any]) -> None:
    if question.numbers:
        for number in question.fields(given):
            _number(number, given.get(number.id))
    elif question.several:
        for choice in question.choices:
            st.checkbox(
                f"{choice.words}: {choice.note[0].lower()}{choice.note[1:]}" if choice.note else choice.words,
                value=choice.id in given.get(question.id, ()), key=draft.key(f"{question.id}_{choice.id}"),
            )  # fmt: skip
    else:
        _one(home, question, given.get(question.id))


def _one(home: Home, question: Question, chosen: str | None) -> None:
    offered = {choice.id: choice for choice in question.choices}
    usual = advice.hardware(home) if question.id == "hardware" else None
    first = chosen or usual
    notes = [
        choice.note + (" · this machine" if choice.id == usual and choice.note else "This machine" if choice.id == usual else "")
        for choice in question.choices
    ]
    st.radio(
        question.text, list(offered), index=list(offered).index(first) if first in offered else None, key=draft.key(question.id),
        format_func=lambda chosen: f"**{offered[chosen].words}**", captions=notes if any(notes) else None, label_visibility="collapsed",
    )  # fmt: skip


def _number(number: Number, value: float | None) -> None:
    """A field for a number; a whole one where its bounds are large. The field has no bounds of its own: out of them it would hold the
    form fast, the way back as well, and say nothing."""
    whole = number.low == int(number.low) and number.unit != "hours"
    kind = int if whole else float
    first = value if value is not None else number.default
    st.number_input(
        f"{number.text}", value=kind(first) if first is not None else None,
        step=kind(1), format="%d" if whole else "%g", key=draft.key(number.id), placeholder=number.unit,
    )  # fmt: skip
    st.caption(number.examples + ".")

"""Keeping an advice: a verb, done once however often it is clicked."""

import streamlit as st

from engine import advice
from engine.errors import TemperError
from pages.parts import messages, session
from pages.rubric import draft

KEPT = "rubric_kept"


def draw() -> None:
    """Draw the button that keeps the advice on the answers of the address."""
    st.button("Keep this advice", key="rubric_save", icon=":material/bookmark_add:", on_click=save)
    st.caption("A kept advice says later, beside what was measured, whether it held.")


def save() -> None:
    """As a callback: keep the advice, and look at it."""
    try:
        made = advice.save(session.home(), draft.answers(), session.token("rubric"))
    except TemperError as problem:
        messages.keep(problem, "rubric")
        return
    st.session_state[KEPT] = made.id
    messages.done(f"Kept as advice {made.id}.", ":material/bookmark_added:")


def follow() -> None:
    """Look at the advice that was kept just now."""
    made = st.session_state.pop(KEPT, None)
    if made is not None:
        st.session_state.pop(draft.HELD, None)
        st.query_params.clear()
        st.query_params[draft.ADVICE] = str(made)

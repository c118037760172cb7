"""Freezing a deployment: a new one, or the next version of one that is there."""

from collections.abc import Sequence

import streamlit as st

from engine.deployments import freeze
from engine.deployments.setup import Setup
from engine.errors import TemperError
from pages.parts import inert, messages, session, setups
from storage.home import Home
from storage.records import Deployment

ADDRESS, MADE = "deployment", "deployments_made"
NEW, NEXT = "deployments_new", "deployments_next"
EMPTY = (
    "A deployment is a model with its prompt, documents and guards, frozen together: measured as one, and asked by one name. "
    "A bake-off can freeze a candidate; or put one together here."
)


def follow() -> None:
    """Look at the deployment that was frozen just now, if one was."""
    made = st.session_state.pop(MADE, None)
    if made is not None:
        st.query_params[ADDRESS] = made


def header(home: Home, found: Sequence[Deployment]) -> None:
    """Draw the title and the way to a new deployment."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Deployments", width="content")
        if found:
            with st.popover("New deployment", icon=":material/add:", key="deployments_add"):
                ask(home, NEW, None)
    if not found:
        messages.empty("No deployment yet", EMPTY, ":material/rocket_launch:")
        with st.expander("Put one together", icon=":material/add:", key="deployments_first"):
            ask(home, NEW, None)


def onward(home: Home, one: Deployment) -> None:
    """Draw the form for the next version, which begins with what this one is made of."""
    with st.expander("Next version", icon=":material/upgrade:", key="deployments_next_open"):
        if st.session_state.get(NEXT) != one.id:
            setups.fill(home, NEXT, one.body)
            st.session_state[NEXT] = one.id
        ask(home, NEXT, one)


def ask(home: Home, key: str, of: Deployment | None) -> None:
    """Ask for name and setup; freeze it."""
    name = of.name if of is not None else st.text_input("Name", key=f"{key}_name", max_chars=80, placeholder="handbook-answers")
    setups.draw(home, key)
    messages.kept(key)
    st.button(
        "Freeze", type="primary", icon=":material/ac_unit:", key=f"{key}_freeze", disabled=not (name or "").strip(),
        help="It never changes; a change makes a version", on_click=act, args=(home, key, of),
    )  # fmt: skip


def act(home: Home, key: str, of: Deployment | None) -> None:
    """As a callback: freeze what the form says."""
    held = st.session_state
    name = of.name if of is not None else str(held[f"{key}_name"])
    try:
        made = freeze.freeze(home, name, Setup.checked(setups.asked(key)), session.token(f"freeze {name}"))
    except TemperError as problem:
        messages.keep(problem, key)
        return
    held[MADE] = made.title
    same = of is not None and made.version == of.version
    messages.done(
        f"{inert.plain(made.title)} is the same and stays." if same else f"{inert.plain(made.title)} is frozen.",
        ":material/ac_unit:",
    )

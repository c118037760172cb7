"""Bake-off: the same questions, several ways to answer them, measured side by side. The address names one (?run=ID), or fills the
form (?goal=, ?data=, ?index=, ?advice=, ?again=RUN)."""

import streamlit as st

from pages.bakeoff import deploy, draft, form, launch, result, wordings
from pages.parts import messages, session

home = session.home()
SETUP, PROMPTS, RESULTS = "setup", "prompts", "results"
VIEWS = {
    SETUP: ":material/tune: Set up",
    PROMPTS: ":material/edit_note: Prompts",
    RESULTS: ":material/leaderboard: Results",
}


def turn() -> None:
    """As a callback: keep in the address which view is shown."""
    st.query_params.clear()
    st.query_params["view"] = str(st.session_state["bakeoff_view"])


launch.follow()
deploy.follow()
asked = st.query_params.get("view", SETUP)
st.session_state["bakeoff_view"] = RESULTS if launch.RUN in st.query_params else asked if asked in VIEWS else SETUP
st.title("Bake-off")
shown = st.segmented_control(
    "View", list(VIEWS), key="bakeoff_view", required=True, label_visibility="collapsed", on_change=turn,
    format_func=VIEWS.__getitem__,
)  # fmt: skip
with messages.edge():
    if shown == PROMPTS:
        wordings.draw(home)
    elif shown == RESULTS:
        messages.kept("bakeoff")
        result.draw(home)
    else:
        draft.fill(home)
        messages.kept("bakeoff")
        ready = form.questions(home)
        form.candidates(home)
        form.options(home)
        launch.draw(home, ready)

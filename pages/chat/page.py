"""Chat: one prompt to several models side by side. The conversation is named in the address (?talk=ID), so that clicks,
page switches, reloads and a second browser find it again. Other views: a set of prompts at once, and who is better."""

import streamlit as st

from engine.errors import TemperError
from engine.generation.turns import Conversation
from pages.chat import asking, controls, ranks, sets, view
from pages.parts import messages, session

VIEWS = {
    "talk": ":material/forum: Talk",
    "prompts": ":material/table_rows: Set of prompts",
    "ranking": ":material/leaderboard: Ranking",
}
home = session.home()


def turn() -> None:
    """Keep in the address which view is shown."""
    st.query_params["view"] = str(st.session_state["chat_view"])


def talk_view() -> None:
    """Draw the conversation that the address names, or an empty one."""
    talk: Conversation | None = None
    with messages.edge():
        try:
            talk = asking.shown(home)
        except TemperError:
            asking.forget()
            raise
    chosen = controls.choose(home)
    sampling = controls.decoding(home)
    messages.kept("chat")
    if talk is not None:
        view.turns(home, talk, sampling)
        if talk.ended:
            controls.after(home, talk, chosen, sampling)
        else:
            view.live(home, talk)
    else:
        controls.suggestions(home, chosen, sampling)
    controls.prompt(home, talk, chosen, sampling)


asked = st.query_params.get("view")
st.session_state["chat_view"] = asked if asked in VIEWS else "talk"
controls.fill(home)
controls.header(home)
shown = st.segmented_control(
    "View",
    list(VIEWS),
    key="chat_view",
    required=True,
    label_visibility="collapsed",
    on_change=turn,
    format_func=VIEWS.__getitem__,
)
if shown == "prompts":
    sets.draw(home)
elif shown == "ranking":
    ranks.draw(home)
else:
    talk_view()

"""Labels: two answers, one choice at a time; where pairs come from, how far labellers agree, and the data set made of it.

The address says which project is looked at, how, and by whom.
"""

import streamlit as st

from pages.labels import begin, freeze, pairs, people, report, screen, team
from pages.parts import messages, session
from storage import preferences

VIEWS = {
    "label": ":material/thumbs_up_down: Label",
    "pairs": ":material/compare_arrows: Pairs",
    "team": ":material/group: Team",
    "quality": ":material/verified: Quality",
    "freeze": ":material/ac_unit: Freeze",
}
home = session.home()

begin.follow()
found = preferences.projects(home)
project = begin.choose(home, found)
if project is None:
    st.stop()


def turn() -> None:
    """Keep in the address which view is shown."""
    st.query_params["view"] = str(st.session_state["labels_view_chosen"])


asked = st.query_params.get("view")
counts = preferences.counts(home, project.id)
st.session_state["labels_view_chosen"] = asked if asked in VIEWS else "label" if counts.pairs else "pairs"
shown = st.segmented_control(
    "View", list(VIEWS), key="labels_view_chosen", required=True, label_visibility="collapsed", on_change=turn,
    format_func=VIEWS.__getitem__,
)  # fmt: skip
st.query_params["view"] = str(shown)  # so that pairs that come in do not turn the page

with messages.edge():
    if shown == "label":
        labeller = people.labeller(home, project)
        if labeller is not None:
            screen.draw(home, project, labeller)
    elif shown == "pairs":
        pairs.draw(home, project)
    elif shown == "team":
        team.draw(home, project)
    elif shown == "quality":
        report.draw(home, project)
    else:
        freeze.draw(home, project)

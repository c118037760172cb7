"""Datasets: bring in a file, see every problem, freeze a version, read through what is frozen."""

from functools import partial
from pathlib import Path

import streamlit as st

from engine.data import curate, uploads
from engine.errors import TemperError
from pages.datasets import bring, view
from pages.parts import inert, looking, messages, session
from storage import datasets

home = session.home()
LISTED, BROUGHT = "Frozen versions", "Bring in a file"


def freeze() -> None:
    """Freeze the draft that is shown, and look at what came out."""
    draft = st.session_state.get("draft")
    if draft is None:
        return  # the second half of a double click: the first has frozen it
    try:
        made = curate.freeze(home, draft, st.session_state["draft_name"], st.session_state.get("draft_keep", True))
    except TemperError as problem:
        messages.keep(problem, "freeze")
        return
    del st.session_state["draft"]
    curate.discard(draft)
    bring.clear()
    st.session_state["datasets_view"] = LISTED
    looking.at("dataset", str(made.id))
    messages.done(f"{inert.plain(made.title)} is frozen.", ":material/ac_unit:")


def turn() -> None:
    """Take the version out of the address: with one in it, the versions are shown."""
    st.query_params.pop("dataset", None)


found = datasets.all(home)
view.title()
if "dataset" in st.query_params:
    st.session_state["datasets_view"] = LISTED
elif "datasets_view" not in st.session_state:
    st.session_state["datasets_view"] = LISTED if found else BROUGHT
shown = st.segmented_control(
    "View",
    (LISTED, BROUGHT),
    key="datasets_view",
    required=True,
    persist_state="session",
    on_change=turn,
    label_visibility="collapsed",
)

if shown == BROUGHT:
    source = bring.source()
    path: Path | None = None
    with messages.edge():
        if isinstance(source, Path):
            path = source
        elif source is not None:
            path = bring.kept(source, partial(uploads.keep, home, source.name, source))
        else:
            path = bring.held()
        draft = bring.read(home, path) if path else None
        if draft is not None:
            if source is None:
                st.button("Choose another file", icon=":material/restart_alt:", key="draft_drop", on_click=bring.drop)
            bring.show(draft)
            messages.kept("freeze")
            bring.ask_name(home, draft, freeze)
else:
    chosen = view.versions(found)
    if chosen is not None:
        view.version(home, chosen)

"""Runs: the list, one run (?run=ID), or several side by side (?compare=ID,ID). The address says which, so that a reload
or a second browser shows the same."""

import streamlit as st

from engine.errors import NotFound
from engine.jobs import submit
from pages.parts import go, messages, session
from pages.runs import compare, listing, one
from storage import db
from storage.home import Home
from storage.records import Run

home: Home = session.home()


def named(part: str) -> Run:
    """The run that a part of the address names."""
    number = db.number(part.strip())
    if number is None:
        raise NotFound(f"The address asks for run {part!r}, which is not a number. Choose a run from the list.")
    return submit.find(home, number)


side_by_side, asked = st.query_params.get("compare"), st.query_params.get("run")
if side_by_side or asked:
    go.button("All runs", ":material/arrow_back:", "runs", key="runs_all", type="tertiary")
with messages.edge():
    if side_by_side:
        compare.show(home, [named(part) for part in side_by_side.split(",") if part.strip()])
    elif asked:
        one.show(home, named(asked))
    else:
        listing.show(home)

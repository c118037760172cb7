"""Choosing a project of labelling, or beginning one."""

from collections.abc import Sequence

import streamlit as st

from engine.errors import TemperError
from engine.preferences import projects
from pages.parts import inert, messages, words
from storage import preferences
from storage.home import Home
from storage.records import Project

ADDRESS, CHOSEN, MADE = "project", "labels_project", "labels_made"


def follow() -> None:
    """Go to the project that was begun just now, if one was."""
    made = st.session_state.pop(MADE, None)
    if made is not None:
        st.query_params[ADDRESS] = str(made)
        st.query_params.pop("view", None)


def choose(home: Home, found: Sequence[Project]) -> Project | None:
    """Draw the title with the projects to choose from; the one that is looked at, None where there is none yet."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Labels", width="content")
        if found:
            with st.popover("New project", icon=":material/add:"):
                ask(home, "labels_new")
    if not found:
        messages.empty(
            "No labels yet",
            "A project shows people two answers to the same prompt, and they say which one is better. That is what DPO and reward "
            "models learn from.", ":material/thumbs_up_down:",
        )  # fmt: skip
        ask(home, "labels_first")
        return None
    ids = {project.id: project for project in found}
    asked = st.query_params.get(ADDRESS, "")
    named = next((p.id for p in found if asked in (str(p.id), p.name)), None)
    held = named or st.session_state.get(CHOSEN)
    st.session_state[CHOSEN] = held if held in ids else found[0].id
    if len(found) > 1:
        st.selectbox(
            "Project", list(ids), key=CHOSEN, label_visibility="collapsed", on_change=turn,
            format_func=lambda i: _described(home, ids[i]),
        )  # fmt: skip
    else:
        st.caption(_described(home, found[0]).replace("  ·  ", " · "))
    st.query_params[ADDRESS] = str(st.session_state[CHOSEN])
    return ids[st.session_state[CHOSEN]]


def _described(home: Home, project: Project) -> str:
    # only what does not change while somebody labels: this part of the page is not drawn anew then
    return f"{inert.plain(project.name, 60)}  ·  {words.plural(preferences.counts(home, project.id).pairs, 'pair')}"


def turn() -> None:
    """Look at the project that was chosen."""
    st.query_params[ADDRESS] = str(st.session_state[CHOSEN])


def ask(home: Home, key: str) -> None:
    """Ask for a new project's name and instructions."""
    with st.form(key, border=False):
        st.text_input("Name", key=f"{key}_name", max_chars=80, placeholder="tone of support answers")
        st.text_area(
            "Instructions for labellers", key=f"{key}_instructions", height=120, placeholder="Which answer would you rather get? …",
            help="Markdown. Can be changed at any time, under Team",
        )  # fmt: skip
        st.multiselect(
            "Compared in single respects too", projects.SUGGESTED, key=f"{key}_criteria", accept_new_options=True,
            max_selections=projects.MOST_CRITERIA, placeholder="None; type to add your own",
        )  # fmt: skip
        st.form_submit_button("Begin the project", type="primary", icon=":material/add:", on_click=create, args=(home, key))
    messages.kept(key)


def create(home: Home, key: str) -> None:
    """Begin the project that the form names."""
    held = st.session_state
    given = {"instructions": held.get(f"{key}_instructions") or "", "criteria": held.get(f"{key}_criteria") or []}
    try:
        made = projects.create(home, str(held.get(f"{key}_name") or ""), given)
    except TemperError as problem:
        messages.keep(problem, key)
        return
    held[MADE] = made.id

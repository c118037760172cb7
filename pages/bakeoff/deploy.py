"""Freezing a candidate of a bake-off as a deployment."""

import streamlit as st

from engine.deployments import freeze
from engine.errors import TemperError
from engine.jobs import bakeoffs
from pages.parts import go, inert, messages, session
from storage import deployments
from storage.home import Home
from storage.records import Run

MADE = "bakeoff_deployed"


def follow() -> None:
    """Go to the deployment that was frozen just now, if one was."""
    title = st.session_state.pop(MADE, None)
    if title is not None:
        go.to("deployments", deployment=title)


def draw(home: Home, run: Run) -> None:
    """Ask which candidate to deploy, the best one first, and under which name."""
    told = sorted(run.summary["candidates"], key=lambda one: -one["value"])
    key = f"bakeoff_deploy_{run.id}"
    with st.container(border=True, key="bakeoff_deploy", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("Deploy a candidate", [one["name"] for one in told], key=f"{key}_candidate")
            name = st.text_input("As", key=f"{key}_name", placeholder="handbook-answers", max_chars=80)
            st.button(
                "Deploy this one", icon=":material/rocket_launch:", key="bakeoff_deploy_it", type="primary",
                disabled=not (name or "").strip(), on_click=act, args=(home, run, key),
            )  # fmt: skip
        there = deployments.find(home, (name or "").strip()) if (name or "").strip() else None
        if there is not None:
            st.caption(f"It exists: this becomes version {there.version + 1}, unless it is the same.")
        else:
            st.caption("Frozen with its prompt, documents and guards, measured like a model, and asked under this name.")
        messages.kept("bakeoff_deploy")


def act(home: Home, run: Run, key: str) -> None:
    """As a callback: freeze the candidate that is chosen."""
    held = st.session_state
    try:
        setup = bakeoffs.winner(run, held[f"{key}_candidate"])
        made = freeze.freeze(home, str(held[f"{key}_name"]), setup, session.token(f"deploy {run.id}"))
    except TemperError as problem:
        messages.keep(problem, "bakeoff_deploy")
        return
    held[MADE] = made.title
    messages.done(f"{inert.plain(made.title)} is frozen.", ":material/rocket_launch:")

"""The strip in the side bar: whether the engine runs, on what, and what is at work. It redraws itself."""

import streamlit as st

from engine import machine
from engine.errors import TemperError
from engine.jobs import health
from pages.parts import inert, messages, words
from storage import runs
from storage.db import NotMigrated, require_migrated
from storage.home import Home

EVERY = 5  # seconds


def start(home: Home) -> None:
    """Start the engine, as a button's callback; an error waits under the name ``engine`` until the strip is drawn."""
    from engine.jobs import supervisor  # what it brings along is not needed for any other redraw

    try:
        supervisor.ensure(home)
    except TemperError as problem:
        messages.keep(problem, "engine")


@st.fragment(run_every=EVERY)
def engine(home: Home) -> None:
    """Draw the engine's state, the device, memory and disk; a button starts an engine that is not there."""
    with messages.edge(), st.container(gap="xsmall", key="engine_strip"):
        counts = runs.count(home)
        here = machine.look(home)
        if health.engine(home).running:
            st.markdown(":green[:material/check_circle:] **Engine runs**")
        else:
            st.markdown(":orange[:material/warning:] **Engine is not running**")
            st.button("Start the engine", key="strip_start", on_click=start, args=(home,), width="stretch")
            messages.kept("engine")
        st.caption(f":material/monitoring: {counts.get('running', 0)} running, {counts.get('queued', 0)} queued")
        st.caption(f":material/developer_board: {inert.plain(here.device)}")
        st.caption(f":material/memory: {words.size(here.memory_free)} of {words.size(here.memory)} memory free")
        st.caption(f":material/hard_drive: {words.size(here.disk_free)} disk free")


@st.fragment(run_every=1)
def waiting(home: Home) -> None:
    """Say that the home is being made ready, and show the page by itself as soon as it is."""
    try:
        require_migrated(home)
    except NotMigrated as problem:
        st.info(inert.plain(problem, 2_000), icon=":material/hourglass_top:")
        st.button("Start the engine", key="start_engine", on_click=start, args=(home,), type="primary")
        messages.kept("engine")
    else:
        st.rerun()

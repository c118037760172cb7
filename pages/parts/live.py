"""A live run in a few lines: what it is, where it stands, how long it still takes."""

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import badges, inert, words
from storage.home import Home

if TYPE_CHECKING:
    from engine.jobs.health import RunView


def line(view: "RunView") -> str:
    """Where a run stands, in words of our own."""
    run = view.run
    if view.status == "queued":
        return "Waiting for its turn"
    if view.status == "lost":
        return "Its process is gone; the engine will say why in a moment"
    if view.status != "running":
        return inert.plain(run.reason, 400) if run.reason else ""
    phase = view.phase or "starting"
    parts = [inert.plain(phase[:1].upper() + phase[1:])]
    if view.steps:
        parts.append(f"step {words.count(view.step)} of {words.count(view.steps)}")
    if view.eta_seconds is not None:
        parts.append(f"about {words.duration(view.eta_seconds)} left")
    if view.stalled:
        parts.append(f"no sign of life for {words.duration(view.heartbeat_age or 0)}")
    return ", ".join(parts)


def card(home: Home, view: "RunView", *, link: bool = True) -> None:
    """Draw one run: name, badge, progress, and the way to its page."""
    run = view.run
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                st.markdown(f"**{inert.plain(run.name, 60)}**", width="content")
                badges.status(view.status, stalled=view.stalled, stop_requested=run.stop_requested).draw()
            if link:
                st.page_link("pages/runs/page.py", label="Watch", icon=":material/monitoring:", query_params={"run": str(run.id)})
        share = view.step / view.steps if view.steps else view.phase_done or 0.0
        st.progress(min(1.0, share), text=line(view) or " ")

"""Draws what checkpoints take on disk, and their clean-up with the sizes said first."""

from collections.abc import Callable

import polars as pl
import streamlit as st

from engine import machine, registry
from pages.parts import badges, confirm, inert, messages, words
from storage.home import Home
from storage.records import LIVE


def checkpoints(home: Home, clear: Callable[[list[int], int], None]) -> None:
    """Every run with checkpoints, largest first; choose some and free their space."""
    uses = registry.checkpoint_usage(home)
    here = machine.look(home)
    with st.grid(3, min_column_width=180):
        st.metric("Checkpoints", words.size(sum(use.bytes for use in uses)), border=True)
        st.metric("Kept", words.count(sum(len(use.checkpoints) for use in uses)), border=True)
        st.metric("Disk free", words.size(here.disk_free), border=True)
    if not uses:
        messages.empty("No checkpoints", "A training writes some on its way, so that it can be resumed.", ":material/save:")
        return
    frame = pl.DataFrame(
        {
            "Run": [use.run.id for use in uses],
            "Name": [use.run.name for use in uses],
            "Status": [badges.STATUS[use.run.status].word for use in uses],
            "Checkpoints": [len(use.checkpoints) for use in uses],
            "Newest step": [max(c.step for c in use.checkpoints) for use in uses],
            "Size": [words.size(use.bytes) for use in uses],
        }
    )
    state = st.dataframe(
        frame, hide_index=True, on_select="rerun", selection_mode="multi-row",
        key=f"checkpoints_{'_'.join(str(use.run.id) for use in uses)}",  # ticks are kept by place: other rows, other ticks
        alt="Checkpoints by run, largest first",
    )  # fmt: skip
    chosen = [uses[i] for i in state["selection"]["rows"] if i < len(uses)]
    ended = [use for use in chosen if use.run.status not in LIVE]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keep = st.number_input(
            "Keep the newest",
            min_value=0,
            max_value=10,
            value=1,
            key="keep",
            width=160,
            help="With none kept, a run can only start anew.",
        )
        freed = sum(
            c.bytes
            for use in ended
            for c in sorted(use.checkpoints, key=lambda c: c.step)[: max(0, len(use.checkpoints) - int(keep))]
        )
        if st.button(f"Free {words.size(freed)}", icon=":material/cleaning_services:", disabled=not freed, key="clear"):
            lines = [
                f"All but the newest {int(keep)} checkpoints of each are removed, {words.size(freed)}:",
                "\n".join(f"- run {use.run.id}, {inert.plain(use.run.name)}" for use in ended),
                "Trained models stay. A run without a checkpoint cannot be resumed, only run again.",
            ]
            confirm.confirm(
                "Remove these checkpoints?",
                lines,
                "Remove",
                lambda: clear([use.run.id for use in ended], int(keep)),
                said="The space is free.",
            )
    if not chosen:
        st.caption("Choose runs in the table to free their space.")
    elif len(ended) < len(chosen):
        st.caption("Live runs keep theirs.")

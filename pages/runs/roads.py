"""Chains as roads: the stages from left to right, each with what is so and the way to its run."""

import streamlit as st

from engine.errors import BadInput, TemperError
from engine.jobs import chains, supervisor
from engine.jobs.standing import Standing
from engine.methods import METHODS
from pages.parts import inert, messages, session
from pages.parts.badges import Badge
from storage import chains as stored
from storage.home import Home
from storage.records import Chain, Run

MAKES = {"judge": "Pairs from a judge", "sample": "Answers, sampled"}  # stages that make data and no model
SHOWN = 50  # newest chains that are looked at
OPEN = 5  # of those that are not done, drawn above the list of runs
WORDS = {
    "waiting": Badge("Waiting", ":material/schedule:", "gray"),
    "live": Badge("Under way", ":material/play_circle:", "blue"),
    "ended": Badge("Ended badly", ":material/error:", "red"),
    "stopped": Badge("Stopped", ":material/stop_circle:", "gray"),
    "below": Badge("Below its bar", ":material/flag:", "orange"),
    "done": Badge("Done", ":material/check_circle:", "green"),
}
STATES = {
    "live": Badge("Goes on", ":material/play_circle:", "blue"),
    "held": Badge("Held", ":material/front_hand:", "orange"),
    "stopped": Badge("Stopped", ":material/stop_circle:", "gray"),
    "done": Badge("Done", ":material/check_circle:", "green"),
}


def show(home: Home) -> None:
    """Draw the newest roads that are not done, and behind a fold all others."""
    every = stored.page(home, SHOWN)
    open_ones = [chain for chain in every if chain.status != "done"]
    for chain in open_ones[:OPEN]:
        road(home, chain)
    rest = [chain for chain in every if chain not in open_ones[:OPEN]]
    if rest:
        with st.expander(f"Other roads ({len(rest)})", icon=":material/route:", key="roads_done", on_change="rerun") as fold:
            for chain in rest if fold.open else ():
                road(home, chain)


def road(home: Home, chain: Chain) -> None:
    """Draw one road with what can be done about it."""
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                st.markdown(f":material/route: **{inert.plain(chain.name, 60)}**", width="content")
                STATES[chain.status].draw()
            actions(home, chain)
        messages.kept(f"chain_{chain.id}")
        if chain.reason:
            st.caption(inert.plain(chain.reason, 400))
        if chain.waived:
            st.caption(f":material/flag: Bars that need not be met: {inert.plain(', '.join(chain.waived), 200)}")
        with st.grid(4, min_column_width=170, gap="small"):
            for place, each in enumerate(chains.standings(home, chain), 1):
                stage(each, place)


def stage(each: Standing, place: int) -> None:
    """Draw one stage."""
    with st.container(border=True, gap="xsmall"):
        stopped = each.word == "ended" and (last := latest(each)) is not None and last.status == "stopped"
        st.markdown(f"{place}\\. **{inert.plain(each.stage.name, 40)}** {WORDS['stopped' if stopped else each.word].markdown}")
        method = METHODS[each.stage.method].short if each.stage.method else MAKES["judge" if each.stage.judge else "sample"]
        merged = ", adapter merged first" if each.stage.begin == "merge" else ""
        st.caption(f"{inert.plain(method)} on {inert.plain(each.stage.data, 40)}{merged}")
        if each.stage.bar is not None:
            reached = (
                f"{each.bar.summary['value']:.0%} of" if each.bar is not None and "value" in each.bar.summary else "At least"
            )
            st.caption(f":material/flag: {reached} {each.stage.bar.least:.0%} on {inert.plain(each.stage.bar.data, 40)}")
        for run in dict.fromkeys(run.id for run in (each.work, latest(each)) if run is not None):
            st.page_link("pages/runs/page.py", label=f"Run {run}", icon=":material/monitoring:", query_params={"run": str(run)})


def latest(each: Standing) -> Run | None:
    """The newest run of a stage."""
    return max(each.runs, key=lambda run: run.id, default=None)


def actions(home: Home, chain: Chain) -> None:
    """Draw what can be done with a road as it is now."""
    standing = chains.standings(home, chain)
    ended = any(each.word == "ended" for each in standing)
    with st.container(horizontal=True, width="content", gap="xsmall"):
        if chain.status in ("live", "held"):
            st.button(
                "Stop", icon=":material/stop_circle:", key=f"chain_stop_{chain.id}", on_click=act, args=(home, chain.id, "stop")
            )
        if chain.status != "live":
            again(home, chain, standing)
        if chain.status in ("held", "stopped") and any(each.word == "below" for each in standing):
            st.button(
                "Go on all the same", icon=":material/arrow_forward:", key=f"chain_waive_{chain.id}", on_click=act,
                args=(home, chain.id, "waive"),
            )  # fmt: skip
        elif chain.status in ("stopped", "held") or (chain.status == "live" and ended):
            st.button(
                "Resume",
                icon=":material/play_arrow:",
                key=f"chain_resume_{chain.id}",
                on_click=act,
                args=(home, chain.id, "resume"),
            )


def again(home: Home, chain: Chain, standing: list[Standing]) -> None:
    """Draw from which stage the road can be begun once more, and with which changes to it."""
    done = next((i for i, each in enumerate(standing) if each.work is None or each.work.status != "succeeded"), len(standing) - 1)
    with st.popover("Again from…", icon=":material/replay:"):
        st.selectbox("Stage", [each.stage.name for each in standing[: done + 1]], key=f"chain_stage_{chain.id}")
        st.text_area(
            "Changed settings", key=f"chain_changes_{chain.id}", placeholder="epochs=2", help="One KEY=VALUE a line; none runs it as it was"
        )  # fmt: skip
        if any(each.work is not None and each.word != "done" and each.stage.bar is not None for each in standing[:done]):
            st.checkbox("Though a bar before it was not met", key=f"chain_anyway_{chain.id}")
        st.caption("What the stages before it have made is taken as it is. A new road begins.")
        st.button("Begin", type="primary", key=f"chain_again_{chain.id}", on_click=begin_again, args=(home, chain.id))


def begin_again(home: Home, chain_id: int) -> None:
    """Begin the road once more from the stage that was chosen."""
    held = st.session_state
    try:
        changes: dict[str, str] = {}
        for line in filter(str.strip, str(held.get(f"chain_changes_{chain_id}") or "").splitlines()):
            key, sign, value = line.partition("=")
            if not sign:
                raise BadInput(f"A change is KEY=VALUE, not {line!r}.")
            changes[key.strip()] = value.strip()
        supervisor.ensure(home)
        stage = held[f"chain_stage_{chain_id}"]
        chain, token = chains.find(home, f"#{chain_id}"), session.token(f"chain_again_{chain_id}")
        chains.again(home, chain, stage, changes, token, waive=bool(held.get(f"chain_anyway_{chain_id}")))
    except TemperError as problem:
        messages.keep(problem, f"chain_{chain_id}")


def act(home: Home, chain_id: int, what: str) -> None:
    """Do it with the chain as it is now, not as it was drawn."""
    try:
        chain = chains.find(home, f"#{chain_id}")
        if what == "stop":
            chains.stop(home, chain)
        else:
            supervisor.ensure(home)
            chains.resume(home, chain, waive=what == "waive")
    except TemperError as problem:
        messages.keep(problem, f"chain_{chain_id}")

"""Draws Home: the road, what is at work, the machine."""

from collections.abc import Callable

import streamlit as st

from engine import machine as machines
from engine.jobs import health, submit
from engine.samples import road as roads
from pages.parts import badges, go, inert, live, messages, words
from storage import runs
from storage.home import Home

# station -> icon, title, what it is for, page, link
STATIONS = {
    "data": (":material/database:", "Bring data", "Upload a file or take a sample; freeze a version.", "datasets", "Datasets"),
    "train": (":material/model_training:", "Train", "Choose method, model and data; launch.", "train", "Train"),
    "watch": (":material/monitoring:", "Watch", "Live curves, samples and the log.", "runs", "Runs"),
    "chat": (":material/forum:", "Chat", "Ask base and tuned the same, side by side.", "chat", "Chat"),
    "measure": (":material/fact_check:", "Measure", "Score both on questions neither has seen.", "models", "Models"),
}
STATES = {
    "done": badges.Badge("Done", ":material/check_circle:", "green"),
    "live": badges.Badge("Under way", ":material/play_circle:", "blue"),
    "ready": badges.Badge("Ready", ":material/check_circle:", "green"),
    "next": badges.Badge("Next", ":material/arrow_forward:", "violet"),
    "later": badges.Badge("Later", ":material/radio_button_unchecked:", "gray"),
}
RECENT = 5


def title() -> None:
    """The page's name and what Temper is for."""
    st.title("Where things stand")


@st.fragment(run_every=3)
def road(home: Home, walk: Callable[[], None]) -> None:
    """What comes next, with a button, and the five stations with their states."""
    with messages.edge():
        found = roads.stations(home)
        _next(found, roads.offer(home), walk)
        messages.kept("road")
        with st.grid(5, min_column_width=180, gap="small"):
            for station in found:
                _station(station)


def _next(found: list[roads.Station], offer: roads.Offer | None, walk: Callable[[], None]) -> None:
    """One line with one button, whatever comes next, so that nothing below it moves when that changes."""
    said, label, page = _onward(found)
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="road_next"
    ):
        if offer is None:
            st.markdown(f":material/route: {said}", width="content")
            go.button(label, ":material/arrow_forward:", page, key="onward")
        else:
            st.markdown(f":material/route: **On the Pocket lab.** {inert.plain(offer.about)}", width="content")
            st.button(inert.plain(offer.verb), icon=":material/play_arrow:", type="primary", on_click=walk, key="walk")


def _onward(found: list[roads.Station]) -> tuple[str, str, str]:
    """What comes next where there is no step that a button could take: in words, the button's label, its page."""
    if any(station.state == "live" for station in found):
        return "A step of the road is under way.", "Watch it", "runs"
    ahead = next((station for station in found if station.state == "next"), None)
    if ahead is not None:
        _, name, purpose, page, link = STATIONS[ahead.name]
        return f"**Next: {name.lower()}.** {purpose}", f"Go to {link}", page
    return (
        "**The road has been walked once.** Bring data of your own, or train again with other settings.",
        "Bring data",
        "datasets",
    )


def _station(station: roads.Station) -> None:
    icon, name, purpose, page, link = STATIONS[station.name]
    with st.container(border=True, gap="xsmall", height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="xsmall"):
            st.markdown(f"{icon} **{name}**", width="content")
            STATES[station.state].draw()
        st.caption(purpose)
        st.space("stretch")
        st.markdown(f":small[{inert.plain(station.fact)}]")
        with st.container(horizontal_alignment="right"):
            st.page_link(f"pages/{page}/page.py", label=link, icon=":material/arrow_forward:", icon_position="right")


@st.fragment(run_every=2)
def work(home: Home) -> None:
    """What runs and waits now, and what ended last."""
    with messages.edge():
        at_work = submit.live(home)
        st.subheader("At work")
        for run in at_work[:RECENT]:
            live.card(home, health.view(home, run))
        if len(at_work) > RECENT:
            st.caption(f"and {words.plural(len(at_work) - RECENT, 'more run')} in the queue")
        if not at_work:
            messages.empty(
                "Nothing runs at the moment",
                "A training or a measurement shows here as soon as it is launched.",
                ":material/bedtime:",
            )
        ended = [run for run in runs.page(home, RECENT * 2) if run not in at_work][:RECENT]
        if ended:
            st.subheader("Ended last")
            with st.container(border=True, gap="small"):
                for run in ended:
                    _ended(home, health.view(home, run))


def _ended(home: Home, view: health.RunView) -> None:
    run = view.run
    with st.container(horizontal=True, vertical_alignment="center"):
        badges.status(view.status).draw()
        st.page_link("pages/runs/page.py", label=inert.plain(run.name, 60), query_params={"run": str(run.id)})
        said = words.ago(run.ended_at) if run.ended_at else ""
        st.caption(f"{said}{f', {inert.plain(run.reason, 160)}' if run.reason else ''}", width="content")


@st.fragment(run_every=5)
def machine(home: Home) -> None:
    """Engine, device, memory and disk at a glance."""
    with messages.edge():
        st.subheader("This machine")
        here, engine = machines.look(home), health.engine(home)
        with st.grid(4, min_column_width=150, gap="small"):
            st.metric(
                "Engine", "Running" if engine.running else "Not running", icon=":material/bolt:", border=True, height="stretch"
            )
            st.metric(
                "Device",
                "GPU" if here.gpu else "CPU",
                here.device,
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
            )
            st.metric(
                "Memory free",
                words.size(here.memory_free),
                f"of {words.size(here.memory)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
            st.metric(
                "Disk free",
                words.size(here.disk_free),
                f"of {words.size(here.disk)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
        st.caption(f":material/folder: Everything is kept in {inert.plain(home.root)}")

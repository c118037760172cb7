"""A whole road of the gallery: what it is, its stages, the data that each takes, and the button."""

from typing import Any

import streamlit as st

from engine import gallery
from engine.errors import BadInput, NotFound, TemperError
from engine.gallery import ROLES, Road
from engine.jobs import chains, supervisor
from engine.jobs.stages import read
from engine.methods import METHODS
from pages.parts import asking, command, go, inert, messages, pickers, session
from pages.train import choices
from storage import datasets
from storage.home import Home
from storage.records import Model

ROAD, MODEL, NAME = choices.ROAD, choices.ROAD_MODEL, "road_name"
ADDRESS, JUDGE, RULE, BEGUN = "road_address", "road_judge", "road_rule", "road_begun"
PRINCIPLES = "road_principles"
MAKES = {"feedback": "Pairs of its own answers", "revise": "Its answers, revised", "sample": "Its best answers"}


def follow() -> None:
    """Go to the runs, where the road that was begun just now is shown."""
    if st.session_state.pop(BEGUN, False):
        go.to("runs")


def draw(home: Home) -> None:
    """Draw the gallery with the form of the road that is chosen."""
    st.session_state.setdefault(RULE, gallery.RULE)
    left, right = st.columns([5, 4], gap="large")
    with left:
        name = st.selectbox(
            "Road", list(gallery.GALLERY), key=ROAD, persist_state="session", format_func=lambda name: gallery.GALLERY[name].title,
            help="Chains of methods as they were published, ready to be begun with any model and data",
        )  # fmt: skip
        road = gallery.GALLERY[name]
        about(road)
        model = pickers.model(home, "Model", key=MODEL, default="pocket", help="The weights that the road begins with")
        roles(home, road)
        if road.judged:
            judge()
    with right:
        st.subheader("Stages")
        stages(home, road)
        begin(home, road, model)


def about(road: Road) -> None:
    """Draw what a road is and where it differs from the paper."""
    st.markdown(road.idea)
    st.caption(f"**Simplified:** {road.simplified}")
    st.caption(f"**Source:** [{road.source.name}]({road.source.address})")
    if road.data:
        st.caption(f"**Public data to begin with:** {road.data}")


def key(role: str) -> str:
    """Where the choice of data for a role is kept."""
    return f"road_data_{role}"


def roles(home: Home, road: Road) -> None:
    """Ask for the data of each role; the Pocket lab's sample is chosen to begin with."""
    with st.grid(2, min_column_width=220, gap="small"):
        for name in road.roles:
            role = ROLES[name]
            pickers.dataset(
                home, role.title, key=key(name), shapes=role.shapes, latest=True, default=role.default, optional=role.optional,
                help="May be left empty" if role.optional else None,
            )  # fmt: skip


def judge() -> None:
    """Ask who compares answers: a judge at an address, or else a rule."""
    with st.expander("Who compares answers", icon=":material/gavel:", key="road_judging"):
        asking.judge("road")
        st.text_input(
            "Rule without a judge",
            key=RULE,
            persist_state="session",
            help="A reward: the answer that it gives more is the better one",
        )


def stages(home: Home, road: Road) -> None:
    """Draw the stages, one below the other, each with its method, its data and its bar."""
    for place, stage in enumerate(road.stages, 1):
        with st.container(border=True, gap="xsmall"):
            method = METHODS[stage["method"]].short if "method" in stage else next(MAKES[kind] for kind in MAKES if kind in stage)
            st.markdown(f"{place}\\. **{stage['name']}**  ·  {method}")
            begins = f"from {stage['model'].removeprefix('@')}" if "model" in stage else ""
            judge = stage.get("settings", {}).get("reward_model", "").removeprefix("@")
            rewarded = f"rewarded by {judge}" if judge else ""
            st.caption(", ".join(filter(None, [f"on {inert.plain(titled(home, stage['data']), 60)}", begins, rewarded])))
            bar = stage.get("bar")
            if bar and (held := chosen(home, "held_out")):
                st.caption(f":material/flag: Goes on from {bar['least']:.0%} on {inert.plain(held, 40)}")


def titled(home: Home, data: str) -> str:
    """What stands for the data of a stage."""
    return chosen(home, data[1:]) or "nothing yet" if data[:1] == "$" else data.removeprefix("@")


def chosen(home: Home, role: str) -> str:
    """The data set that was chosen for a role, or nothing."""
    found = datasets.get(home, st.session_state.get(key(role)) or 0)
    return found.title if found else ""


def given(home: Home, road: Road) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The data for each role, and the judge where one is named. BadInput when it is named by half."""
    held = st.session_state
    address, name = (str(held.get(place) or "").strip() for place in (ADDRESS, JUDGE))
    if road.judged and bool(address) != bool(name):
        raise BadInput("A judge needs its address and its name there. Give both or neither.")
    lines = str(st.session_state.get(PRINCIPLES) or "").splitlines()
    judge = {"address": address, "judge": name, "principles": lines} if road.judged and address else None
    return {role: chosen(home, role) for role in road.roles}, judge


def begin(home: Home, road: Road, model: Model | None) -> None:
    """Draw the name, the button and the command line that does the same."""
    st.text_input("Name", key=NAME, persist_state="session", placeholder=road.name, max_chars=60)
    messages.kept("road")
    st.button(
        "Begin the road", type="primary", icon=":material/route:", key="road_begin", width="stretch", disabled=model is None,
        on_click=act, args=(home,),
    )  # fmt: skip
    st.caption(
        ":material/info: Each stage is a run of its own. The road is held where a bar is not met, and can be gone on with."
    )
    if model is not None:
        st.caption("The same from the command line")
        inert.code(line(home, road, model), "bash")


def line(home: Home, road: Road, model: Model) -> str:
    """The command line that begins the road."""
    held = st.session_state
    data = {role: chosen(home, role) for role in road.roles}
    changed = {role: name for role, name in data.items() if name.split("@")[0] != ROLES[role].default}
    address, name = (str(held.get(place) or "").strip() for place in (ADDRESS, JUDGE))
    more: dict[str, str | list[str]] = {}
    if road.judged and (address or name):
        lines = [line.strip() for line in str(held.get(PRINCIPLES) or "").splitlines()]
        more = {"--address": address, "--judge": name, "--principle": lines}
    elif road.judged and held.get(RULE) != gallery.RULE:
        more = {"--rule": str(held.get(RULE) or "")}
    return command.chain(home, road.name, model.name, str(held.get(NAME) or road.name), changed, more)


def act(home: Home) -> None:
    """Begin what the form says now, once however often it is clicked."""
    held = st.session_state
    road: Road = gallery.GALLERY[held[ROAD]]
    try:
        if not held.get(MODEL):
            raise NotFound("There is no model to begin with. Bring one in under Models.")
        data, judge = given(home, road)
        made = read(gallery.stages(road, data, judge, str(held.get(RULE) or gallery.RULE)))
        supervisor.ensure(home)
        chains.begin(home, str(held.get(NAME) or "").strip() or road.name, f"#{held[MODEL]}", made, token=session.token("road"))
    except TemperError as problem:
        messages.keep(problem, "road")
        return
    held[BEGUN] = True

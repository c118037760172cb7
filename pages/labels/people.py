"""Who labels: the signed-in name, or the one that was typed, which the address keeps."""

import streamlit as st

from engine.errors import TemperError
from engine.preferences import desk
from pages.parts import go, inert, messages, signing
from storage import preferences
from storage.home import Home
from storage.records import Project

ADDRESS = "labeller"


def labeller(home: Home, project: Project) -> str | None:
    """The name of who looks at the page; asks for it where there is none yet."""
    signed = signing.person()
    if signed is not None:
        return signed
    named = st.query_params.get(ADDRESS) or st.session_state.get("labels_labeller")
    if named:
        try:
            name = desk.check_labeller(named)
        except TemperError as problem:  # an address can say anything
            leave()
            messages.keep(problem, "labeller")
            st.rerun()
        st.session_state["labels_labeller"] = name
        if st.query_params.get(ADDRESS) != name:
            st.query_params[ADDRESS] = name
        return name
    ask(home, project)
    return None


def ask(home: Home, project: Project) -> None:
    """Ask for a name, with those at hand who have labelled here before."""
    with st.container(border=True):
        st.markdown(":material/person: **Who labels?**")
        st.caption("Votes are kept under a name, so that agreement can be told. The same name finds its own pairs again.")
        with st.form("labels_name", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Your name", key="labels_typed", max_chars=80, width=320)
            st.form_submit_button("Begin", type="primary", on_click=take, args=("labels_typed",))
        messages.kept("labeller")
        before = [each.labeller for each in preferences.progress(home, project.id) if each.kind == "person"]
        if before:
            with st.container(horizontal=True):
                for name in before[:8]:
                    go.button(
                        inert.plain(name, 40), ":material/person:", "labels", key=f"labels_as_{name}", project=project.id,
                        view="label", labeller=name,
                    )  # fmt: skip


def take(key: str) -> None:
    """Take the name that was typed."""
    try:
        st.session_state["labels_labeller"] = desk.check_labeller(str(st.session_state.get(key) or ""))
    except TemperError as problem:
        messages.keep(problem, "labeller")


def change() -> None:
    """Draw the way to another name, where names are typed. The whole page is drawn anew, also from a part of it."""
    if signing.person() is None and st.button("Not you?", key="labels_leave", type="tertiary", help="Label under another name"):
        leave()
        st.rerun(scope="app")


def leave() -> None:
    """Let somebody else sit down."""
    st.session_state.pop("labels_labeller", None)
    st.query_params.pop(ADDRESS, None)


def known() -> str | None:
    """The name that is known already, without asking for one."""
    return signing.person() or st.query_params.get(ADDRESS) or st.session_state.get("labels_labeller")

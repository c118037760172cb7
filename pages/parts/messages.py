"""What is told to the person: errors at the page's edge, empty places with the way on, word that something was done."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from engine.errors import TemperError
from pages.parts import inert
from storage.db import NewerHome, NotMigrated


@contextmanager
def edge() -> Iterator[None]:
    """Show an error of ours as its words, here and now; every other fault goes on to Streamlit's own display.

    What ``done`` noted is said at the end.
    """
    try:
        yield
    except (TemperError, NewerHome, NotMigrated) as problem:
        show(problem)
    said()


def show(problem: Exception) -> None:
    """The words of an error, which say what is so and what to do."""
    st.error(inert.plain(problem, 2_000), icon=":material/error:")


def keep(problem: Exception, place: str) -> None:
    """Hold an error from a callback until ``place`` is drawn; a callback cannot draw where it belongs."""
    st.session_state.setdefault("problems", {})[place] = problem


def kept(place: str) -> None:
    """Show what ``keep`` held for ``place``, once."""
    problem = st.session_state.get("problems", {}).pop(place, None)
    if problem is not None:
        show(problem)


def done(words: str, icon: str = ":material/check:") -> None:
    """Say briefly that something was done. ``words`` is Markdown: pass names through ``inert.plain``.

    It is said when the part that is being drawn ends, or after the rerun that follows: a callback, or what stands before a
    rerun, cannot say anything itself.
    """
    st.session_state.setdefault("said", []).append((words, icon))


def said() -> None:
    """Say what was done since the last time."""
    for words, icon in st.session_state.pop("said", []):
        st.toast(words, icon=icon)


def empty(title: str, body: str, icon: str) -> None:
    """A calm place-holder where nothing is yet: what will be here, and how it gets here."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        st.markdown(f"### {icon}", text_alignment="center")
        st.markdown(f"**{title}**", text_alignment="center")
        st.caption(body, text_alignment="center")
        st.space("small")

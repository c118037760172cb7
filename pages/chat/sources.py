"""What stands below an answer of a deployment: the passages that it was given, and whether it keeps to what was asked of it."""

import streamlit as st

from engine.generation.answers import Answer, Source
from pages.parts import inert


def kept_to(given: Answer) -> None:
    """Draw what the guards did: further tries, a refusal, and what was wrong."""
    parts = [":orange[:material/block: refused]"] if given.refused else []
    if given.tries > 1:
        parts.append(f":material/replay: {given.tries} tries")
    if parts:
        st.caption("  ·  ".join(parts))
    for problem in given.problems:
        st.caption(f":material/rule: {inert.plain(problem, 400)}")


def draw(given: Answer, *, key: str) -> None:
    """Draw the sources, folded: those that the answer rests on first and marked by a word."""
    if not given.sources:
        return
    used = sum(source.cited for source in given.sources)
    title = f"Sources: {used} of {len(given.sources)} used"
    with st.expander(title, icon=":material/menu_book:", key=key):
        for source in sorted(given.sources, key=lambda one: not one.cited):
            one(source, f"[{source.number}]" in given.text)


def one(source: Source, named: bool) -> None:
    """Draw a passage: its number, where it stands, whether the answer names it or rests on it, and its text as it is."""
    with st.container(gap="xxsmall"):
        heading = f"  ·  {inert.plain(source.heading, 120)}" if source.heading else ""
        word = ":material/format_quote: cited" if named else ":material/check: the answer rests on it"
        badge = f"  :green-badge[{word}]" if source.cited else ""
        st.markdown(f"**{source.number}**  {inert.plain(source.document, 120)}{heading}{badge}")
        inert.text(source.text)

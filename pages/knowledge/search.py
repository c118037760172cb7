"""Trying a search: a question, and the passages that are found, with the places they have by words and by meaning."""

from collections.abc import Sequence

import streamlit as st

from engine.generation import ask
from engine.retrieval.search import WAYS, Hit
from pages.parts import inert, messages
from storage.home import Home
from storage.records import Index

WORDS = {"both": "Words and meaning", "words": "Words", "meaning": "Meaning"}
KEPT = "knowledge_found"


def draw(home: Home, index: Index) -> None:
    """Ask for a question and draw what is found."""
    st.subheader("Try a search")
    with st.form("knowledge_search", border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Question", key="knowledge_query", placeholder="When does the library open?")
        st.number_input("Passages", 1, 50, value=4, key="knowledge_k", width=120)
        st.selectbox("By", WAYS, key="knowledge_by", format_func=WORDS.__getitem__, width=200)
        pressed = st.form_submit_button("Search", icon=":material/search:", type="primary")
    held = st.session_state
    query = str(held["knowledge_query"]).strip()
    if pressed and query:
        held[KEPT] = (index.title, query, int(held["knowledge_k"]), held["knowledge_by"])
    asked = held.get(KEPT)
    if asked is None or asked[0] != index.title:
        return
    with messages.edge():
        with st.spinner("Searching. The first time takes some seconds…"):
            hits = found(str(home.root), index.sha256, *asked)
        results(asked[1], hits)


@st.cache_data(max_entries=64, show_spinner=False)
def found(root: str, mark: str, title: str, query: str, k: int, by: str) -> list[Hit]:
    """What the host finds. A version never changes; ``mark`` tells an index from another that had its name."""
    return ask.search(Home.resolve(root), title, query, k, by)


def results(query: str, hits: Sequence[Hit]) -> None:
    """Draw the passages, the best first, each with why it is there."""
    if not hits:
        st.caption(f"Nothing is found for {inert.plain(query)}.")
    for number, hit in enumerate(hits, 1):
        with st.container(border=True, gap="xsmall"):
            heading = f"  ·  {inert.plain(hit.passage.heading, 120)}" if hit.passage.heading else ""
            st.markdown(f"**{number}.** {inert.plain(hit.passage.document, 120)}{heading}")
            st.caption(why(hit))
            inert.text(hit.passage.text)


def why(hit: Hit) -> str:
    """The score of a passage and its places in the two lists."""
    places = [
        f"{icon} place {rank} by {by}" if rank else f"{icon} not found by {by}"
        for by, icon, rank in (
            ("words", ":material/match_word:", hit.words_rank),
            ("meaning", ":material/psychology:", hit.meaning_rank),
        )
    ]
    return "  ·  ".join([f"score {hit.score:.4f}", *places])

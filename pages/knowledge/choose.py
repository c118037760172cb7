"""Choosing an index, or making one."""

from typing import Any

import streamlit as st

from engine.errors import TemperError
from engine.retrieval import indexes
from engine.retrieval.indexes import Settings
from pages.parts import inert, messages, words
from storage.home import Home
from storage.records import Index

ADDRESS, CHOSEN, MADE = "index", "knowledge_index", "knowledge_made"
ALONG = ("goal", "advice")  # of the address, which the rubric fills
EMPTY = (
    "An index keeps documents cut into passages and finds those that fit a question. A model that reads them before it answers "
    "knows what is in your documents, without training."
)


def follow() -> None:
    """Go to the index that was made just now, if one was."""
    made = st.session_state.pop(MADE, None)
    if made is not None:
        st.query_params[ADDRESS] = made


def onward(index: Index) -> dict[str, str]:
    """What a bake-off is filled with from here."""
    return {
        "goal": "retrieval",
        ADDRESS: index.name,
        **({"advice": st.query_params["advice"]} if "advice" in st.query_params else {}),
    }


def draw(home: Home) -> Index | None:
    """Draw the title with the indexes to choose from; the one that is looked at, None where there is none yet."""
    found = {index.name: index for index in indexes.all(home)}
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Knowledge", width="content")
        if found:
            with st.popover("New index", icon=":material/add:", key="knowledge_new_open"):
                ask(home, "knowledge_new")
    if not found:
        messages.empty("No index yet", EMPTY, ":material/menu_book:")
        ask(home, "knowledge_first")
        return None
    asked = st.query_params.get(ADDRESS, "")
    if asked and asked not in found:
        st.warning(f"There is no index {inert.plain(asked)} any more.", icon=":material/help:")
    held = asked if asked in found else st.session_state.get(CHOSEN)
    st.session_state[CHOSEN] = held if held in found else next(iter(found))
    if len(found) > 1:
        st.selectbox(
            "Index", list(found), key=CHOSEN, label_visibility="collapsed", on_change=turn,
            format_func=lambda name: f"{name}  ·  {words.plural(found[name].documents, 'document')}",
        )  # fmt: skip
    st.query_params[ADDRESS] = st.session_state[CHOSEN]
    return found[st.session_state[CHOSEN]]


def turn() -> None:
    """As a callback: look at the index that was chosen."""
    st.query_params[ADDRESS] = st.session_state[CHOSEN]


def ask(home: Home, key: str) -> None:
    """Ask for a new index's name and how it is to be cut and embedded."""
    usual = Settings()
    with st.form(key, border=False):
        st.text_input("Name", key=f"{key}_name", max_chars=80, placeholder="handbook")
        with st.expander("Passages and models", icon=":material/tune:"):
            st.number_input(
                "Longest passage, in tokens", 16, 8192, value=usual.passage_tokens, step=16, key=f"{key}_passage_tokens",
                help="Counted by the embedder's tokenizer. Short passages are found more exactly, long ones say more",
            )  # fmt: skip
            st.number_input(
                "Overlap, in tokens", 0, 4095, value=usual.overlap, step=4, key=f"{key}_overlap",
                help="What a passage repeats of the one before it, less than half of it",
            )  # fmt: skip
            st.text_input(
                "Embedder", usual.embedder, key=f"{key}_embedder",
                help="What makes vectors: built-in, a folder, or a hub id of a sentence-transformers model",
            )  # fmt: skip
            st.text_input(
                "Reranker", key=f"{key}_reranker", placeholder="None",
                help="A cross-encoder that orders what was found anew: a folder or a hub id",
            )  # fmt: skip
            st.caption("None of this can be changed later.")
        st.form_submit_button("Make the index", type="primary", icon=":material/add:", on_click=create, args=(home, key))
    messages.kept(key)


def create(home: Home, key: str) -> None:
    """As a callback: make the index that the form names."""
    held = st.session_state
    given: dict[str, Any] = {name: held[f"{key}_{name}"] for name in ("passage_tokens", "overlap", "embedder", "reranker")}
    given |= {name: given[name].strip() for name in ("embedder", "reranker")}
    try:
        made = indexes.create(home, str(held.get(f"{key}_name") or ""), settings=given)
    except TemperError as problem:
        messages.keep(problem, key)
        return
    held[MADE] = made.name
    messages.done(f"{inert.plain(made.name)} is made. Bring documents in.", ":material/menu_book:")

"""The form for what is to answer: a model, and the prompt version, documents and guards around it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.deployments.setup import MOST_PASSAGES
from engine.retrieval.search import WAYS
from pages.parts import validators
from storage import indexes, models, prompts
from storage.home import Home

VALUES: dict[str, Any] = {"model": None, "prompt": "", "index": "", "passages": 3, "by": "both"}
BY = {"both": "Words and meaning", "words": "Words", "meaning": "Meaning"}


def key(prefix: str, what: str) -> str:
    """Where a field keeps its value."""
    return f"{prefix}_{what}"


def fill(home: Home, prefix: str, setup: Mapping[str, Any]) -> None:
    """Put a setup into the form, what is missing as its default."""
    values = {what: setup.get(what, nothing) for what, nothing in VALUES.items()}
    found = models.find(home, values["model"]) if values["model"] else None
    values["model"] = found.name if found is not None else values["model"]
    for what, value in values.items():
        st.session_state[key(prefix, what)] = value
    validators.fill(prefix, setup.get("guards"))


def draw(home: Home, prefix: str) -> None:
    """Draw the form."""
    held = st.session_state
    for what, value in VALUES.items():
        held.setdefault(key(prefix, what), value)
    _select("Model", prefix, "model", [model.name for model in models.all(home, "language")], "Choose a model")
    _select("Prompt", prefix, "prompt", ["", *(one.title for one in prompts.all(home))], "None")
    indexed = [index.name for index in indexes.all(home) if index.version]
    if _select("Documents", prefix, "index", ["", *indexed], "None"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input(
                "Passages", 1, MOST_PASSAGES, step=1, key=key(prefix, "passages"), persist_state="session", width=110,
                help="How many stand before a question",
            )  # fmt: skip
            st.selectbox(
                "Found by", WAYS, key=key(prefix, "by"), persist_state="session", format_func=BY.__getitem__, width="stretch"
            )
    checks = held.get(validators.key(prefix, "checks")) or []
    with st.expander(f"Guards ({len(checks)})" if checks else "Guards", icon=":material/shield:", key=f"{prefix}_guards_open"):
        validators.draw(prefix)


def _select(label: str, prefix: str, what: str, offered: list[str], nothing: str) -> str:
    """A choice among names; what is held already stays offered, such as an earlier version."""
    now = st.session_state[key(prefix, what)]
    there = offered if now in offered or now is None else [*offered, now]
    chosen = st.selectbox(
        label, there, key=key(prefix, what), persist_state="session", placeholder=nothing, disabled=not there,
        format_func=lambda name: name or nothing,
    )  # fmt: skip
    return chosen or ""


def asked(prefix: str) -> dict[str, Any]:
    """The setup that the form says, as Setup.checked takes it. BadInput where a guard cannot be read."""
    value = {what: st.session_state.get(key(prefix, what), nothing) for what, nothing in VALUES.items()}
    guards = validators.asked(prefix)
    around = {what: value[what] for what in ("passages", "by")} if value["index"] else {}
    return {
        "model": value["model"] or "",
        **{what: value[what] for what in ("prompt", "index") if value[what]},
        **around,
        **({"guards": guards} if guards else {}),
    }


def called(setup: Mapping[str, Any]) -> str:
    """What a setup is called where nobody names it."""
    parts = [str(setup.get("model") or ""), str(setup.get("prompt") or ""), str(setup.get("index") or "").partition("@")[0]]
    return " + ".join([part for part in parts if part] + (["guards"] if setup.get("guards") else []))

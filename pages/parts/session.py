"""What a page needs before it can show anything: the home it looks at, and what this tab has done."""

import time
import uuid
from pathlib import Path

import streamlit as st

from storage.home import Home

ROOT = Path(__file__).parents[2]
DOUBLE_CLICK = 2.0  # seconds in which a second click means the first one again


def home() -> Home:
    """The data home that this app shows."""
    return Home.resolve()


def token(action: str) -> str:
    """A token for one act of ``action``; the same again within two seconds, so that a double click acts once.

    Ask for it inside the callback that acts, not while drawing: only then the time between two clicks is known.
    """
    held: dict[str, tuple[str, float]] = st.session_state.setdefault("tokens", {})
    name, used = held.get(action, ("", 0.0))
    now = time.monotonic()
    if not name or now - used > DOUBLE_CLICK:
        name = uuid.uuid4().hex
    held[action] = (name, now)
    return name

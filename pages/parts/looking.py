"""Which row of a table a page looks at: kept in the address, so that a link, a reload and Back lead to it, and in this tab."""

from collections.abc import Sequence

import streamlit as st


def place(name: str, there: Sequence[str]) -> tuple[int, str]:
    """The place of the row that the address names, else of the one looked at last, else the first; and what the table's key is to
    end with. A link or Back makes it another table, since one keeps the row that was clicked in it."""
    asked, held, turns = st.query_params.get(name), st.session_state.get(name), f"{name}_turns"
    if asked is not None and asked != held:
        held = asked
        st.session_state[turns] = st.session_state.get(turns, 0) + 1  # a name would not do: one may come back to the same row
    row = there.index(held) if held in there else 0
    return row, str(st.session_state.get(turns, 0))


def at(name: str, id: str) -> None:
    """Keep which one is looked at."""
    st.session_state[name] = st.query_params[name] = id


def forget(name: str) -> None:
    """Look at none: the page shows the first."""
    st.session_state.pop(name, None)
    st.query_params.pop(name, None)

"""Buttons that lead to another page or to another place of the same one."""

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import streamlit as st

PAGES = "pages/{}/page.py"
FILLED = "filled_from"  # the address that a form was last filled from
Kind = Literal["primary", "secondary", "tertiary"]


def button(
    label: str,
    icon: str,
    page: str,
    *,
    key: str,
    type: Kind = "secondary",
    help: str | None = None,
    disabled: bool = False,
    query: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Draw a button that opens ``page`` (the name of its folder) with ``query`` and ``more`` in the address.

    Unlike a link to the page that is already open, it does not look pressed.
    """
    if st.button(label, icon=icon, key=key, type=type, help=help, disabled=disabled):
        to(page, **(query or {}), **more)


def to(page: str, **query: Any) -> NoReturn:
    """Open ``page`` now. An address that fills a form fills it again, also when it did so before."""
    st.session_state.pop(FILLED, None)
    st.switch_page(PAGES.format(page), query_params={name: str(value) for name, value in query.items()})

"""Buttons that lead to another page or to another place of the same one."""

from typing import Any, Literal

import streamlit as st

PAGES = "pages/{}/page.py"
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
    **query: Any,
) -> None:
    """Draw a button that opens ``page`` (the name of its folder) with ``query`` in the address.

    Unlike a link to the page that is already open, it does not look pressed.
    """
    st.button(label, icon=icon, key=key, type=type, help=help, disabled=disabled, on_click=to, args=(page,), kwargs=query)


def to(page: str, **query: Any) -> None:
    """Open ``page``; for callbacks."""
    st.switch_page(PAGES.format(page), query_params={name: str(value) for name, value in query.items()})

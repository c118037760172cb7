"""Asking once more before something cannot be taken back."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages.parts import messages


def confirm(title: str, lines: Sequence[str], verb: str, act: Callable[[], None], *, said: str | None = None) -> None:
    """Open a dialog that says what follows (``lines``, Markdown of our own) and calls ``act`` when ``verb`` is pressed.

    ``said`` is told afterwards. An error of ours stays in the dialog, with its words.
    """

    @st.dialog(title, icon=":material/help:")
    def body() -> None:
        for line in lines:
            st.markdown(line)
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Cancel", key="confirm_cancel"):
                st.rerun()
            pressed = st.button(verb, type="primary", key="confirm_act")
        if pressed:
            done = False
            with messages.edge():
                act()
                done = True
            if done:
                if said:
                    messages.done(said)
                st.rerun()

    body()

"""Signing in, where it is configured (the section ``auth`` of Streamlit's secrets): who looks at the page."""

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from engine import names


def configured() -> bool:
    """Whether people sign in here."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def person() -> str | None:
    """Who is signed in, by e-mail or name, as near to it as names here may be; None where nobody signs in."""
    if not configured() or not st.user.is_logged_in:
        return None
    return names.made_from(str(st.user.get("email") or st.user.get("name") or st.user.get("sub")))


def gate() -> None:
    """Show nothing but the way in to whoever has not signed in, where people sign in here."""
    if configured() and not st.user.is_logged_in:
        st.title("Temper")
        st.markdown("Sign in to go on.")
        st.button("Sign in", type="primary", icon=":material/login:", key="sign_in", on_click=st.login)
        st.stop()

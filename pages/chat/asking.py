"""What the page does: begin, ask, stop, ask again. The host is asked in the background, so that the page never waits for it."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import streamlit as st

from engine.errors import TemperError
from engine.generation import conversations
from engine.generation.answers import Sampling
from engine.generation.conversations import Conversation
from pages.parts import messages, session
from storage.home import Home

ADDRESS, HELD = "talk", "chat_talk"  # where the address, and where this tab, name the conversation that is shown


@st.cache_resource
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="chat")


@st.cache_resource(max_entries=256, show_spinner=False)
def _sending(root: str, name: str, turn: str) -> "Future[Conversation]":
    return _threads().submit(conversations.send, Home.resolve(root), name)


def named() -> str | None:
    """The conversation that the address names, or that this tab showed before another page was opened."""
    return st.query_params.get(ADDRESS) or st.session_state.get(HELD)


def shown(home: Home) -> Conversation | None:
    """The conversation to show, as it was last written down; ``look`` follows what is still being answered."""
    name = named()
    if not name:
        return None
    talk = conversations.read(home, name)
    show(talk.id)
    return talk


def look(home: Home, name: str) -> Conversation:
    """A conversation as it stands now. Asking is safe to begin twice, so whoever sees an unasked turn begins it."""
    talk = conversations.look(home, name)
    if talk.turns and not talk.turns[-1].asked:
        key = str(home.root), talk.id, talk.turns[-1].id
        sending = _sending(*key)
        if sending.done():
            if sending.exception() is not None:
                _sending.clear(*key)  # so that the next look tries again
            sending.result()  # what went wrong there is told here
            return conversations.look(home, name)
    return talk


def show(name: str) -> None:
    """Name the conversation in the address and in this tab."""
    st.session_state[HELD] = name
    if st.query_params.get(ADDRESS) != name:
        st.query_params[ADDRESS] = name


def forget() -> None:
    """Show no conversation; the next prompt begins a new one."""
    st.session_state[HELD] = None
    st.query_params.pop(ADDRESS, None)


def begins_anew(talk: Conversation, models: Sequence[str], system: str, blind: bool) -> str:
    """Why the next prompt does not belong to the conversation shown and begins another one; nothing where it does."""
    if talk.models != tuple(models):
        return "Other models are chosen than in the conversation above"
    if talk.system != system.strip():
        return "The system prompt is another than in the conversation above"
    if blind != talk.blind:
        return "The names are hidden from now on" if blind else "The names are shown from now on"
    return "Which answer is whose has been revealed" if talk.blind and talk.revealed else ""


def ask(
    home: Home,
    talk: Conversation | None,
    models: Sequence[str],
    system: str,
    sampling: Sampling,
    prompt: str,
    blind: bool = False,
) -> None:
    """Ask all models; goes on with the conversation shown, or begins one where it has to."""
    after = f"{talk.id} {len(talk.turns)}" if talk is not None else ""
    token = session.token(f"ask {after} {hash(prompt)}")
    try:
        goes_on = talk is not None and not begins_anew(talk, models, system, blind)
        current = talk if talk is not None and goes_on else conversations.begin(models, system, token, blind)
        begun = conversations.add(home, current, prompt, sampling, token)
    except TemperError as problem:
        messages.keep(problem, "chat")
        return
    show(begun.id)


def ask_again(home: Home, name: str, models: Sequence[str], system: str, sampling: Sampling, blind: bool = False) -> None:
    """Ask the last prompt once more, with what is chosen now, in a conversation of its own."""
    try:
        begun = conversations.again(home, name, models, sampling, system, session.token(f"again {name}"), blind)
    except TemperError as problem:
        messages.keep(problem, "chat")
        return
    show(begun.id)


def stop(home: Home, name: str) -> None:
    """Ask the answers to end."""
    try:
        conversations.stop(home, name)
    except TemperError as problem:
        messages.keep(problem, "chat")


def delete(home: Home, name: str) -> None:
    """Take the conversation away."""
    conversations.delete(home, name)
    forget()

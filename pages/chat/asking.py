"""What the page does: begin, ask, stop, ask again. The host is asked in the background, so that the page never waits for it."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import streamlit as st

from engine.errors import TemperError
from engine.generation import conversations
from engine.generation.answers import Sampling
from engine.generation.turns import Conversation, Side, Turn
from pages.parts import messages, session
from storage.home import Home

ADDRESS, HELD = "talk", "chat_talk"  # where the address, and where this tab, name the conversation that is shown
LEAF = "at"  # where both name a turn of the branch that is shown, if it is not the newest


@st.cache_resource
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="chat")


@st.cache_resource(max_entries=256, show_spinner=False)
def _sending(root: str, name: str, turn: str) -> "Future[Conversation]":
    return _threads().submit(conversations.send, Home.resolve(root), name, turn)


def named() -> str | None:
    """The conversation that the address names, or that this tab showed before another page was opened."""
    return st.query_params.get(ADDRESS) or st.session_state.get(HELD)


def shown(home: Home) -> Conversation | None:
    """The conversation to show, as it was last written down; ``look`` follows what is still being answered."""
    name = named()
    if not name:
        return None
    talk = conversations.read(home, name, st.query_params.get(LEAF, ""))
    show(talk)
    return talk


def look(home: Home, name: str, leaf: str) -> Conversation:
    """A conversation as it stands now. Asking is safe to begin twice, so whoever sees an unasked turn begins it."""
    talk = conversations.look(home, name, leaf)
    if talk.turns and not talk.turns[-1].asked:
        key = str(home.root), talk.id, talk.turns[-1].id
        sending = _sending(*key)
        if sending.done():
            if sending.exception() is not None:
                _sending.clear(*key)  # so that the next look tries again
            sending.result()  # what went wrong there is told here
            return conversations.look(home, name, leaf)
    return talk


def show(talk: Conversation) -> None:
    """Name the conversation, and the branch that is seen where it is not the newest, in the address and in this tab."""
    st.session_state[HELD] = talk.id
    if st.query_params.get(ADDRESS) != talk.id:
        st.query_params[ADDRESS] = talk.id
    newest = talk.seen_from("").leaf == talk.leaf
    if newest:
        st.query_params.pop(LEAF, None)
    elif st.query_params.get(LEAF) != talk.leaf:
        st.query_params[LEAF] = talk.leaf


def turn_to(talk: Conversation, turn: Turn) -> None:
    """Show the branch through another turn."""
    show(talk.seen_from(turn.id))


def link(talk: Conversation) -> str:
    """The address under which this app shows a conversation, with the branch that is seen."""
    at = f"&{LEAF}={talk.leaf}" if talk.leaf else ""
    return f"{str(st.context.url or '').partition('?')[0]}?{ADDRESS}={talk.id}{at}"


def forget() -> None:
    """Show no conversation; the next prompt begins a new one."""
    st.session_state[HELD] = None
    st.query_params.pop(ADDRESS, None)
    st.query_params.pop(LEAF, None)


def begins_anew(talk: Conversation, sides: tuple[Side, ...], blind: bool) -> str:
    """Why the next prompt does not belong to the conversation shown and begins another one; nothing where it does."""
    if talk.models != tuple(side.model for side in sides):
        return "Other models are chosen than in the conversation above"
    if tuple(side.system for side in talk.sides) != tuple(side.system for side in sides):
        return "The system prompt is another than in the conversation above"
    if talk.sides != sides:
        return "The settings of a side are others than in the conversation above"
    if blind != talk.blind:
        return "The names are hidden from now on" if blind else "The names are shown from now on"
    return "Which answer is whose has been revealed" if talk.blind and talk.revealed else ""


def ask(
    home: Home,
    talk: Conversation | None,
    sides: tuple[Side, ...],
    sampling: Sampling,
    prompt: str | Sequence[str],
    blind: bool = False,
) -> bool:
    """Ask all sides; goes on with the conversation shown, or begins one where it has to. Whether they were asked."""
    after = f"{talk.id} {talk.leaf}" if talk is not None else ""
    token = session.token(f"ask {after} {hash(str(prompt))}")
    try:
        goes_on = talk is not None and not begins_anew(talk, sides, blind)
        current = talk if talk is not None and goes_on else conversations.begin(sides, token, blind)
        begun = conversations.add(home, current, prompt, sampling, token)
    except TemperError as problem:
        messages.keep(problem, "chat")
        return False
    show(begun)
    return True


def ask_again(home: Home, talk: Conversation, sides: tuple[Side, ...], sampling: Sampling, blind: bool = False) -> None:
    """Ask the last prompt once more, with what is chosen now; what was answered stays beside it."""
    try:
        begun = conversations.again(home, talk, sides, sampling, session.token(f"again {talk.id} {talk.leaf}"), blind)
    except TemperError as problem:
        messages.keep(problem, "chat")
        return
    show(begun)


def ask_instead(home: Home, talk: Conversation, turn: Turn, field: str, sampling: Sampling) -> None:
    """Ask what the ``field`` holds in the place of a turn, as a branch beside it."""
    text = str(st.session_state.get(field) or "")
    token = session.token(f"instead {turn.id} {hash(text)}")
    try:
        begun = conversations.add(home, talk.before(turn), text, sampling, token, aside=True)
    except TemperError as problem:
        messages.keep(problem, "chat")
        return
    show(begun)


def stop(home: Home, name: str, turn: str, place: int | None = None) -> None:
    """Ask the answers of a turn to end, or the one at ``place``."""
    try:
        conversations.stop(home, name, turn, place)
    except TemperError as problem:
        messages.keep(problem, "chat")


def reveal(home: Home, name: str) -> None:
    """Show from now on which model gave which answer."""
    try:
        conversations.reveal(home, name)
    except TemperError as problem:
        messages.keep(problem, "chat")


def delete(home: Home, name: str) -> None:
    """Take the conversation away."""
    conversations.delete(home, name)
    forget()

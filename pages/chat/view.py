"""Draws the turns of a conversation: the prompt once, and below it the answers side by side, each with the weights that spoke."""

import streamlit as st

from engine.generation.answers import Answer
from engine.generation.conversations import Conversation, Turn
from pages.chat import asking, controls, judging
from pages.parts import inert, messages, words
from storage.home import Home

EVERY = 0.3  # seconds between two looks while answers grow
MARKS = {
    "queued": ":material/schedule: waiting",
    "running": ":shimmer[:material/more_horiz: answering]",
    "done": ":material/check: done",
    "stopped": ":material/stop_circle: stopped",
    "failed": ":material/error: failed",
}


def turns(home: Home, talk: Conversation) -> None:
    """Draw the turns that have ended, and what can be said of their answers."""
    for place, turn in enumerate(talk.turns):
        if turn.ended:
            draw(talk, turn)
            judging.draw(home, talk, place)


def live(home: Home, talk: Conversation) -> None:
    """Draw the turn that is being answered, looking again every moment until it has ended."""
    st.fragment(look, run_every=EVERY)(home, talk.id)


def look(home: Home, name: str) -> None:
    """Draw the last turn as it stands; when it has ended, draw the whole page anew, without looking any more."""
    with messages.edge():
        talk = asking.look(home, name)
        if talk.ended:
            st.rerun()
        draw(talk, talk.turns[-1])
        if talk.turns[-1].answer_set:
            st.button(
                "Stop", icon=":material/stop_circle:", key="chat_stop", on_click=asking.stop, args=(home, name), shortcut="Esc"
            )


def draw(talk: Conversation, turn: Turn) -> None:
    """Draw one turn: the prompt with its decoding, then an answer for each model."""
    inert.turn("user", turn.prompt, note=controls.said(turn.sampling))
    if turn.problem is not None:
        st.error(inert.plain(turn.problem, 2000), icon=":material/error:")
        return
    if not turn.answers:
        st.markdown(":shimmer[:material/hourglass_top: Starting the model host. The first time takes some seconds…]")
        return
    for column, i in zip(st.columns(len(talk.models)), talk.shown, strict=True):
        with column.container(border=True, height="stretch", gap="xsmall"):
            answer(judging.called(talk, i), turn.answers[i], talk.hidden)


def answer(name: str, given: Answer, hidden: bool = False) -> None:
    """Draw one answer, with the model, the adapter and the fingerprint of the weights that gave it, and how fast; where that is
    ``hidden``, with nothing that tells which model it was."""
    st.markdown(f"**{name}**")
    if not hidden:
        st.caption(weights(given))
    if given.text:
        inert.text(given.text)
    elif given.status in ("done", "stopped"):
        st.caption("(nothing)")
    if given.error:
        st.error(inert.plain(given.error, 1000), icon=":material/error:")
    st.caption(MARKS[given.status] if hidden else pace(given))


def weights(given: Answer) -> str:
    """Which weights spoke."""
    parts = []
    if given.adapter and given.base:
        parts.append(f":material/extension: adapter on {inert.plain(given.base, 60)}")
    elif given.base or given.fingerprint:
        parts.append(":material/deployed_code: whole model")
    if given.fingerprint:
        parts.append(f"`{inert.plain(given.fingerprint[:12])}`")
    if given.dtype:
        parts.append(inert.plain(given.dtype))
    return "  ".join(parts) or "not loaded yet"


def pace(given: Answer) -> str:
    """Where the answer stands, and how fast it came."""
    parts = [MARKS[given.status]]
    if given.status == "queued" and given.waiting_for:
        parts[0] += f" for {inert.plain(given.waiting_for, 80)}"
    if given.tokens:
        parts.append(words.plural(given.tokens, "token"))
    later = given.seconds - (given.first_token_seconds or 0)
    if given.tokens > 1 and later > 0:
        parts.append(f"{(given.tokens - 1) / later:,.0f} tokens/s")
    if given.first_token_seconds is not None:
        parts.append(f"first after {given.first_token_seconds:.2f} s")
    if given.finish == "length":
        parts.append(":orange[:material/content_cut: cut at the longest length]")
    return "  ·  ".join(parts)

"""Draws the turns of a conversation: the prompt once, and below it the answers side by side, each with the weights that spoke."""

import streamlit as st

from engine.generation.answers import OWN, Answer, Sampling
from engine.generation.turns import Conversation, Turn
from pages.chat import asking, controls, heating, judging, sides, sources
from pages.parts import difference, inert, messages, words
from storage.home import Home

EVERY = 0.3  # seconds between two looks while answers grow
MARKS = {
    "queued": ":material/schedule: waiting",
    "running": ":shimmer[:material/more_horiz: answering]",
    "done": ":material/check: done",
    "stopped": ":material/stop_circle: stopped",
    "failed": ":material/error: failed",
}


def turns(home: Home, talk: Conversation, sampling: Sampling) -> None:
    """Draw the turns that have ended, and what can be done with them and said of their answers."""
    for turn in talk.turns:
        if turn.ended:
            draw(home, talk, turn)
            tools(home, talk, turn, sampling)
            judging.draw(home, talk, turn)
    heating.draw(home, talk)


def live(home: Home, talk: Conversation) -> None:
    """Draw the turn that is being answered, looking again every moment until it has ended."""
    st.fragment(look, run_every=EVERY)(home, talk.id, talk.leaf)


def look(home: Home, name: str, leaf: str) -> None:
    """Draw the last turn as it stands; when it has ended, draw the whole page anew, without looking any more."""
    with messages.edge():
        talk = asking.look(home, name, leaf)
        if talk.ended:
            st.rerun()
        turn = talk.turns[-1]
        draw(home, talk, turn)
        if turn.answer_set:
            st.button(
                "Stop all" if len(talk.sides) > 1 else "Stop",
                icon=":material/stop_circle:",
                key="chat_stop",
                on_click=asking.stop,
                args=(home, name, turn.id),
                shortcut="Esc",
            )


def draw(home: Home, talk: Conversation, turn: Turn) -> None:
    """Draw one turn: the prompt with its decoding, then an answer for each side."""
    if turn.shared:
        inert.turn("user", turn.prompt, note=decoded(turn))
    else:
        st.caption(f":material/person: **A prompt for each**  {inert.plain(decoded(turn))}")
    if turn.problem is not None:
        st.error(inert.plain(turn.problem, 2000), icon=":material/error:")
        return
    if not turn.answers:
        st.markdown(":shimmer[:material/hourglass_top: Starting the model host. The first time takes some seconds…]")
        return
    told = sides.differences(turn.samplings)
    compared = st.session_state.get(f"chat_compare_{turn.id}") and turn.ended
    for column, i in zip(st.columns(len(talk.sides)), talk.shown, strict=True):
        with column.container(border=True, height="stretch", gap="xsmall"):
            if not turn.shared:
                inert.turn("user", turn.prompts[i])
            answer(judging.called(talk, i), turn.answers[i], told[i], talk.hidden, beside(talk, turn, i) if compared else None)
            under(home, talk, turn, i)


def decoded(turn: Turn) -> str:
    """How most sides decode, in words."""
    return controls.said(max(turn.samplings, key=turn.samplings.count))


def beside(talk: Conversation, turn: Turn, i: int) -> tuple[str, str]:
    """The text that an answer is compared with, the leftmost one's or, for that, the next one's, and a key to draw it by."""
    left, right = talk.shown[0], talk.shown[1]
    return turn.answers[right if i == left else left].text, f"chat_compared_{turn.id}_{talk.shown.index(i)}"


def answer(name: str, given: Answer, other: str, hidden: bool = False, compared: tuple[str, str] | None = None) -> None:
    """Draw one answer, with the model, the adapter and the fingerprint of the weights that gave it, what was ``other`` in its decoding,
    and how fast it came; where that is ``hidden``, with nothing that tells which model it was."""
    st.markdown(f"**{name}**")
    if not hidden:
        st.caption(weights(given))
        if other:
            st.caption(f":orange[:material/priority_high: {other}]")
    if given.text and compared is not None:
        difference.draw(difference.marked(given.text, compared[0])[0], key=compared[1])
    elif given.text:
        inert.text(given.text)
    elif given.status in ("done", "stopped"):
        st.caption("(nothing)")
    if given.error:
        told = "This side gave no answer. Why it did not is told when the names are shown." if hidden else given.error
        st.error(inert.plain(told, 1000), icon=":material/error:")
    if not hidden:
        sources.kept_to(given)
    st.caption(MARKS[given.status] if hidden else pace(given))


def under(home: Home, talk: Conversation, turn: Turn, i: int) -> None:
    """Draw what can be done with one answer."""
    given, key = turn.answers[i], f"{turn.id}_{talk.shown.index(i)}"  # not by its side, which who looks into the page could read
    if given.ended and not talk.hidden:  # who has sources would tell the deployment
        sources.draw(given, key=f"chat_sources_{key}")
    if not given.ended and len(talk.sides) > 1:
        st.button(
            "Stop this one", icon=":material/stop_circle:", key=f"chat_stop_{key}", type="tertiary", on_click=asking.stop,
            args=(home, talk.id, turn.id, i),
        )  # fmt: skip
        return
    if turn.ended and not talk.hidden and heating.possible(given):
        st.button(
            "Tokens", icon=":material/local_fire_department:", key=f"chat_heat_{key}", type="tertiary", on_click=heating.show,
            args=(turn, i), help="Which tokens of this answer training has made likelier",
        )  # fmt: skip


def tools(home: Home, talk: Conversation, turn: Turn, sampling: Sampling) -> None:
    """Draw the ways to other branches, and to what differs between the answers."""
    there = talk.beside(turn)
    at = there.index(turn)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if len(there) > 1:
            for step, icon, said in (
                (-1, ":material/chevron_left:", "The one before"),
                (1, ":material/chevron_right:", "The next one"),
            ):
                if step > 0:
                    st.caption(f"{at + 1} of {len(there)}", width="content")
                st.button(
                    said, icon=icon, key=f"chat_turn_{step}_{turn.id}", type="tertiary", disabled=not 0 <= at + step < len(there),
                    on_click=asking.turn_to, args=(talk, there[max(0, min(len(there) - 1, at + step))]),
                )  # fmt: skip
        if turn.shared:
            with st.popover("Change the prompt", icon=":material/edit:", type="tertiary", key=f"chat_edit_{turn.id}"):
                field = f"chat_instead_{turn.id}"
                st.text_area("Prompt", value=turn.prompt, key=field, height=120)
                st.button(
                    "Ask this instead", type="primary", key=f"{field}_ask", on_click=asking.ask_instead,
                    args=(home, talk, turn, field, sampling), help="What was asked before stays, as a branch beside this one",
                )  # fmt: skip
        if len(talk.sides) > 1 and turn.answers:
            st.toggle(
                "Mark what differs", key=f"chat_compare_{turn.id}",
                help="Each from the leftmost answer, and that one from its neighbour",
            )  # fmt: skip


def weights(given: Answer) -> str:
    """Which weights spoke."""
    if given.outside:
        return (
            f":material/public: {inert.plain(given.base, 60)} at {inert.plain(given.outside, 80)}, which proves nothing of itself"
        )
    parts = [f":material/rocket_launch: {inert.plain(given.deployment, 60)}"] if given.deployment else []
    if given.adapter and given.base:
        parts.append(f":material/extension: adapter on {inert.plain(given.base, 60)}")
    elif given.base or given.fingerprint:
        parts.append(":material/deployed_code: whole model")
    if given.fingerprint:
        parts.append(f"`{inert.plain(given.fingerprint[:12])}`")
    if given.dtype:
        parts.append(inert.plain(given.dtype))
    if given.template != OWN:
        parts.append(f"{inert.plain(given.template)} template")
    if given.differs is not None:
        same = given.differs < 1e-6
        parts.append(":orange[speaks exactly as its base]" if same else f"{given.differs:.2f} nats from its base")
    return "  ·  ".join(parts) or "not loaded yet"


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
    if given.cached_tokens is None and given.prompt_tokens:
        parts.append(
            f"all {words.count(given.prompt_tokens)} prompt tokens read anew, as in every turn: this model's cache cannot be cut"
        )
    if given.cached_tokens:
        parts.append(
            f"{words.count(given.prompt_tokens - given.cached_tokens)} of {words.count(given.prompt_tokens)} prompt tokens read"
        )
    if given.finish == "length":
        parts.append(":orange[:material/content_cut: cut at the longest length]")
    if given.unheeded:
        parts.append(f":orange[{inert.plain(', '.join(given.unheeded))} not taken there]")
    return "  ·  ".join(parts)

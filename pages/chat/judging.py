"""Saying in the chat which answer is better, or how one should read: each becomes a pair with a vote under Labels."""

import itertools
from collections.abc import Mapping

import streamlit as st

from engine.errors import TemperError
from engine.generation import conversations
from engine.generation.answers import Answer
from engine.generation.turns import Conversation, Turn
from engine.preferences import arena, desk, projects
from engine.preferences.pairs import NewPair
from pages.parts import go, inert, messages, session, signing
from storage.home import Home
from storage.records import Vote

PROJECT = "chat"  # the project that votes given in a chat go to
SOMEBODY = "me"


def name() -> str:
    """Under which name a vote is kept."""
    return signing.person() or st.session_state.get("labels_labeller") or SOMEBODY


def called(talk: Conversation, i: int) -> str:
    """What the answer of the model at place ``i`` is called: by its place on the page where it is blind (a number, since the models
    above are called by letters, in another order), and by the model where that is known."""
    side = f"Answer {talk.shown.index(i) + 1}"
    model = named(talk, i)
    return side if talk.hidden else f"{side}: {model}" if talk.blind else model


def named(talk: Conversation, i: int) -> str:
    """The model of a side, with what tells it from another side of the same model."""
    model = inert.plain(talk.models[i], 60)
    return f"{model} ({chr(ord('A') + i)})" if talk.models.count(talk.models[i]) > 1 else model


def comparable(talk: Conversation, turn: Turn) -> list[dict[str, str]] | None:
    """What all models were asked at a turn, where they were asked the same: with earlier answers of their own they were not. System
    prompts that differ are part of what is compared, and not of what was asked."""
    before = talk.before(turn)
    same = len({side.system for side in talk.sides}) == 1
    asked = [before.messages(i, turn.prompts[i], system=same) for i in range(len(talk.models))]
    return asked[0] if all(each == asked[0] for each in asked) else None


def draw(home: Home, talk: Conversation, turn: Turn) -> None:
    """Draw what can be said of the answers of a turn."""
    if not turn.ended or not turn.answers or any(answer.status == "failed" or not answer.text.strip() for answer in turn.answers):
        return
    if comparable(talk, turn) is None:
        return
    key = f"chat_judge_{turn.id}"
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        if len(talk.models) > 1:
            st.caption("Which is better?", width="content")
            for at, i in enumerate(talk.shown):  # the key says where it stands, since who looks into the page may read it
                st.button(
                    called(talk, i), icon=":material/thumb_up:", key=f"{key}_{at}", type="tertiary", on_click=vote,
                    args=(home, talk, turn, i), help="Kept as a pair with your vote, under Labels",
                )  # fmt: skip
            for choice, said in (("tie", "Tie"), ("bad", "Both bad" if len(talk.models) == 2 else "All bad")):
                st.button(said, key=f"{key}_{choice}", type="tertiary", on_click=vote, args=(home, talk, turn, choice))
        if talk.hidden:
            st.caption("Names are shown when you have chosen", width="content")
            return
        with st.popover("Correct an answer", icon=":material/edit:", type="tertiary", key=f"{key}_correct"):
            correct(home, talk, turn)
        if st.session_state.get(key):
            go.button(f"Kept: {inert.plain(st.session_state[key], 160)}", ":material/check:", "labels", key=f"{key}_to", type="tertiary",
                      project=PROJECT, view="pairs")  # fmt: skip
    messages.kept(key)


def correct(home: Home, talk: Conversation, turn: Turn) -> None:
    """Ask for a better text of an answer; it is kept as better than the original."""
    key, answers = f"chat_judge_{turn.id}", turn.answers
    which = 0
    if len(talk.models) > 1:
        which = st.segmented_control(
            "Which answer", range(len(talk.models)), default=0, key=f"{key}_which", required=True, format_func=lambda i: named(talk, i)
        )  # fmt: skip
    st.text_area("How it should read", value=answers[which].text, key=f"{key}_text_{which}", height=200)
    st.button("Keep the correction", type="primary", key=f"{key}_keep", on_click=keep, args=(home, talk, turn, which))


def origin(talk: Conversation, turn: Turn, i: int) -> dict[str, object]:
    """Who wrote an answer, with which weights and how."""
    answer, s, side = turn.answers[i], turn.samplings[i], talk.sides[i]
    drawn = {"seed": s.seed, "temperature": s.temperature, "top_p": s.top_p, "max_tokens": s.max_tokens}
    told = {"system": side.system, "template": side.template}
    return {"name": side.model, "fingerprint": answer.fingerprint, **told, "sampling": drawn, "talk": talk.id}


def vote(home: Home, talk: Conversation, turn: Turn, said: int | str) -> None:
    """Keep which answer is the better one, or that none is; of more than two, against each of the others."""
    key = f"chat_judge_{turn.id}"
    try:
        with conversations.revealing(home, talk.id) as now:  # another tab may have shown the names since this one was drawn
            compared, how = _compared(talk, turn, said), _how(now)
            kept: list[Vote] = []
            if compared:
                project, act = projects.find_or_create(home, PROJECT), f"{talk.id} {turn.id}"
                kept = desk.compare(home, project, compared, name(), source="chat", act=act, **how)
    except TemperError as problem:
        messages.keep(problem, key)
        return
    if not kept:
        messages.done("The answers are the same, so there is nothing to compare.", ":material/info:")
        return
    told = f"{talk.models[said]} is better" if isinstance(said, int) else {"tie": "a tie", "bad": "none is good"}[said]
    st.session_state[key] = f"{told}{_unranked(kept[0].extra)}"


def _compared(talk: Conversation, turn: Turn, said: int | str) -> list[desk.Compared]:
    """The pairs that a choice decides; none of answers that are the same."""
    asked, at, sides = comparable(talk, turn), talk.shown.index, range(len(talk.models))
    if asked is None:
        return []
    if isinstance(said, int):
        choice, among = "first", [(said, other) for other in sides if other != said]
    else:
        choice, among = said, list(itertools.combinations(sides, 2))
    found = []
    for one, other in among:
        first, second = turn.answers[one].text, turn.answers[other].text
        if first.strip() != second.strip():
            pair = NewPair(asked, first, second, {"first": origin(talk, turn, one), "second": origin(talk, turn, other)})
            token = session.token(f"chat_judge_{turn.id} {one} {other} {said}")
            found.append(desk.Compared(pair, choice, token, flipped=int(at(one) > at(other))))
    return found


def _how(talk: Conversation) -> dict[str, object]:
    """What decides whether a vote is ranked: whether it was blind, and no answer of the conversation, whose sides stand alike in all
    its branches, said who gave it."""
    named = arena.named([answer.text for turn in talk.every for answer in turn.answers], talk.models)
    return {"blind": talk.hidden, **({"named": named} if named else {})}


def _unranked(extra: Mapping[str, object]) -> str:
    """Why a vote does not count in the ranking, where it does not."""
    if extra.get("named"):
        return f"; not ranked, since an answer says {extra['named']}"
    return "" if extra.get("blind") else "; not ranked, since the names were shown"


def keep(home: Home, talk: Conversation, turn: Turn, which: int) -> None:
    """Keep a correction as better than the answer it corrects."""
    key = f"chat_judge_{turn.id}"
    original: Answer = turn.answers[which]
    text = str(st.session_state.get(f"{key}_text_{which}") or "").strip()
    asked = comparable(talk, turn)
    if asked is None or not text or text == original.text.strip():
        messages.done("The text is as it was, so nothing was kept.", ":material/info:")
        return
    written = {"first": {"name": name(), "corrects": talk.models[which]}, "second": origin(talk, turn, which)}
    try:
        project = projects.find_or_create(home, PROJECT)
        token = session.token(f"{key} corrected {hash(text)}")
        corrected = desk.Compared(NewPair(asked, text, original.text, written), "first", token)
        desk.compare(home, project, [corrected], name(), source="correction")
    except TemperError as problem:
        messages.keep(problem, key)
        return
    st.session_state[key] = f"the corrected answer of {talk.models[which]}"

"""The controls of the chat: which models, how they decode, the prompt, earlier conversations, prompts to begin with."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from engine.data import curate
from engine.errors import NotFound
from engine.generation import conversations
from engine.generation.answers import MAX_TOKENS, Sampling
from engine.generation.conversations import MOST_MODELS, Conversation
from pages.chat import asking
from pages.parts import confirm, go, inert, messages, words
from storage import datasets, runs
from storage import models as registry
from storage.home import Home
from storage.records import Dataset

MODELS, SYSTEM, SEED, TEMPERATURE, TOP_P, LENGTH, BLIND = (
    "chat_models", "chat_system", "chat_seed", "chat_temperature", "chat_top_p", "chat_length", "chat_blind",
)  # fmt: skip
DEFAULTS: dict[str, Any] = {BLIND: False, SYSTEM: "", SEED: 0, TEMPERATURE: 0.0, TOP_P: 1.0, LENGTH: MAX_TOKENS}
ADDRESS, HELD = "models", "chat_address"  # where the address names the models, by id, and what it named last
ASKING = ("messages", "prompt_completion", "prompt")  # shapes with prompts in them
OFFERED, LOOKED_AT, SHORT = 4, 200, 90  # prompts to begin with, the rows they are taken from, and their longest in characters


def fill(home: Home) -> None:
    """Fill the controls: once from the conversation, then from a new ``?models=ID,ID``, else with base and newest tuned model."""
    held = st.session_state
    for key, value in DEFAULTS.items():
        held.setdefault(key, value)
    every = registry.all(home)
    there = {model.name for model in every}
    name = asking.named()
    if held.get(MODELS) is None and name is not None:
        with suppress(NotFound):  # the page itself says so
            take_over(conversations.read(home, name))
    asked = st.query_params.get(ADDRESS)
    if asked is not None and asked != held.get(HELD):
        ids = {str(model.id): model.name for model in every}
        parts = [part.strip().removeprefix("#") for part in asked.split(",") if part.strip()]
        names = list(dict.fromkeys(ids.get(part, part) for part in parts))  # an older address holds names
        missing = [name for name in names if name not in there]
        if missing:
            st.warning(f"Not in the registry: {inert.plain(', '.join(missing))}.", icon=":material/help:")
        held[MODELS] = [name for name in names if name in there][:MOST_MODELS]
        held[HELD] = asked
        if asking.ADDRESS not in st.query_params:
            asking.forget()
    held[MODELS] = [name for name in held.get(MODELS) or [] if name in there] or standard(home)


def standard(home: Home) -> list[str]:
    """The newest tuned model beside its base; the newest base alone where nothing is tuned yet."""
    every = registry.all(home)
    tuned = next((model for model in every if model.run_id is not None), None)
    if tuned is None:
        return [model.name for model in every[:1]]
    base = registry.get(home, tuned.base_id) if tuned.base_id else next((m for m in every if m.run_id is None), None)
    return [model.name for model in (base, tuned) if model is not None]


def header(home: Home, talk: Conversation | None) -> None:
    """Draw the title, and the ways to other conversations."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Chat", width="content")
        with st.container(horizontal=True, width="content"):
            if talk is not None:
                st.button("New", icon=":material/add_comment:", key="chat_new", on_click=asking.forget, help="New conversation")
            earlier(home, talk)


def earlier(home: Home, talk: Conversation | None) -> None:
    """Draw the conversations to go back to."""
    with st.popover("Earlier", icon=":material/history:", on_change="rerun", key="chat_earlier") as box:
        if not box.open:
            return
        found = conversations.recent(home)
        if not found:
            st.caption("Conversations are kept here.")
        for one in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                begun = shortened(one.turns[0].prompt) if one.turns else "Empty"
                who = inert.plain(" and ".join(one.models), 60)
                st.button(
                    f"{begun} · :small[{who}, {words.ago(one.created_at)}]", key=f"talk_{one.id}", type="tertiary",
                    width="stretch", disabled=talk is not None and talk.id == one.id, on_click=reopen, args=(one,),
                )  # fmt: skip


def shortened(text: str, longest: int = 48) -> str:
    """The beginning of a text, for a label."""
    line = " ".join(text.split())
    return inert.plain(line if len(line) <= longest else line[:longest].rstrip() + "…")


def reopen(talk: Conversation) -> None:
    """Show an earlier conversation, with its models and its decoding in the controls."""
    take_over(talk)
    asking.show(talk.id)


def take_over(talk: Conversation) -> None:
    """Put a conversation's models and decoding into the controls."""
    held = st.session_state
    held[MODELS], held[SYSTEM], held[BLIND] = list(talk.models), talk.system, talk.blind
    if talk.turns:
        last = talk.turns[-1].sampling
        held[SEED], held[TEMPERATURE], held[TOP_P], held[LENGTH] = last.seed, last.temperature, last.top_p, last.max_tokens


def choose(home: Home) -> list[str]:
    """Ask which models answer; their names, in order. The address names them too."""
    ids = {model.name: model.id for model in registry.all(home)}
    if not ids:
        messages.empty("No model yet", "Bring one in under Models, or train one. Then ask it here.", ":material/deployed_code:")
        go.button("To the models", ":material/deployed_code:", "models", key="chat_to_models")
        st.stop()
    chosen = st.multiselect(
        "Models", list(ids), key=MODELS, max_selections=MOST_MODELS, persist_state="session", placeholder="Choose up to four models",
        help="Every prompt goes to all of them at once. Models that share a base share its memory.",
    )  # fmt: skip
    told = ",".join(str(ids[name]) for name in chosen)
    st.session_state[HELD] = told
    if told and st.query_params.get(ADDRESS) != told:
        st.query_params[ADDRESS] = told
    return chosen


def decoding() -> Sampling:
    """Ask how tokens are chosen, the same for all models."""
    held = st.session_state
    greedy = held[TEMPERATURE] == 0
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Decoding", icon=":material/tune:"):
            st.slider(
                "Temperature", 0.0, 2.0, step=0.05, key=TEMPERATURE, persist_state="session",
                help="0 always takes the likeliest token, so the answer is the same every time. Higher values vary more.",
            )  # fmt: skip
            st.slider(
                "Top p", 0.05, 1.0, step=0.05, key=TOP_P, persist_state="session", disabled=greedy,
                help="Only the likeliest tokens that together reach this share can be drawn.",
            )  # fmt: skip
            st.number_input(
                "Seed", min_value=0, step=1, key=SEED, persist_state="session",
                help="The same seed draws the same tokens, for every model.",
            )  # fmt: skip
            st.number_input("Longest answer, in tokens", 1, 100_000, step=32, key=LENGTH, persist_state="session")
            st.text_area(
                "System prompt", key=SYSTEM, persist_state="session", height=80, placeholder="None",
                help="Told to every model before the conversation",
            )  # fmt: skip
        chosen = Sampling(int(held[SEED] or 0), float(held[TEMPERATURE]), float(held[TOP_P]), int(held[LENGTH] or MAX_TOKENS))
        told = f"The same for all: {said(chosen)}"
        st.caption(told + (", with a system prompt" if held[SYSTEM].strip() else ""), width="content")
        if len(held.get(MODELS) or []) > 1:
            st.toggle(
                "Blind", key=BLIND, persist_state="session",
                help="Names are hidden and sides shuffled until you have said which answer is better. Only such votes are ranked.",
            )  # fmt: skip
    return chosen


def blind() -> bool:
    """Whether names are to be hidden: there have to be two."""
    held = st.session_state
    return bool(held.get(BLIND)) and len(held.get(MODELS) or []) > 1


def said(sampling: Sampling) -> str:
    """A decoding in words."""
    how = "the likeliest token" if sampling.temperature == 0 else f"temperature {sampling.temperature:g}"
    top = f", top p {sampling.top_p:g}" if sampling.temperature and sampling.top_p < 1 else ""
    return f"{how}{top}, seed {sampling.seed}, at most {words.plural(sampling.max_tokens, 'token')}"


def prompt(home: Home, talk: Conversation | None, chosen: Sequence[str], sampling: Sampling) -> None:
    """Draw the field for the prompt at the foot of the page."""
    answering = talk is not None and not talk.ended
    anew = talk is not None and asking.begins_anew(talk, chosen, st.session_state[SYSTEM], blind())
    if anew and chosen and not answering:
        st.caption(f":material/info: {anew}: the next prompt begins a new one.")
    text = "Ask all of them the same" if len(chosen) > 1 else "Ask" if chosen else "Choose a model first"
    st.chat_input(
        "Answering…" if answering else text, key="chat_prompt", disabled=answering or not chosen, max_chars=conversations.LONGEST,
        on_submit=submit, args=(home, talk, tuple(chosen), sampling),
    )  # fmt: skip


def submit(home: Home, talk: Conversation | None, chosen: Sequence[str], sampling: Sampling) -> None:
    """Ask what was typed."""
    typed = st.session_state["chat_prompt"]
    if typed:
        asking.ask(home, talk, chosen, st.session_state[SYSTEM], sampling, typed, blind())


def suggestions(home: Home, chosen: Sequence[str], sampling: Sampling) -> None:
    """Draw the empty page: what happens here, and prompts from the newest data to begin with."""
    messages.empty(
        "Ask the base and the tuned model the same",
        "Answers stream side by side, with the same seed and decoding. Each names the weights that spoke.", ":material/forum:",
    )  # fmt: skip
    if not any(model.run_id for model in registry.all(home)):
        go.button("Tune a model to compare with its base", ":material/model_training:", "train", key="chat_train")
    if not chosen:
        return
    with messages.edge():
        source, offered = familiar(home, chosen)
        if source is None:
            return
        st.caption(f"To begin with, from {inert.plain(source.title)}:")
        with st.container(horizontal=True):
            for i, text in enumerate(offered):
                st.button(
                    inert.plain(text), key=f"chat_try_{i}", wrap=True,
                    on_click=asking.ask, args=(home, None, tuple(chosen), st.session_state[SYSTEM], sampling, text, blind()),
                )  # fmt: skip


def familiar(home: Home, chosen: Sequence[str]) -> tuple[Dataset | None, list[str]]:
    """The data that a chosen model was tuned on, else the newest, that has short prompts; and some of these."""
    tuned = [registry.find(home, name) for name in chosen]
    tuned_on = [runs.get(home, model.run_id) for model in tuned if model is not None and model.run_id]
    first = [datasets.get(home, run.request.get("dataset_id", 0)) for run in tuned_on if run is not None]
    for found in [*first, *datasets.all(home)]:
        offered = prompts(str(home.root), found.id) if found is not None and found.shape in ASKING else []
        if offered:
            return found, offered
    return None, []


@st.cache_data(max_entries=16, show_spinner=False)
def prompts(root: str, dataset_id: int) -> list[str]:
    """A few short prompts of a data set, of different kinds as far as their first words tell."""
    home = Home.resolve(root)
    found = datasets.get(home, dataset_id)
    told = [first_asked(row) for row in curate.rows(home, found, 0, LOOKED_AT)] if found else []
    kinds = {" ".join(text.split()[:2]).lower(): text for text in told if 0 < len(text) <= SHORT}
    return list(kinds.values())[:OFFERED]


def first_asked(row: dict[str, Any]) -> str:
    """What the user says first in a row."""
    turns = row.get("messages") or row.get("prompt") or ""
    if isinstance(turns, str):
        return turns
    return next((str(turn["content"]) for turn in turns if turn.get("role") == "user"), "")


def after(home: Home, talk: Conversation, chosen: Sequence[str], sampling: Sampling) -> None:
    """Draw what can be done once the answers are there."""
    with st.container(horizontal=True):
        st.button(
            "Ask the last prompt again", icon=":material/replay:", key="chat_again", type="tertiary", disabled=not chosen,
            help="With the models, seed and decoding that are chosen now",
            on_click=asking.ask_again, args=(home, talk.id, tuple(chosen), st.session_state[SYSTEM], sampling, blind()),
        )  # fmt: skip
        if st.button("Delete", icon=":material/delete:", key="chat_delete", type="tertiary", help="Take this conversation away"):
            confirm.confirm(
                "Delete this conversation?", ["Its prompts and answers are gone for good. The models stay."], "Delete",
                lambda: asking.delete(home, talk.id),
            )  # fmt: skip

"""The controls of the chat: how all sides decode, the prompt, earlier conversations, prompts to begin with."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from engine.data import curate
from engine.errors import NotFound
from engine.generation import conversations
from engine.generation.answers import MAX_TOKENS, MOST_SIDES, Sampling
from engine.generation.turns import Conversation, Side
from pages.chat import asking, away, sides
from pages.parts import confirm, go, inert, messages, words
from storage import datasets, runs
from storage import models as registry
from storage.home import Home
from storage.records import Dataset

SYSTEM, SEED, TEMPERATURE, TOP_P, LENGTH, BLIND, EACH = (
    "chat_system", "chat_seed", "chat_temperature", "chat_top_p", "chat_length", "chat_blind", "chat_each",
)  # fmt: skip
DEFAULTS: dict[str, Any] = {
    BLIND: False, EACH: False, SYSTEM: "", SEED: 0, TEMPERATURE: 0.0, TOP_P: 1.0, LENGTH: MAX_TOKENS,
}  # fmt: skip
ADDRESS, HELD = "models", "chat_address"  # where the address names the models, by id, and what it named last
ASKING = ("messages", "prompt_completion", "prompt")  # shapes with prompts in them
OFFERED, LOOKED_AT, SHORT = 4, 200, 90  # prompts to begin with, the rows they are taken from, and their longest in characters


def fill(home: Home) -> None:
    """Fill the controls: once from the conversation, then from a new ``?models=ID,ID``, else with base and newest tuned model."""
    held = st.session_state
    for key, value in DEFAULTS.items():
        held.setdefault(key, value)
    there = sides.offered(home)
    name = asking.named()
    if held.get(sides.SLOTS) is None and name is not None:
        with suppress(NotFound):  # the page itself says so
            take_over(conversations.read(home, name))
    asked = st.query_params.get(ADDRESS)
    if asked is not None and asked != held.get(HELD):
        ids = {str(model.id): model.name for model in registry.all(home)}
        parts = [part.strip().removeprefix("#") for part in asked.split(",") if part.strip()]
        names = [ids.get(part, part) for part in parts]  # an older address holds names
        missing = [name for name in dict.fromkeys(names) if name not in there]
        if missing:
            st.warning(f"Not in the registry: {inert.plain(', '.join(missing))}.", icon=":material/help:")
        if [sides.parted(side.model)[0] for side in sides.chosen("")] != names:
            sides.fill([Side(name) for name in dict.fromkeys(names) if name in there][:MOST_SIDES])
        held[HELD] = asked
        if asking.ADDRESS not in st.query_params:
            asking.forget()
    sides.keep(there)
    if not held.get(sides.SLOTS):
        sides.fill([Side(name) for name in standard(home)])


def standard(home: Home) -> list[str]:
    """The newest tuned model beside its base; the newest base alone where nothing is tuned yet."""
    every = registry.all(home)
    tuned = next((model for model in every if model.run_id is not None), None)
    if tuned is None:
        return [model.name for model in every[:1]]
    base = registry.get(home, tuned.base_id) if tuned.base_id else next((m for m in every if m.run_id is None), None)
    return [model.name for model in (base, tuned) if model is not None]


def header(home: Home) -> None:
    """Draw the title, and the ways to other conversations."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Chat", width="content")
        with st.container(horizontal=True, width="content"):
            if asking.named():
                st.button("New", icon=":material/add_comment:", key="chat_new", on_click=asking.forget, help="New conversation")
            away.draw(home)
            earlier(home)


def earlier(home: Home) -> None:
    """Draw the conversations to go back to. Another one shown is another popover, and so a closed one."""
    with st.popover("Earlier", icon=":material/history:", key=f"chat_earlier_{asking.named()}"):
        found = conversations.recent(home)
        if not found:
            st.caption("Conversations are kept here.")
        for one in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                begun = inert.plain(shortened(one.turns[0].prompt)) if one.turns else "Empty"
                who = "blind" if one.hidden else inert.plain(" and ".join(dict.fromkeys(one.models)), 60)
                st.button(
                    f"{begun} · :small[{who}, {words.ago(one.created_at)}]", key=f"talk_{one.id}", type="tertiary",
                    width="stretch", disabled=one.id == asking.named(), on_click=reopen, args=(one,),
                )  # fmt: skip


def shortened(text: str, longest: int = 48) -> str:
    """The beginning of a text."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[:longest].rstrip() + "…"


def reopen(talk: Conversation) -> None:
    """Show an earlier conversation, with its models and its decoding in the controls."""
    take_over(talk)
    asking.show(talk)
    st.query_params.pop("view", None)


def take_over(talk: Conversation) -> None:
    """Put a conversation's sides and decoding into the controls."""
    held, systems = st.session_state, {side.system for side in talk.sides}
    held[SYSTEM], held[BLIND] = systems.pop() if len(systems) == 1 else "", talk.blind
    sides.fill(talk.sides, held[SYSTEM])
    if talk.turns:
        last = talk.turns[-1].samplings
        common = next(
            (one for side, one in zip(talk.sides, last, strict=True) if (side.temperature, side.seed) == (None, None)), last[0]
        )
        held[SEED], held[TEMPERATURE], held[TOP_P], held[LENGTH] = (
            common.seed,
            common.temperature,
            common.top_p,
            common.max_tokens,
        )


def choose(home: Home) -> tuple[Side, ...]:
    """Ask which models answer, from left to right. The address names them too."""
    there = sides.offered(home)
    if not there:
        messages.empty("No model yet", "Bring one in under Models, or train one. Then ask it here.", ":material/deployed_code:")
        go.button("To the models", ":material/deployed_code:", "models", key="chat_to_models")
        st.stop()
    sides.draw(home, there, st.session_state[SYSTEM])
    ids = {model.name: str(model.id) for model in registry.all(home)}
    chosen = sides.chosen(st.session_state[SYSTEM])
    names = [side.model if side.model in ids else side.model.rpartition("@")[0] for side in chosen]
    told = ",".join(ids.get(name, side.model) for name, side in zip(names, chosen, strict=True))
    st.session_state[HELD] = told
    if told and st.query_params.get(ADDRESS) != told:
        st.query_params[ADDRESS] = told
    return chosen


def decoding(home: Home) -> Sampling:
    """Ask how tokens are chosen, the same for all sides that say nothing else; and how they are compared."""
    held = st.session_state
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Add a side", icon=":material/add:", key="chat_add", disabled=sides.is_full(), on_click=sides.add, args=(home,),
            help=f"Up to {MOST_SIDES} answer side by side. The same model can stand twice, with other settings.",
        )  # fmt: skip
        with st.popover("Decoding", icon=":material/tune:"):
            _common()
        chosen = Sampling(int(held[SEED] or 0), float(held[TEMPERATURE]), float(held[TOP_P]), int(held[LENGTH] or MAX_TOKENS))
        marked = any(sides.marks(side, held[SYSTEM]) for side in sides.chosen(held[SYSTEM]))
        told = f"The same for all{' but what is marked' if marked else ''}: {said(chosen)}"
        st.caption(told + (", with a system prompt" if held[SYSTEM].strip() else ""), width="content")
        if len(held[sides.SLOTS]) > 1:
            st.toggle(
                "Blind", key=BLIND, persist_state="session",
                help="Names are hidden and sides shuffled until you have said which answer is better. Only such votes are ranked.",
            )  # fmt: skip
            # beside its own prompt each answer would tell which side it is
            st.toggle(
                "A prompt for each",
                key=EACH,
                persist_state="session",
                disabled=blind(),
                help="Ask every side something of its own",
            )
    return chosen


def _common() -> None:
    """Draw what holds for all sides."""
    st.slider(
        "Temperature", 0.0, 2.0, step=0.05, key=TEMPERATURE, persist_state="session",
        help="0 always takes the likeliest token, so the answer is the same every time. Higher values vary more.",
    )  # fmt: skip
    st.slider(
        "Top p", 0.05, 1.0, step=0.05, key=TOP_P, persist_state="session",
        help="Only the likeliest tokens that together reach this share can be drawn. It does nothing at temperature 0.",
    )  # fmt: skip
    st.number_input(
        "Seed",
        min_value=0,
        step=1,
        key=SEED,
        persist_state="session",
        help="The same seed draws the same tokens, for every model.",
    )
    st.number_input("Longest answer, in tokens", 1, 100_000, step=32, key=LENGTH, persist_state="session")
    st.text_area(
        "System prompt", key=SYSTEM, persist_state="session", height=80, placeholder="None",
        help="Told to every model before the conversation",
    )  # fmt: skip


def blind() -> bool:
    """Whether names are to be hidden: there have to be two."""
    return bool(st.session_state.get(BLIND)) and len(st.session_state.get(sides.SLOTS) or []) > 1


def said(sampling: Sampling) -> str:
    """A decoding in words."""
    how = "the likeliest token" if sampling.temperature == 0 else f"temperature {sampling.temperature:g}"
    top = f", top p {sampling.top_p:g}" if sampling.temperature and sampling.top_p < 1 else ""
    return f"{how}{top}, seed {sampling.seed}, at most {words.plural(sampling.max_tokens, 'token')}"


def prompt(home: Home, talk: Conversation | None, chosen: tuple[Side, ...], sampling: Sampling) -> None:
    """Draw the field for the prompt at the foot of the page, or one for each side."""
    answering = talk is not None and not talk.ended
    anew = talk is not None and asking.begins_anew(talk, chosen, blind())
    if anew and chosen and not answering:
        st.caption(f":material/info: {anew}: the next prompt begins a new one.")
    # said before a prompt is typed, which a refusal would lose
    alike = "Two sides are the same. Give one other settings, or remove it" if len(set(chosen)) < len(chosen) else ""
    not_now = "Answering…" if answering else alike if chosen else "Choose a model first"
    if st.session_state[EACH] and len(chosen) > 1 and not blind():
        each(home, talk, chosen, sampling, not_now)
        return
    st.chat_input(
        not_now or ("Ask all of them the same" if len(chosen) > 1 else "Ask"), key="chat_prompt", disabled=bool(not_now),
        max_chars=conversations.LONGEST, on_submit=submit, args=(home, talk, chosen, sampling),
    )  # fmt: skip


def each(home: Home, talk: Conversation | None, chosen: tuple[Side, ...], sampling: Sampling, not_now: str) -> None:
    """Draw a field for each side; ``not_now`` says why nothing can be asked."""
    with st.form("chat_prompts", clear_on_submit=True):
        for place, (column, side) in enumerate(zip(st.columns(len(chosen)), chosen, strict=True)):
            name = inert.plain(side.model, 60)
            column.text_area(f"For {name}", key=f"chat_prompt_{place}", height=100, max_chars=conversations.LONGEST)
        st.form_submit_button(
            not_now or "Ask", type="primary", disabled=bool(not_now), on_click=submit, args=(home, talk, chosen, sampling)
        )


def submit(home: Home, talk: Conversation | None, chosen: tuple[Side, ...], sampling: Sampling, offered: str = "") -> None:
    """Ask what was ``offered``, else what was typed; what could not be asked stands in its field again."""
    held = st.session_state
    typed = offered or held.get("chat_prompt") or [held.get(f"chat_prompt_{place}") or "" for place in range(len(chosen))]
    if not isinstance(typed, str) and not any(text.strip() for text in typed):
        return
    if not asking.ask(home, talk, chosen, sampling, typed, blind()):
        fields = {"chat_prompt": typed} if isinstance(typed, str) else {f"chat_prompt_{i}": text for i, text in enumerate(typed)}
        for key, text in fields.items():
            held[key] = text


def suggestions(home: Home, chosen: tuple[Side, ...], sampling: Sampling) -> None:
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
        source, offered = familiar(home, [side.model for side in chosen])
        if source is None:
            return
        st.caption(f"To begin with, from {inert.plain(source.title)}:")
        with st.container(horizontal=True):
            for i, text in enumerate(offered):
                st.button(
                    inert.plain(text), key=f"chat_try_{i}", wrap=True,
                    on_click=submit, args=(home, None, chosen, sampling, text),
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


def after(home: Home, talk: Conversation, chosen: tuple[Side, ...], sampling: Sampling) -> None:
    """Draw what can be done once the answers are there."""
    with st.container(horizontal=True):
        st.button(
            "Ask the last prompt again", icon=":material/replay:", key="chat_again", type="tertiary", disabled=not chosen,
            help="With the models, seed and decoding that are chosen now. What was answered stays beside it.",
            on_click=asking.ask_again, args=(home, talk, chosen, sampling, blind()),
        )  # fmt: skip
        if talk.hidden:
            st.button(
                "Show the names", icon=":material/visibility:", key="chat_reveal", type="tertiary", on_click=asking.reveal,
                args=(home, talk.id), help="Without a choice. What is chosen after that is kept, and not ranked.",
            )  # fmt: skip
        with st.popover("Link", icon=":material/link:", type="tertiary", key="chat_link"):
            st.caption("Whoever may open this app finds the conversation here, as it stands and as it goes on.")
            st.code(asking.link(talk), language=None)
        if st.button("Delete", icon=":material/delete:", key="chat_delete", type="tertiary", help="Take this conversation away"):
            confirm.confirm(
                "Delete this conversation?", ["Its prompts and answers are gone for good. The models stay."], "Delete",
                lambda: asking.delete(home, talk.id),
            )  # fmt: skip

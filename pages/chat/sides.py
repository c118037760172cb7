"""The sides of the chat: which models answer, and what one of them is told, or how it decodes, other than the rest."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.generation import outside
from engine.generation.answers import MOST_SIDES, OWN, TEMPLATES, Sampling
from engine.generation.turns import Side
from pages.parts import session
from storage import deployments, events, indexes
from storage import models as registry
from storage.home import Home

SLOTS, NUMBER = "chat_slots", "chat_slot_number"  # the sides from left to right, by numbers that are never used twice
VALUES: dict[str, Any] = {
    "model": None,
    "step": None,
    "own": False,
    "system": "",
    "temperature": None,
    "seed": None,
    "template": OWN,
    "index": "",
}
TEMPLATE_WORDS = {OWN: "The model's own", "standard": "Standard: roles as words", "plain": "None: the text alone"}


def key(what: str, slot: int) -> str:
    """The key of a side's widget."""
    return f"chat_{what}_{slot}"


def offered(home: Home) -> list[str]:
    """What can be asked: the models of the registry and the deployments, each newest first, and those at addresses outside."""
    away = [reference for place in outside.places(home) for reference in place.references]
    frozen = [one.title for one in deployments.all(home)]
    return [*(model.name for model in registry.all(home, "language")), *frozen, *away]


def parted(reference: str) -> tuple[str, int | None]:
    """A model and the step of its checkpoint, where the reference names one: ``name@2`` may also be a deployment's version."""
    model, at, step = reference.rpartition("@")
    if not at or not step.isdigit() or deployments.find(session.home(), reference) is not None:
        return reference, None
    return model, int(step)


def fill(sides: Sequence[Side], common: str = "") -> None:
    """Put sides into the controls, all with the system prompt ``common`` but those that have another one."""
    held = st.session_state
    held[SLOTS] = []
    for side in sides:
        slot, own = _new_slot(), side.system != common
        model, step = parted(side.model)
        values = {
            "model": model, "step": step, "own": own, "system": side.system if own else "", "temperature": side.temperature,
            "seed": side.seed, "template": side.template, "index": side.index,
        }  # fmt: skip
        for what, value in values.items():
            held[key(what, slot)] = value


def _new_slot() -> int:
    held = st.session_state
    held[NUMBER] = held.get(NUMBER, 0) + 1
    held[SLOTS] = [*held.get(SLOTS, []), held[NUMBER]]
    return held[NUMBER]


def chosen(common: str) -> tuple[Side, ...]:
    """The sides as the controls have them, where ``common`` is the system prompt of all that have no other."""
    return tuple(_side(slot, common) for slot in st.session_state.get(SLOTS, []) if st.session_state.get(key("model", slot)))


def _side(slot: int, common: str) -> Side:
    value = {what: st.session_state.get(key(what, slot), nothing) for what, nothing in VALUES.items()}
    model = value["model"] if value["step"] is None else f"{value['model']}@{value['step']}"
    system = value["system"] if value["own"] else common
    seed = None if value["seed"] is None else int(value["seed"])
    return Side(model, system.strip(), value["template"], value["temperature"], seed, value["index"])


def draw(home: Home, models: Sequence[str], common: str) -> None:
    """Draw the sides, each with its model, its settings and what differs in them."""
    slots: list[int] = st.session_state[SLOTS]
    for place, (column, slot) in enumerate(zip(st.columns(len(slots)), slots, strict=True)):
        with column.container(gap="xsmall"):
            name = "Model" if len(slots) == 1 else f"Model {chr(ord('A') + place)}"
            st.selectbox(name, models, key=key("model", slot), persist_state="session", placeholder="Choose a model")
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                with st.popover("Settings", icon=":material/tune:", key=key("settings", slot), type="tertiary"):
                    settings(home, slot)
                if len(slots) > 1:
                    st.button(
                        "Remove", icon=":material/close:", key=key("remove", slot), type="tertiary", on_click=remove, args=(slot,),
                        help="Take this side away",
                    )  # fmt: skip
                marked = marks(_side(slot, common), common)
                if marked:
                    st.caption(f":orange[:material/priority_high: {marked}]", width="content")


def settings(home: Home, slot: int) -> None:
    """Ask what is other on this side. What is left empty is as for all."""
    model = registry.find(home, str(st.session_state.get(key("model", slot)) or ""))
    steps = [each.step for each in events.checkpoints(home, model.run_id)] if model is not None and model.run_id else []
    if steps:
        st.selectbox(
            "Checkpoint", [*reversed(steps)], key=key("step", slot), persist_state="session", index=None,
            placeholder="The end of the run", format_func=lambda step: f"Step {step}",
            help="The same run earlier on. Checkpoints that were cleared away are not offered.",
        )  # fmt: skip
    elif st.session_state.get(key("step", slot)) is not None:
        st.session_state[key("step", slot)] = None
    documents(home, slot)
    own = st.toggle("A system prompt of its own", key=key("own", slot), persist_state="session")
    if own:
        st.text_area("System prompt", key=key("system", slot), persist_state="session", height=80, placeholder="None")
    st.number_input(
        "Temperature", 0.0, 2.0, step=0.05, key=key("temperature", slot), persist_state="session", placeholder="As for all"
    )
    st.number_input("Seed", 0, step=1, key=key("seed", slot), persist_state="session", placeholder="As for all")
    st.selectbox(
        "Chat template", [OWN, *TEMPLATES], key=key("template", slot), persist_state="session", format_func=TEMPLATE_WORDS.__getitem__,
        help="How the turns of the conversation become one text. A base model without a template of its own speaks with the standard one.",
    )  # fmt: skip


def documents(home: Home, slot: int) -> None:
    """Ask in which index passages are looked up."""
    there = ["", *(index.name for index in indexes.all(home) if index.version)]
    now = st.session_state.get(key("index", slot)) or ""
    st.session_state[key("index", slot)] = now
    st.selectbox(
        "Documents", there if now in there else [*there, now], key=key("index", slot), persist_state="session",
        format_func=lambda name: name or "As it is deployed, else none", help="Passages that fit the prompt are put before it",
    )  # fmt: skip


def marks(side: Side, common: str) -> str:
    """What is other on a side than on the rest, in words."""
    _, step = parted(side.model)
    parts = [f"step {step}"] if step is not None else []
    if side.index:
        parts.append(f"documents {side.index}")
    if side.system != common.strip():
        parts.append("own system prompt" if side.system else "no system prompt")
    if side.temperature is not None:
        parts.append(f"temperature {side.temperature:g}")
    if side.seed is not None:
        parts.append(f"seed {side.seed}")
    if side.template != OWN:
        parts.append("standard template" if side.template == "standard" else "no template")
    return ", ".join(parts)


def add(home: Home) -> None:
    """Add a side: with the newest model that is not there yet, else with the last one again, to be told something else."""
    held = st.session_state
    there = [held.get(key("model", slot)) for slot in held[SLOTS]]
    free = [model for model in offered(home) if model not in there]
    slot = _new_slot()
    for what, value in {**VALUES, "model": free[0] if free else there[-1]}.items():
        held[key(what, slot)] = value


def remove(slot: int) -> None:
    """Take a side away."""
    st.session_state[SLOTS] = [each for each in st.session_state[SLOTS] if each != slot]


def keep(there: Sequence[str]) -> None:
    """Take away the sides whose models are no longer ``there``."""
    held = st.session_state
    held[SLOTS] = [slot for slot in held.get(SLOTS) or [] if held.get(key("model", slot)) in there]


def is_full() -> bool:
    """Whether no side can be added."""
    return len(st.session_state.get(SLOTS, [])) >= MOST_SIDES


def differences(samplings: Sequence[Sampling]) -> list[str]:
    """What is other in each of several decodings than in the one that most have, in words."""
    usual = max(samplings, key=list(samplings).count)
    return [
        ", ".join(
            f"{name} {getattr(one, field):g}"
            for field, name in (("temperature", "temperature"), ("seed", "seed"), ("top_p", "top p"), ("max_tokens", "at most"))
            if getattr(one, field) != getattr(usual, field)
        )
        for one in samplings
    ]

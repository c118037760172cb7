"""The form: method, model, data, and a field for each setting that the method declares, with its help and its bounds."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.data.shapes import SHAPES
from engine.jobs import submit
from engine.methods import METHODS
from engine.methods.method import FAMILIES, Method, Setting, settings_of
from engine.rewards.table import REWARDS
from engine.samples import pocket
from pages.parts import command, inert, messages, pickers, words
from pages.train import choices
from storage import datasets, models
from storage.home import Home
from storage.records import Dataset, Model

METHOD, ROAD = choices.ONE_METHOD, choices.WHOLE_ROAD
LAUNCHES = {METHOD: ":material/rocket_launch: One method", ROAD: ":material/route: A published road"}
COMMON = ("tuning", "learning_rate", "epochs", "steps", "batch_size", "max_length")  # what most people set
LEARN_FROM = "; ".join(f"{family}: {what}" for family, what in FAMILIES.items()).capitalize()
WHOLE_WORDS = {"lora": "LoRA", "qlora": "QLoRA", "neftune": "NEFTune"}
LABELS = {"fresh": "Random weights", "clip": "Gradient clipping", "compile": "Compile the layers", "warmup": "Warm-up"}


def kind() -> str | None:
    """Ask whether one method is to be launched or a whole road; its name."""
    st.session_state.setdefault(choices.KIND, METHOD)
    return st.segmented_control(
        "Launch", list(LAUNCHES), key=choices.KIND, persist_state="session", required=True, label_visibility="collapsed",
        format_func=lambda kind: LAUNCHES[kind],
    )  # fmt: skip


def method() -> str:
    """Ask what to learn from and by which method; its name."""
    held = st.session_state
    held.setdefault(choices.METHOD, next(iter(METHODS)))
    families = {family: [m.name for m in METHODS.values() if m.family == family] for family in FAMILIES}
    held[choices.FAMILY] = METHODS[held[choices.METHOD]].family
    st.segmented_control(
        "Learn from", list(families), key=choices.FAMILY, required=True, format_func=label, help=LEARN_FROM,
        on_change=choices.first_of_family, args=(families,),
    )  # fmt: skip
    within = families[held[choices.FAMILY]]
    st.segmented_control(
        "Method", within, key=choices.METHOD, persist_state="session", required=True,
        format_func=lambda name: METHODS[name].short,
    )  # fmt: skip
    chosen = METHODS[held[choices.METHOD]]
    st.caption(f"**{chosen.title}.** {chosen.summary}")
    with st.expander("About this method", icon=":material/menu_book:", key=f"train_card_{chosen.name}"):
        card(chosen)
    return chosen.name


def card(of: Method) -> None:
    """Draw what a person should know of a method before choosing it."""
    told = of.card
    st.markdown(told.idea)
    for part in told.objective.split(r", \quad "):  # a line each, or a narrow column cuts them off
        st.latex(part)
    for title, text in (
        ("Needs", told.needs), ("Strong at", told.strengths), ("Weak at", told.weaknesses), ("Prefer it", told.prefer),
        ("Known from", told.used_by),
    ):  # fmt: skip
        st.markdown(f"**{title}.** {text}")
    st.caption("Sources: " + ", ".join(f"[{source.name}]({source.address})" for source in told.sources))


def model(home: Home) -> Model | None:
    """Ask for the model to start from; the newest base model unless another was chosen."""
    there = models.all(home, "language")
    if not there:
        messages.empty("No model yet", "Bring one in under Models.", ":material/deployed_code:")
        return None
    if st.session_state.get(choices.MODEL) not in {m.id for m in there}:
        st.session_state[choices.MODEL] = next((m.id for m in there if m.kind == "model"), there[0].id)
    return pickers.model(home, "Model", key=choices.MODEL, help="The weights to start from; tuned ones can be trained further")


def dataset(home: Home, of: Method) -> Dataset | None:
    """Ask for data of a shape that the method takes, and say what is not offered and why."""
    own = next((d.name for d in datasets.all(home) if d.shape in of.shapes and d.name not in pocket.NAMES), None)
    shown = pickers.dataset(
        home, "Data", key=choices.data_key(of), shapes=of.shapes, default=own or pocket.LEARNS.get(of.name, "")
    )
    hidden = Counter(d.shape for d in datasets.all(home) if d.shape not in of.shapes)
    takes = " or ".join(SHAPES[shape].title.lower() for shape in of.shapes)
    if shown is None:
        st.caption(f":material/info: {of.title} takes {takes}, and there is no such data set yet.")
        st.page_link("pages/datasets/page.py", label="Bring data in", icon=":material/database:")
    if hidden:
        kinds = ", ".join(f"{n} of {SHAPES[shape].title.lower()}" for shape, n in hidden.most_common())
        count = words.plural(hidden.total(), "data set")
        st.caption(f":material/visibility_off: {count} not offered ({kinds}): {of.title} takes {takes}.")
    return shown


def settings(home: Home, of: Method) -> dict[str, Any]:
    """Draw a field for each setting, the common ones open and the rest folded by group; the values as typed."""
    every = settings_of(of.settings)
    held = st.session_state
    for setting in every:
        held.setdefault(choices.setting_key(of, setting), setting.default)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Settings", width="content", help="Where a field says 0, it is chosen for you, and what was chosen is told")
        changed = changes(of, every)
        st.button(
            f"Back to defaults ({len(changed)} changed)" if changed else "All at their defaults", icon=":material/restart_alt:",
            key="train_reset", type="tertiary", disabled=not changed, on_click=choices.reset, args=(of,),
        )  # fmt: skip
    values: dict[str, Any] = {}
    common = sorted((s for s in every if s.name in COMMON), key=lambda s: COMMON.index(s.name))
    values |= fields(home, of, common)
    for group in dict.fromkeys(s.group for s in every):
        rest = [s for s in every if s.group == group and s.name not in COMMON]
        if rest:
            touched = sum(s.name in changed for s in rest)
            title = (f"More on {group.lower()}" if group == "Training" else group) + (
                f"  :blue-badge[{touched} changed]" if touched else ""
            )
            with st.expander(title, key=f"train_group_{of.name}_{group}"):
                if any(s.name == "rewards" for s in rest):
                    rewards()
                values |= fields(home, of, rest)
    return values


def rewards() -> None:
    """Draw the table of what an answer can be given a number for."""
    with st.popover("Table of rewards", icon=":material/table_rows:"):
        st.dataframe(
            [{"reward": kind.name, "is": kind.help, "takes": ", ".join(kind.arguments)} for kind in REWARDS.values()],
            hide_index=True, key="train_rewards", width=720,
        )  # fmt: skip
        st.caption("A sum of terms with weights: `check + 0.2 * ended`, `check + 0.5 * length(most=40)`.")


def fitted(of: Method, values: dict[str, Any], start: Model | None) -> dict[str, Any]:
    """The values as a run would have them: a default beyond what the model takes is lowered to that, and the page says so."""
    fitting = submit.fitting(of, values, start)
    if start is not None and fitting != values:
        among = ", the answer among them" if fitting["max_length"] < start.context else ""
        st.caption(
            f":material/info: {inert.plain(start.name)} takes {start.context:,} tokens{among}, so max length is "
            f"{fitting['max_length']:,} here."
        )
    return fitting


def changes(of: Method, every: Sequence[Setting]) -> set[str]:
    """The settings whose field holds something else than the default."""
    return {s.name for s in every if st.session_state.get(choices.setting_key(of, s)) != s.default}


def fields(home: Home, of: Method, some: Sequence[Setting]) -> dict[str, Any]:
    """Draw the fields of some settings in a grid; those of LoRA rest while the whole model is tuned."""
    values = {}
    full = st.session_state.get(f"train_{of.name}_tuning") == "full"
    with st.grid(3, min_column_width=150, gap="small"):
        for setting in some:
            values[setting.name] = field(home, of, setting, resting=full and setting.name.startswith("lora_"))
    return values


def field(home: Home, of: Method, setting: Setting, resting: bool) -> Any:
    """Draw one field after what the setting declares, and give its value."""
    key, name = choices.setting_key(of, setting), label(setting.name)
    told = (
        f"{inert.plain(setting.help, 400)}.\n\nTakes {setting.allowed()}; default {inert.plain(command.value(setting.default))}."
    )
    common: dict[str, Any] = {"key": key, "help": told, "disabled": resting, "persist_state": "session"}
    if setting.refers:
        return reference(home, setting, name, common)
    if setting.kind is bool:
        return st.toggle(name, **common)
    if setting.choices and len(setting.choices) <= 3 and not setting.notes:
        return st.segmented_control(name, setting.choices, format_func=label, required=True, **common)
    if setting.choices:
        with st.container(gap="xsmall"):
            value = st.selectbox(name, setting.choices, format_func=label, **common)
            if setting.notes:
                st.caption(inert.plain(setting.notes.get(value, ""), 400))
        return value
    if setting.kind in (int, float):
        shown = "%d" if setting.kind is int else "%g"
        # no value of its own, so that an emptied field is empty and not suddenly at its lowest; and no bounds of its own, since
        # the browser keeps what is beyond them to itself, and the form would go on with the value from before
        return st.number_input(name, value=None, step=step(setting), format=shown, **common)
    if setting.lines > 1:
        return st.text_area(name, height=24 * setting.lines, **common)
    return st.text_input(name, **common)


def reference(home: Home, setting: Setting, name: str, common: dict[str, Any]) -> str:
    """Ask for another data set or model of the home, or none; its reference."""
    kind, _, wanted = setting.refers.partition(":")
    if kind == "data":
        there = {f"#{d.id}": pickers.describe_dataset(d) for d in datasets.all(home) if d.shape in wanted.split("|")}
    else:
        there = {f"#{m.id}": pickers.describe_model(m) for m in models.all(home, wanted)}
    if st.session_state.get(common["key"]) not in there:
        st.session_state[common["key"]] = ""
    return st.selectbox(name, ["", *there], format_func=lambda r: there.get(r, "None"), **common)


def label(name: str) -> str:
    """A setting's or choice's name in words."""
    if name in LABELS:
        return LABELS[name]
    parts = [WHOLE_WORDS.get(part, part) for part in name.split("_")]
    return " ".join([parts[0] if parts[0] in WHOLE_WORDS.values() else parts[0].capitalize(), *parts[1:]])


def step(setting: Setting) -> int | float:
    """How far one press of plus or minus goes: a tenth of the default's magnitude, or one."""
    if setting.kind is int:
        return 1
    if not setting.default:
        return 0.0001 if (setting.high or 1) <= 1 else 1.0
    return 10.0 ** (math.floor(math.log10(abs(setting.default))) - (setting.default < 1))

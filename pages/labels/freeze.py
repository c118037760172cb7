"""Freezing labels: one rule for several votes, what it comes to, and on to training."""

from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from engine.errors import TemperError
from engine.preferences import consensus, freezing
from engine.preferences.freezing import Frozen, Rule
from pages.parts import command, go, inert, messages, readable, words
from storage import preferences
from storage.home import Home
from storage.records import Project

KEY, MADE = "labels_freeze", "labels_frozen"


@dataclass(frozen=True)
class Coming:
    """How many rows would be frozen, from how many pairs, and how many are left out for which reason."""

    rows: int
    pairs: int
    corrected: int
    left_out: dict[str, int]


# shape -> (method, what the button says)
NEXT = {
    "preference": (("dpo", "Train DPO on this"), ("reward", "Train a reward model")),
    "unpaired": (("kto", "Train KTO on this"),),
}


@st.cache_data(max_entries=16, show_spinner=False)
def counted(root: str, project_id: int, version: int, given: dict[str, Any]) -> Coming:
    """What the votes come to by a rule, at this version of them."""
    home = Home.resolve(root)
    project = preferences.project(home, project_id)
    assert project is not None
    settled = freezing.settle(home, project, Rule(**given))
    return Coming(len(settled.rows), settled.pairs, settled.corrected, settled.left_out)


def draw(home: Home, project: Project) -> None:
    """Draw the rule, what it comes to now, the button and what was made last."""
    given = rule()
    problem, coming = None, None
    try:
        coming = counted(str(home.root), project.id, preferences.counts(home, project.id).version, given)
    except TemperError as error:
        problem = error
    if coming is not None:
        _counts(coming)
    name = st.text_input(
        "Name of the data set", key=f"{KEY}_{project.id}_name", persist_state="session", max_chars=70, placeholder=f"{project.name}-labels",
        help="The same name again makes its next version",
    )  # fmt: skip
    if problem is not None:
        messages.show(problem)
    messages.kept(KEY)
    chosen = (name or "").strip() or f"{project.name}-labels"
    st.button(
        "Freeze", type="primary", icon=":material/ac_unit:", key=f"{KEY}_go", disabled=coming is None or not coming.rows,
        on_click=freeze, args=(home, project, chosen, given),
    )  # fmt: skip
    st.caption("The same from the command line")
    inert.code(command.freeze(home, project.name, chosen, {k: v for k, v in given.items() if v != asdict(Rule())[k]}), "bash")
    made: tuple[int, Frozen] | None = st.session_state.get(MADE)
    if made is not None and made[0] == project.id:
        result(made[1])


def rule() -> dict[str, Any]:
    """Ask for the rule."""
    usual, held = Rule(), st.session_state
    with st.container(border=True):
        with st.grid(3, min_column_width=220, gap="small"):
            shape = _choice("For", "shape", {name: f"{name}: {said}" for name, said in freezing.SHAPES.items()}, usual.shape)
            _choice("Several votes", "rule", consensus.RULES, usual.rule)
            _choice("Votes of", "by", dict.fromkeys(consensus.BY, ""), usual.by)
            if shape == "preference":
                _choice("Margin", "margin", freezing.MARGINS, usual.margin)
            else:
                _choice("Ties", "ties", freezing.TIES, usual.ties)
            st.number_input(
                "Held out, %", 0.0, 90.0, value=100 * usual.held_out, step=5.0, format="%g", key=f"{KEY}_held_out", persist_state="session",
                help="Rows that become a data set of their own, to measure on; no prompt is in both",
            )  # fmt: skip
        rule_help = consensus.RULES[held[f"{KEY}_rule"]]
        other = freezing.MARGINS[held[f"{KEY}_margin"]] if shape == "preference" else freezing.TIES[held[f"{KEY}_ties"]]
        st.caption(f"{rule_help}. {other}.")
    given = {"shape": shape, "rule": held[f"{KEY}_rule"], "by": held[f"{KEY}_by"], "held_out": held[f"{KEY}_held_out"] / 100}
    own = {"margin": held[f"{KEY}_margin"]} if shape == "preference" else {"ties": held[f"{KEY}_ties"]}
    return {**asdict(usual), **given, **own}


def _choice(label: str, name: str, options: dict[str, str], usual: str) -> str:
    return st.selectbox(
        label, list(options), index=list(options).index(usual), key=f"{KEY}_{name}", persist_state="session",
        help="  \n".join(f"**{option}**: {said}" for option, said in options.items() if said) or None,
    )  # fmt: skip


def _counts(coming: Coming) -> None:
    """What the votes come to by the rule."""
    with st.grid(4, min_column_width=150, gap="small"):
        st.metric("Rows", words.count(coming.rows), border=True)
        st.metric("From pairs", words.count(coming.pairs), border=True)
        st.metric("Corrected answers", words.count(coming.corrected), border=True)
        st.metric("Pairs left out", words.count(sum(coming.left_out.values())), border=True)
    if coming.left_out:
        reasons = (f"{words.count(n)} since {freezing.LEFT_OUT[why]}" for why, n in coming.left_out.items())
        st.caption("Left out: " + "; ".join(reasons))


def freeze(home: Home, project: Project, name: str, given: dict[str, Any]) -> None:
    """Freeze by the rule that is shown."""
    try:
        made = freezing.freeze(home, project, name, Rule(**given))
    except TemperError as problem:
        messages.keep(problem, KEY)
        return
    st.session_state[MADE] = (project.id, made)
    messages.done(f"{inert.plain(made.dataset.title)} is frozen.", ":material/ac_unit:")


def result(made: Frozen) -> None:
    """What was frozen, with the way on."""
    with st.container(border=True, key="labels_result"):
        held = f", and {inert.plain(made.held_out.title)} with {words.plural(made.held_out.rows, 'row')}" if made.held_out else ""
        st.markdown(
            f":material/ac_unit: **{inert.plain(made.dataset.title)}** with {words.plural(made.dataset.rows, 'row')}{held}"
        )
        with st.container(horizontal=True):
            for i, (method, said) in enumerate(NEXT[made.dataset.shape]):
                go.button(
                    said, ":material/model_training:", "train", key=f"labels_train_{method}", type="secondary" if i else "primary",
                    method=method, data=made.dataset.title,
                )  # fmt: skip
            go.button("See the rows", ":material/database:", "datasets", key="labels_rows", dataset=made.dataset.id)
        with st.expander("Data card", icon=":material/description:"):
            readable.text(made.card)

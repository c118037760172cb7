"""Draws what a bake-off is set up with: the questions, the candidates as cards, presets, and how they are asked."""

import streamlit as st

from engine.evaluation.prompts import SHAPES
from engine.generation.answers import MAX_TOKENS
from engine.samples import pocket
from pages.bakeoff import draft
from pages.parts import asking, go, inert, messages, pickers, setups
from storage import datasets
from storage.home import Home

VARIANTS = {
    "paraphrase": "Reworded",
    "distractor": "Beside distractors",
    "hostile": "Under hostile instructions",
    "absent": "Without the answering passages",
}  # robustness.KINDS in words
USUAL = "pocket-far-isle-questions"  # of the samples


def questions(home: Home) -> bool:
    """Ask for the questions and how many of them; whether there are any."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = pickers.dataset(
            home, "Questions", key=draft.DATA, shapes=SHAPES, default=usual(home),
            help="Rows with a column `check` are scored by it, others by whether the answer is exactly their own",
        )  # fmt: skip
        st.number_input(
            "Only so many", min_value=1, value=None, step=50, key=draft.LIMIT, persist_state="session", placeholder="all", width=130,
            help="A random choice of rows, the same each time",
        )  # fmt: skip
        st.number_input(
            "Longest answer, in tokens", min_value=1, value=None, step=32, key=draft.TOKENS, persist_state="session",
            placeholder=str(MAX_TOKENS), width=190,
        )  # fmt: skip
    if chosen is None:
        go.button("Bring questions in", ":material/database:", "datasets", key="bakeoff_bring")
    return chosen is not None


def usual(home: Home) -> str:
    """The newest data set of one's own that asks questions, those with a check first; a sample where there is none."""
    own = [data for data in datasets.all(home) if data.shape in SHAPES and data.name not in pocket.NAMES]
    return next((data.name for data in sorted(own, key=lambda data: data.shape != "prompt")), USUAL)


def candidates(home: Home) -> None:
    """Draw the presets and a card for each candidate."""
    st.subheader("Candidates", help="From the cheapest on: what a prompt or documents reach need not be trained")
    with st.container(horizontal=True, gap="small"):
        for name, (icon, _) in draft.PRESETS.items():
            lacking = draft.lacking(home, name)
            st.button(
                name, icon=icon, key=f"bakeoff_preset_{name}", disabled=bool(lacking), help=lacking or None, on_click=draft.use,
                args=(home, name),
            )  # fmt: skip
    slots: list[int] = st.session_state.get(draft.SLOTS, [])
    if not slots:
        messages.empty("No candidate yet", "Add the base alone, and then what may do better.", ":material/balance:")
        return
    with st.grid(3, min_column_width=290, gap="small"):
        for number, slot in enumerate(slots, 1):
            with st.container(border=True, gap="small", key=f"bakeoff_card_{slot}"):
                card(home, slot, number)


def card(home: Home, slot: int, number: int) -> None:
    """Draw one candidate."""
    prefix = draft.prefix(slot)
    setup = draft.draft_of(slot)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{number}.** {inert.plain(draft.named(slot, setup), 60)}", width="stretch")
        st.button(
            "Remove", icon=":material/close:", key=f"{prefix}_remove", type="tertiary", on_click=draft.remove, args=(slot,),
            help="Take this candidate away",
        )  # fmt: skip
    setups.draw(home, prefix)
    st.text_input(
        "Name", key=f"{prefix}_name", persist_state="session", placeholder=setups.called(setup) or "Its parts", max_chars=80
    )


def options(home: Home) -> None:
    """Ask how the questions are asked otherwise, and for the name."""
    with st.expander("Ask the same otherwise, and more", icon=":material/tune:", key="bakeoff_options"):
        st.multiselect(
            "Ask all questions this way too", list(VARIANTS), key=draft.VARIANTS, persist_state="session",
            format_func=VARIANTS.__getitem__, placeholder="Only as they stand",
            help="What passes the plain questions and not these is simple but brittle. Each way takes as long as the questions themselves",
        )  # fmt: skip
        st.text_input(
            "Entailment model", key=draft.ENTAILMENT, persist_state="session", placeholder="None: a rule about words",
            help="A cross-encoder (hub id or folder) that says whether passages support an answer. A judge can say it instead",
        )  # fmt: skip
        with st.container(horizontal=True):
            asking.judge_alone(draft.JUDGED)
        st.text_input(
            "Name of the run", key=draft.NAME, persist_state="session", placeholder="Made of the questions' name", max_chars=80
        )

"""The questions of a bake-off one by one, with each candidate's answer and score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import streamlit as st

from pages.parts import inert, words
from storage import evaluations
from storage.home import Home
from storage.records import Run

DIFFER, ALL, NONE = "Where they differ", "All", "None right"
SHOWN = 300  # signs of an answer in the table


@dataclass(frozen=True)
class Answered:
    """What one candidate said to all questions."""

    name: str
    evaluation_id: int
    items: list[tuple[str, str, float]]


def draw(home: Home, run: Run) -> None:
    """Draw the questions with their answers; a chosen one in full."""
    st.subheader("Questions")
    st.fragment(_table)(home, run)


def _table(home: Home, run: Run) -> None:
    every = [
        Answered(one["name"], one["evaluation_id"], evaluations.items(home, one["evaluation_id"]))
        for one in run.summary["candidates"]
    ]
    there = [one for one in every if one.items]
    if len(there) < len(every):
        st.caption(":material/info: The answers of a model that was deleted are gone.")
    if not there:
        return
    way = st.segmented_control(
        "Questions", (DIFFER, ALL, NONE), default=DIFFER, key="bakeoff_items_way", required=True, label_visibility="collapsed"
    )
    scores = list(zip(*([item[2] for item in one.items] for one in there), strict=True))
    shown = [place for place, row in enumerate(scores) if way == ALL or (max(row) <= 0 if way == NONE else len(set(row)) > 1)]
    if not shown:
        st.caption("On no question do they differ." if way == DIFFER else "Every question was answered right by one of them.")
        return
    frame = pl.DataFrame(
        {"Question": [there[0].items[place][0] for place in shown]}
        | {one.name: [f"{mark(one.items[place][2])} {one.items[place][1][:SHOWN]}" for place in shown] for one in there},
        schema={"Question": pl.String, **{one.name: pl.String for one in there}},
    )
    state = st.dataframe(
        frame, hide_index=True, height=min(360, 38 + 35 * max(1, len(shown))), on_select="rerun", selection_mode="single-row",
        key=f"bakeoff_items_{run.id}_{way}", alt="Questions with every candidate's answer",
        column_config={"Question": st.column_config.TextColumn(width="medium", pinned=True)},
    )  # fmt: skip
    st.caption(f"{words.count(len(shown))} of {words.plural(len(scores), 'question')}. Choose one to read the answers in full.")
    chosen = [shown[row] for row in state["selection"]["rows"] if row < len(shown)]
    if chosen:
        one_question(home, there, chosen[0])


def mark(score: float) -> str:
    """Whether an answer was right, as a sign or a number."""
    return "✓" if score >= 1 else "✗" if score <= 0 else f"{score:.2f}"


def one_question(home: Home, there: Sequence[Answered], place: int) -> None:
    """Draw a question and each candidate's answer to it, with what it was given to read."""
    inert.turn("user", there[0].items[place][0])
    with st.grid(3, min_column_width=280, gap="small"):
        for number, one in enumerate(there):
            _, answer, score = one.items[place]
            with st.container(border=True, gap="xsmall"):
                said = (
                    ":material/check: right" if score >= 1 else ":material/close: wrong" if score <= 0 else f"score {score:.2f}"
                )
                st.markdown(f"**{inert.plain(one.name, 60)}**  :small[{said}]")
                inert.text(answer if answer.strip() else "(nothing)")
                _more(evaluations.more(home, one.evaluation_id)[place], f"bakeoff_passages_{number}_{place}")


def _more(more: Mapping[str, Any], key: str) -> None:
    facts = [words.plural(int(more["tokens"]), "token")] if more.get("tokens") else []
    facts += [f"{more['tries']} tries"] if more.get("tries", 1) > 1 else []
    facts += [":material/block: refused"] if more.get("refused") else []
    if facts:
        st.caption("  ·  ".join(facts))
    for problem in more.get("problems") or ():
        st.caption(f":material/rule: {inert.plain(problem, 400)}")
    passages = more.get("passages") or ()
    if passages:
        with st.expander(words.plural(len(passages), "passage"), icon=":material/menu_book:", key=key):
            for number, passage in enumerate(passages, 1):
                st.caption(f"**{number}**  {inert.plain(passage['document'], 120)}")
                inert.text(passage["text"])

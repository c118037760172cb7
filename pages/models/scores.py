"""Draws a model's scores with their intervals and items, and the form that measures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import streamlit as st

from engine.evaluation.prompts import SHAPES
from engine.generation.answers import MAX_TOKENS
from engine.jobs import health
from pages.parts import inert, messages, pickers, words
from pages.parts import live as progress
from storage import datasets, evaluations, models, runs
from storage.home import Home
from storage.records import LIVE, Evaluation, Interval, Model

ALL, WRONG = "All items", "Wrong only"


RECENT = 50  # runs among which measurements of a model are looked for


@dataclass(frozen=True)
class Asked:
    """What the form asks to measure."""

    dataset_id: int
    against_id: int | None
    limit: int | None
    max_tokens: int | None


def table(home: Home, model: Model) -> None:
    """Every score of a model: data, value, interval, the difference to the other model, when; one can be opened."""
    st.markdown("**Scores**")
    found = evaluations.of_model(home, model.id)
    if not found:
        st.caption(
            "Nothing measured yet. A score says how many of the held-out rows were answered right, with its 95 % interval."
        )
        return
    frame = pl.DataFrame(
        {
            "Data": [_data(home, e) for e in found],
            "Score": [e.value for e in found],
            "With its 95 % interval": [_score(e) for e in found],
            "Against": [_against(home, e) for e in found],
            "When": [words.moment(e.created_at) for e in found],
        },
        schema_overrides={"When": pl.Datetime("ms", "UTC")},
    )
    config = {
        "Score": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"),
        "With its 95 % interval": st.column_config.TextColumn(width="medium"),
        "Against": st.column_config.TextColumn(
            width="medium", help="The paired difference on the same items, with its 95 % interval"
        ),
        "When": st.column_config.DatetimeColumn(format="calendar"),
    }
    state = st.dataframe(
        frame, hide_index=True, column_config=config, on_select="rerun", selection_mode="single-row",
        key=f"scores_{found[0].id}", alt="Scores, newest first",
    )  # fmt: skip
    rows = state["selection"]["rows"]
    if rows and rows[0] < len(found):
        items(home, found[rows[0]])
    else:
        st.caption("Choose a score to see its items one by one.")


@st.fragment(run_every=2)
def under_way(home: Home, model: Model) -> None:
    """The measurements of a model that wait or run; when one has ended, the page is drawn anew with its score."""
    asked = [run for run in runs.page(home, RECENT) if run.kind == "measure" and run.request["model_id"] == model.id]
    live = [run for run in asked if run.status in LIVE]
    before = st.session_state.get(f"measuring_{model.id}", ())
    st.session_state[f"measuring_{model.id}"] = tuple(run.id for run in live)
    if any(run.id in before for run in asked if run.status not in LIVE):
        st.rerun()
    for run in live:
        now = health.view(home, run)
        st.progress(min(1.0, float(now.phase_done or 0.0)), text=f"{inert.plain(run.name)}: {progress.line(now)}")
    if asked and asked[0].status in ("failed", "interrupted") and not live:
        st.caption(f":red[:material/error:] The last measurement failed: {inert.plain(asked[0].reason or '', 300)}")


def _data(home: Home, evaluation: Evaluation) -> str:
    data = datasets.get(home, evaluation.dataset_id)
    return data.title if data else f"#{evaluation.dataset_id}"


def _score(evaluation: Evaluation) -> str:
    """The score with its interval, and how many answers were cut at the longest length: those count as they stand."""
    cut = evaluation.settings.get("cut")
    told = words.score(Interval(evaluation.value, evaluation.low, evaluation.high, evaluation.n))
    return f"{told}, {words.count(cut)} cut off" if cut else told


def _against(home: Home, evaluation: Evaluation) -> str:
    difference: dict[str, Any] | None = evaluation.settings.get("against")
    if not difference:
        return ""
    run = runs.get(home, evaluation.run_id) if evaluation.run_id else None
    name = run.summary.get("against", {}).get("model", "the other") if run else "the other"
    points = [f"{100 * difference[key]:+.0f}" for key in ("value", "low", "high")]
    return f"{points[0]} points ({points[1]} to {points[2]}) over {name}"


@st.fragment
def items(home: Home, evaluation: Evaluation) -> None:
    """The items of one score: what was asked, what was answered, whether it was right."""
    found = evaluations.items(home, evaluation.id)
    way = st.segmented_control("Items", (ALL, WRONG), default=ALL, key="items_way", required=True, label_visibility="collapsed")
    shown = [item for item in found if way == ALL or item[2] < 1]
    frame = pl.DataFrame(
        {"Score": [i[2] for i in shown], "Prompt": [i[0] for i in shown], "Answer": [i[1] for i in shown]},
        schema={"Score": pl.Float64, "Prompt": pl.String, "Answer": pl.String},
    )
    config = {
        "Score": st.column_config.NumberColumn(width="small", format="%.2f"),
        "Prompt": st.column_config.TextColumn(width="large"),
        "Answer": st.column_config.TextColumn(width="large"),
    }
    st.dataframe(frame, hide_index=True, column_config=config, height=320, alt="Items of the score")
    st.caption(f"{words.count(len(shown))} of {words.plural(len(found), 'item')}")


def form(home: Home, model: Model, act: Callable[[], None]) -> None:
    """Ask what to measure on, and against which other model."""
    base = models.get(home, model.base_id) if model.base_id else None
    with st.expander("Measure", icon=":material/fact_check:", key="measure_open"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            data = pickers.dataset(
                home, "Data", key=f"measure_data_{model.id}", shapes=SHAPES, latest=True, prefer="prompt",
                default=_held_out(home, model),
                help="Rows with a column `check` are scored by it, others by whether the answer is exactly their own.",
            )  # fmt: skip
            pickers.model(
                home, "Against (optional)", key=f"measure_against_{model.id}", default=base.name if base else None, optional=True,
                but=model.id,
            )  # fmt: skip
            st.number_input(
                "Only so many rows", min_value=1, value=None, step=50, key="measure_limit", placeholder="all", width=160,
                help="A random choice of rows, the same each time, so that two measurements can be compared",
            )  # fmt: skip
            st.number_input(
                "Longest answer, in tokens", min_value=1, value=None, step=64, key="measure_tokens", placeholder=f"{MAX_TOKENS}",
                width=190, help="What is not ended by then is cut off, and judged as it stands",
            )  # fmt: skip
            st.button("Measure", type="primary", on_click=act, disabled=data is None, key="measure")
        messages.kept("measure")


def _held_out(home: Home, model: Model) -> str:
    """By its name the held-out set of the data that a model was trained on."""
    run = runs.get(home, model.run_id or 0)
    data = datasets.get(home, run.request.get("dataset_id", 0)) if run else None
    return f"{data.name}-held-out" if data else "pocket-instructions-held-out"


def asked(model: Model) -> Asked:
    """What stands in the form."""
    held = st.session_state
    limit, tokens = (int(held[key]) if held[key] else None for key in ("measure_limit", "measure_tokens"))
    return Asked(held[f"measure_data_{model.id}"], held[f"measure_against_{model.id}"], limit, tokens)

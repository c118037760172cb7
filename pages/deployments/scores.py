"""A deployment's scores, and the form that measures it."""

from functools import partial

import polars as pl
import streamlit as st

from engine.evaluation.prompts import SHAPES
from engine.generation.answers import MAX_TOKENS
from engine.jobs import health, submit
from pages.parts import inert, live, messages, pickers, queue, words
from storage import datasets, deployments, evaluations, models, runs
from storage.home import Home
from storage.records import LIVE, Deployment, Interval, Run

RECENT = 100  # runs among which measurements are looked for


def table(home: Home, one: Deployment) -> None:
    """Draw every score: data, value with interval, when."""
    st.markdown("**Scores**")
    found = evaluations.of_deployment(home, one.id)
    if not found:
        st.caption("Nothing measured yet.")
        return
    frame = pl.DataFrame(
        {
            "Data": [data.title if (data := datasets.get(home, e.dataset_id)) else f"#{e.dataset_id}" for e in found],
            "Score": [e.value for e in found],
            "With its 95 % interval": [words.score(Interval(e.value, e.low, e.high, e.n)) for e in found],
            "Against": [_against(home, e.run_id, e.settings.get("against")) for e in found],
            "When": [words.moment(e.created_at) for e in found],
        },
        schema_overrides={"When": pl.Datetime("ms", "UTC")},
    )
    config = {
        "Score": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"),
        "With its 95 % interval": st.column_config.TextColumn(width="medium"),
        "When": st.column_config.DatetimeColumn(format="calendar"),
    }
    st.dataframe(
        frame, hide_index=True, column_config=config, key=f"deployments_scores_{found[0].id}", alt="Scores, newest first"
    )


def _against(home: Home, run_id: int | None, difference: dict[str, float] | None) -> str:
    """The paired difference to what was measured beside it."""
    if not difference:
        return ""
    run = runs.get(home, run_id) if run_id else None
    name = run.summary.get("against", {}).get("model", "the other") if run else "the other"
    value, low, high = (f"{100 * difference[key]:+.0f}" for key in ("value", "low", "high"))
    return f"{value} points ({low} to {high}) over {name}"


def form(home: Home, one: Deployment) -> None:
    """Ask what to measure it on, and against what."""
    with st.expander("Measure", icon=":material/fact_check:", key="deployments_measure_open"):
        model = models.get(home, one.model_id)
        others = [each.title for each in deployments.all(home) if each.id != one.id]
        others = [*([model.name] if model is not None else []), *others]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            data = pickers.dataset(home, "Data", key="deployments_data", shapes=SHAPES, latest=True, prefer="prompt")
            st.selectbox(
                "Against (optional)", others, index=None, key=f"deployments_against_{one.id}", placeholder="Nothing",
                help="Its model alone, or another deployment, on the same questions",
            )  # fmt: skip
            st.number_input(
                "Only so many rows", min_value=1, value=None, step=50, key="deployments_limit", placeholder="all", width=160
            )
            st.number_input(
                "Longest answer, in tokens", min_value=1, value=None, step=32, key="deployments_tokens", placeholder=str(MAX_TOKENS),
                width=190,
            )  # fmt: skip
            st.button(
                "Measure", type="primary", key="deployments_measure", disabled=data is None, on_click=measure, args=(home, one)
            )
        messages.kept("deployments_measure")


def measure(home: Home, one: Deployment) -> None:
    """As a callback: queue the measurement that the form asks for."""
    held = st.session_state
    limit, tokens = (int(held[key]) if held[key] else None for key in ("deployments_limit", "deployments_tokens"))
    verb = partial(
        submit.measure, home, model=one.title, dataset=f"#{held['deployments_data']}", limit=limit, max_tokens=tokens,
        against=held.get(f"deployments_against_{one.id}"),
    )  # fmt: skip
    run = queue.put(home, "deployments_measure", verb, f"measure deployment {one.id}")
    if run is not None:
        messages.done(f"Run {run.id} is queued.", ":material/fact_check:")


@st.fragment(run_every=2)
def under_way(home: Home, one: Deployment) -> None:
    """Draw the measurements that wait or run; when one has ended, the page is drawn anew with its score."""
    with messages.edge():
        asked: list[Run] = [
            run for run in runs.page(home, RECENT) if run.kind == "measure" and run.request.get("subject") == one.title
        ]
        at_work = [run for run in asked if run.status in LIVE]
        held = f"deployments_measuring_{one.id}"
        before, st.session_state[held] = st.session_state.get(held, ()), tuple(run.id for run in at_work)
        if set(before) - {run.id for run in at_work}:
            st.rerun(scope="app")
        for run in at_work:
            live.card(home, health.view(home, run))
        if asked and asked[0].status in ("failed", "interrupted") and not at_work:
            st.caption(f":red[:material/error:] The last measurement failed: {inert.plain(asked[0].reason or '', 300)}")

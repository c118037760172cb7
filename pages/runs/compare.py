"""Several runs side by side: their curves over each other, what came out, and what differs in their recipes."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from pages.parts import badges, command, curves, inert, words
from pages.runs import facts
from pages.runs.facts import Facts
from storage import events, runs
from storage.home import Home
from storage.records import LIVE, Run

MOST = 6  # runs whose lines can still be told apart
OFFERED = 500  # newest runs to choose from


def show(home: Home, chosen: Sequence[Run]) -> None:
    """Draw the comparison of the runs in the address; choosing others changes the address."""
    st.title("Compare runs")
    offered = {run.id: run for run in [*chosen, *(r for r in runs.page(home, OFFERED) if r.kind == "train")]}
    ids = [run.id for run in chosen][:MOST]
    key = "compared"
    if st.session_state.get(key) is None:
        st.session_state[key] = ids
    st.multiselect(
        "Runs", list(offered), key=key, max_selections=MOST, on_change=readdress, args=(key,),
        format_func=lambda i: f"{offered[i].id}  {offered[i].name}  ·  {badges.STATUS[offered[i].status].word.lower()}",
    )  # fmt: skip
    if not ids:
        return
    live = any(offered[i].status in LIVE for i in ids)
    st.fragment(body, run_every=2 if live else None)(home, ids)


def readdress(key: str) -> None:
    """Write the chosen runs into the address."""
    st.query_params["compare"] = ",".join(str(i) for i in st.session_state[key]) or " "


def body(home: Home, ids: Sequence[int]) -> None:
    """Draw curves, results and settings of the runs."""
    found = [run for i in ids if (run := runs.get(home, i)) is not None]
    if len(found) < 2:
        st.caption("Choose another run above to lay its curves over this one's.")
    overlay(home, found)
    known = [facts.gather(home, run) for run in found]
    st.subheader("What came out")
    results = pl.DataFrame([outcome(home, one) for one in known], infer_schema_length=None)
    st.dataframe(results, hide_index=True, placeholder="–", alt="Results of the compared runs")
    st.subheader("Recipes")
    only = st.toggle("Differences only", value=True, key="compare_differences", persist_state="session")
    table = recipes(known, only)
    if table is None:
        st.caption("These runs have the same recipe.")
    else:
        st.dataframe(table, hide_index=True, height="content", alt="Settings of the compared runs")


def overlay(home: Home, found: Sequence[Run]) -> None:
    """Draw each chart with the lines of all runs."""
    panels = dict.fromkeys(panel for run in found for panel in curves.panels(home, run))
    there = {series for run in found for series in events.latest(home, run.id)}
    titles = {s: curves.title_of(panel, s) for panel in panels for s in panel.series if s in there}
    if not titles:
        st.caption("None of these runs has made a step yet.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        series = st.selectbox(
            "Curve", list(titles), format_func=titles.__getitem__, key="compare_curve", persist_state="session", width=240
        )
        weight = st.slider("Smoothing", 0.0, 0.95, 0.6, 0.05, key="compare_smoothing", persist_state="session", width=180)
        logarithmic = st.toggle("Logarithmic", key="compare_log", persist_state="session")
    lines = curves.overlay(home, {f"{run.id} {run.name[:32]}": run for run in found}, series, weight)
    curves.draw(titles[series], lines, key=f"overlay_{series}", height=380, logarithmic=logarithmic)


def outcome(home: Home, one: Facts) -> dict[str, Any]:
    """One row of the table of results."""
    run, latest = one.run, events.latest(home, one.run.id)
    held_out = run.summary.get("held_out_loss") or latest.get("eval_loss", (0, None))[1]
    return {
        "Run": f"{run.id} {run.name}",
        "Status": badges.STATUS[run.status].word,
        "Steps": latest.get("loss", (0, None))[0],
        "Training loss": _rounded(latest.get("loss", (0, None))[1]),
        "Held-out loss": _rounded(held_out),
        "Took": facts.took(run) or "",
        "Model": one.made.name if one.made else "",
    }


def _rounded(value: float | None) -> float | None:
    return words.rounded(value, 4) if value is not None else None


def recipes(known: Sequence[Facts], only_differences: bool) -> pl.DataFrame | None:
    """The recipes as a table, a column a run; None where nothing (left) is to be shown."""
    columns = [{"method": one.method.name if one.method else one.run.kind} for one in known]
    for column, one in zip(columns, known, strict=True):
        column["model"] = one.start.name if one.start else ""
        column["data"] = one.dataset.title if one.dataset else ""
        column.update({s.name: command.value(value) for s, value in one.settings})
        column["seed"] = str(one.run.request.get("seed", 0))
        column["dtype"] = str(one.run.request.get("dtype", "auto"))
    names = list(dict.fromkeys(name for column in columns for name in column))
    if only_differences:
        names = [name for name in names if len({column.get(name, "") for column in columns}) > 1]
    if not names:
        return None
    rows = {"Setting": names}
    for column, one in zip(columns, known, strict=True):
        rows[f"{one.run.id} {inert.cut(one.run.name, 40)}"] = [column.get(name, "") for name in names]
    return pl.DataFrame(rows)

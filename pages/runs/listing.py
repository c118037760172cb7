"""The list of runs: what is live, the queue in its order, and everything that ever ran, to find, open and compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import streamlit as st

from engine.errors import TemperError
from engine.jobs import health, submit
from pages.parts import badges, curves, go, inert, live, messages, words
from pages.runs import facts, roads
from storage import chains, datasets, events, models, runs
from storage.home import Home
from storage.records import STATUSES, Run

MOST = 5000  # newest runs that can be searched
OPEN = "Open "  # and the run's number: the table may have moved on since the click
ROWS = 25  # runs on a page of the table
# a table draws plain characters only, so each status has a mark of its own beside its word
MARKS = {"queued": "…", "running": "▶", "succeeded": "✓", "failed": "✕", "stopped": "■", "interrupted": "!"}
COLOURS = {"queued": "gray", "running": "blue", "succeeded": "green", "failed": "red", "stopped": "gray", "interrupted": "orange"}


@dataclass(frozen=True)
class Names:
    """What the numbers in a run's request stand for."""

    models: dict[int, str]
    datasets: dict[int, str]

    @classmethod
    def of(cls, home: Home) -> "Names":
        return cls({m.id: m.name for m in models.all(home)}, {d.id: d.title for d in datasets.all(home)})

    def what(self, run: Run) -> str:
        """The method of a training run, or the kind of any other, as short as a table wants it."""
        return str(run.request.get("method") or run.kind)

    def model(self, run: Run) -> str:
        return self.models.get(run.request.get("model_id", 0), "")

    def data(self, run: Run) -> str:
        return self.datasets.get(run.request.get("dataset_id", 0), "")


def show(home: Home) -> None:
    """Draw the whole list."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Runs", width="content")
        go.button("New run", ":material/add:", "train", key="runs_new")
    counts = runs.count(home)
    if not counts and not chains.page(home, 1):
        messages.empty(
            "No run yet",
            "A run shows up here as soon as it is launched, with curves, log and samples, and it stays.",
            ":material/monitoring:",
        )
        return
    st.session_state["runs_counted"] = counts
    at_work(home)
    table(home)


@st.fragment(run_every=2)
def at_work(home: Home) -> None:
    """Draw the live runs and the queue; when any run has changed its state, the whole page is drawn anew."""
    if runs.count(home) != st.session_state["runs_counted"]:
        st.rerun()
    for run in runs.in_status(home, "running"):
        live.card(home, health.view(home, run))
    roads.show(home)
    messages.kept("queue")
    waiting = runs.in_status(home, "queued")
    if waiting:
        queue(home, waiting)


def queue(home: Home, waiting: Sequence[Run]) -> None:
    """Draw the queued runs in the order they will begin, with the means to change it."""
    names = Names.of(home)
    with st.container(border=True, gap="small"):
        st.markdown(f":material/schedule: **Queue** :small[{words.plural(len(waiting), 'run')}, in the order they begin]")
        for place, run in enumerate(waiting):
            queued(home, run, names, place, len(waiting))


def queued(home: Home, run: Run, names: Names, place: int, count: int) -> None:
    """Draw one run of the queue."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        what = f"{inert.plain(names.what(run))}, {inert.plain(names.data(run))}"
        st.markdown(f"{place + 1}\\. **{inert.plain(run.name, 60)}** :small[{what}]", width="content")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            up, down = place > 0, place < count - 1
            st.button(
                "Up", icon=":material/arrow_upward:", key=f"up_{run.id}", disabled=not up, on_click=move, args=(home, run.id, -1)
            )
            st.button(
                "Down",
                icon=":material/arrow_downward:",
                key=f"down_{run.id}",
                disabled=not down,
                on_click=move,
                args=(home, run.id, 1),
            )
            go.button("Open", ":material/monitoring:", "runs", key=f"open_{run.id}", run=run.id)


def move(home: Home, run_id: int, by: int) -> None:
    """Put a queued run one place up or down in the order as it is now, not as it was drawn."""
    order = [run.id for run in runs.in_status(home, "queued")]
    if run_id not in order:
        return  # it has begun meanwhile, and the page is about to show that
    place = order.index(run_id)
    order.insert(min(max(0, place + by), len(order) - 1), order.pop(place))
    try:
        submit.reorder(home, order)
    except TemperError as problem:
        messages.keep(problem, "queue")


@st.fragment
def table(home: Home) -> None:
    """Draw the table of runs with its filters, a page at a time."""
    counts, names = runs.count(home), Names.of(home)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Find", type="search", live="300ms", placeholder="Name, method, model or data",
            key="runs_find", persist_state="session", width=320,
        )  # fmt: skip
        there = [status for status in STATUSES if counts.get(status)]
        chosen = st.pills(
            "Status", there, selection_mode="multi", key="runs_status", persist_state="session",
            format_func=lambda s: f"{badges.STATUS[s].icon} {badges.STATUS[s].word} {counts[s]}",
        )  # fmt: skip
    found = [run for run in runs.page(home, MOST) if (not chosen or run.status in chosen) and matches(run, names, text)]
    if not found:
        messages.empty("No run fits", "Take a word or a status away to see more.", ":material/search_off:")
        return
    bar = st.container()
    pages = -(-len(found) // ROWS)
    at = min(st.session_state.get("runs_page", 1), pages)
    page = found[(at - 1) * ROWS : at * ROWS]
    picked = draw(home, page, names)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        limit = f", the newest {MOST:,} searched" if len(found) >= MOST else ""
        st.caption(words.plural(len(found), "run") + limit, width="content")
        if pages > 1:
            st.pagination(pages, key="runs_page")
    with bar:
        actions(picked)


def matches(run: Run, names: Names, text: str) -> bool:
    """Whether every word of ``text`` occurs in what the table says of a run."""
    said = f"{run.id} {run.name} {names.what(run)} {names.model(run)} {names.data(run)}".lower()
    return all(word in said for word in text.lower().split())


def draw(home: Home, page: Sequence[Run], names: Names) -> list[Run]:
    """Draw the rows and give the selected runs."""
    columns = st.column_config
    shown = st.dataframe(
        pl.DataFrame([line(home, run, names) for run in page], infer_schema_length=None),
        key=f"runs_table_{'_'.join(str(run.id) for run in page[:1])}_{len(page)}",
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="",
        alt="Runs, newest first, with status, loss curve, data and duration",
        column_config={
            "status": columns.MultiselectColumn(
                "Status", width=108, options=[mark(s) for s in STATUSES], color=[COLOURS[s] for s in STATUSES]
            ),
            "run": columns.NumberColumn("Run", width=56, format="%d"),
            "name": columns.TextColumn("Name", width=160),
            "open": columns.ButtonColumn("", key="runs_open", width=84),
            "curve": columns.LineChartColumn("Training loss", width=110),
            "loss": columns.NumberColumn("Loss", format="%.3f", width=64),
            "held_out": columns.NumberColumn("Held-out", format="%.3f", width=76, help="Loss on rows kept out of the training"),
            "at": columns.DatetimeColumn("Asked for", format="distance", width=108),
            "took": columns.TextColumn("Took", width=84),
            "data": columns.TextColumn("Data", width=150),
            "what": columns.TextColumn("Method", width=76),
            "model": columns.TextColumn("Model", width=120),
        },
    )
    click = st.session_state.get("runs_open")
    if click is not None:
        go.to("runs", run=click["label"].removeprefix(OPEN))
    return [page[i] for i in shown["selection"]["rows"] if i < len(page)]


def mark(status: str) -> str:
    """A status as a table shows it."""
    return f"{MARKS[status]} {badges.STATUS[status].word}"


def line(home: Home, run: Run, names: Names) -> dict[str, Any]:
    """One row of the table."""
    points = [value for _, value in curves.read(home, run, "loss", 40) if value is not None]
    latest = events.latest(home, run.id)
    return {
        "status": [mark(run.status)],
        "run": run.id,
        "name": run.name,
        "open": f"{OPEN}{run.id}",
        "curve": points or None,
        "loss": _rounded(latest.get("loss", (0, None))[1]),
        "held_out": _rounded(run.summary.get("held_out_loss", latest.get("eval_loss", (0, None))[1])),
        "at": words.moment(run.created_at),
        "took": facts.took(run),
        "data": names.data(run),
        "what": names.what(run),
        "model": names.model(run),
    }


def _rounded(value: float | None) -> float | None:
    return words.rounded(value) if value is not None else None


def actions(picked: Sequence[Run]) -> None:
    """What can be done with the selected runs."""
    with st.container(horizontal=True, vertical_alignment="center"):
        trained = [run for run in picked if run.kind == "train"]
        if not picked:
            st.caption("Tick two or more rows to lay their curves over each other.")
            return
        st.markdown(f"**{len(picked)} selected**", width="content")
        go.button(
            "Compare", ":material/compare_arrows:", "runs", key="runs_compare", type="primary", disabled=len(trained) < 2,
            help="Curves of the selected training runs over each other, and what differs in their settings",
            compare=",".join(str(run.id) for run in trained),
        )  # fmt: skip

"""Draws the frozen data sets: the list of versions, one version with its rows, export."""

from typing import BinaryIO, cast

import polars as pl
import streamlit as st

from engine.data import curate, uploads
from pages.datasets import problems
from pages.parts import badges, examples, inert, looking, messages, words
from storage import datasets, runs
from storage.home import Home
from storage.records import Dataset

PAGE = 5  # conversations at a time
READ, TABLE = "As conversations", "As a table"
FORMATS = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet", "csv": "text/csv"}


def title() -> None:
    st.title("Datasets")


def versions(found: list[Dataset]) -> Dataset | None:
    """The list of versions, newest first; returns the one that is looked at."""
    if not found:
        messages.empty("No data yet", "Bring in a file: JSON, JSON lines, CSV, Parquet or plain text.", ":material/database:")
        return None
    at, turned = looking.place("dataset", [str(d.id) for d in found])
    frame = pl.DataFrame(
        {
            "Name": [d.name for d in found],
            "Version": [d.version for d in found],
            "Shape": [badges.SHAPES[d.shape].word for d in found],
            "Rows": [d.rows for d in found],
            "Set aside": [curate.set_aside(d) for d in found],
            "Size": [words.size(d.bytes) for d in found],
            "Frozen": [words.moment(d.created_at) for d in found],
        },
        schema_overrides={"Frozen": pl.Datetime("ms", "UTC")},
    )
    config = {
        "Name": st.column_config.TextColumn(width="medium"),
        "Version": st.column_config.NumberColumn(width="small", format="%d"),
        "Rows": st.column_config.NumberColumn(format="localized"),
        "Frozen": st.column_config.DatetimeColumn(format="calendar"),
    }
    state = st.dataframe(
        frame, hide_index=True, column_config=config, on_select="rerun", selection_mode="single-row", key=f"versions_{found[0].id}_{turned}",
        selection_default={"selection": {"rows": [at]}}, alt="Frozen versions, newest first",
    )  # fmt: skip
    rows = state["selection"]["rows"]
    seen = found[rows[0]] if rows and rows[0] < len(found) else found[at]
    looking.at("dataset", str(seen.id))
    return seen


def version(home: Home, dataset: Dataset) -> None:
    """One version: where it comes from, its rows, what was set aside, export."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(inert.plain(dataset.title), width="content", anchor=False)
        badges.SHAPES[dataset.shape].draw()
    with messages.edge():
        facts(home, dataset)
        rows(home, dataset)
        left_out(home, dataset)
        export(home, dataset)


def left_out(home: Home, dataset: Dataset) -> None:
    """The rows that were set aside at the freeze, and why."""
    aside = curate.set_aside(dataset)
    if not aside:
        return
    with st.expander(f"{words.plural(aside, 'row')} set aside", icon=":material/warning:"):
        problems.table(dataset.problems)
        st.caption(f"All of them, with their reasons, lie in {inert.plain(curate.problems_path(home, dataset))}")


def facts(home: Home, dataset: Dataset) -> None:
    """Rows, size, hash, origin and the runs that used it, in one line each."""
    used = runs.using_dataset(home, dataset.id)
    parent = datasets.get(home, dataset.parent_id) if dataset.parent_id else None
    lines = [
        f"{words.plural(dataset.rows, 'row')}, {words.size(dataset.bytes)}, frozen {words.ago(dataset.created_at)}",
        f"sha256 {dataset.sha256[:16]}",
    ]
    if parent is not None:
        lines.append(f"made from {inert.plain(parent.title)}")
    lines.append(f"used by {words.plural(len(used), 'run')}" if used else "not used by a run yet")
    st.caption("  ·  ".join(lines))


@st.fragment
def rows(home: Home, dataset: Dataset) -> None:
    """Page through the rows without loading them all."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        way = st.segmented_control(
            "Rows",
            (READ, TABLE),
            default=READ,
            key="rows_way",
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        pages = max(1, -(-dataset.rows // PAGE))
        at = st.pagination(pages, key=f"page_{dataset.id}") if way == READ and pages > 1 else 1
    with messages.edge():
        if way == TABLE:
            st.dataframe(
                curate.scan(home, dataset), lazy=True, height=420, key=f"table_{dataset.id}", alt=f"Rows of {dataset.title}"
            )
            return
        for i, row in enumerate(curate.rows(home, dataset, (at - 1) * PAGE, PAGE)):
            with st.container(border=True):
                st.caption(f"Row {words.count((at - 1) * PAGE + i + 1)}")
                examples.example(row, dataset.shape)


def export(home: Home, dataset: Dataset) -> None:
    """Hand the rows out as a file."""
    with st.container(horizontal=True, vertical_alignment="center"):
        ending = cast(
            str,
            st.segmented_control(
                "Export as", tuple(FORMATS), default="jsonl", key="export_as", required=True, label_visibility="collapsed"
            ),
        )
        large = dataset.bytes > uploads.LARGEST * 1_000_000

        def written() -> BinaryIO:
            path = home.uploads / f"export-{dataset.sha256[:12]}" / f"{dataset.name}-{dataset.version}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            curate.export(home, dataset, path)
            return path.open("rb")

        st.download_button(
            f"Export as {ending}", data=written, file_name=f"{dataset.name}-{dataset.version}.{ending}", mime=FORMATS[ending],
            icon=":material/download:", on_click="ignore", disabled=large, key="export",
        )  # fmt: skip
        if large:
            st.caption("Too large for a browser: `python -m engine datasets export` writes it to a path.")

"""Bringing documents into an index: uploads, a file or folder of this machine, a data set; and the runs that do it."""

from functools import partial

import streamlit as st

from engine.data import uploads
from engine.errors import TemperError
from engine.jobs import health, indexing, submit
from engine.retrieval.documents import ENDINGS
from pages.parts import inert, live, messages, pickers, queue
from storage import runs
from storage.home import Home
from storage.records import LIVE, Index, Run

UPLOAD, PATH, DATA = "Upload", "From a path", "From a data set"
ROUND, SOURCE = "knowledge_round", "knowledge_source"
RECENT = 100  # runs among which those of an index are looked for


def draw(home: Home, index: Index) -> None:
    """Ask for documents."""
    with st.expander(
        "Bring documents in", icon=":material/upload_file:", expanded=not index.version, key=f"knowledge_bring_{index.id}"
    ):
        way = st.segmented_control(
            "Source",
            (UPLOAD, PATH, DATA),
            default=UPLOAD,
            key=SOURCE,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        {PATH: _path, DATA: _data}.get(way or UPLOAD, _upload)(home, index)
        st.caption("Only what is new or changed is cut and embedded. What was brought in earlier stays.")
        messages.kept("knowledge_bring")


def _upload(home: Home, index: Index) -> None:
    field = f"knowledge_files_{st.session_state.get(ROUND, 0)}"
    files = st.file_uploader(
        f"Text, Markdown, HTML or PDF, up to {uploads.LARGEST} MB each", type=list(ENDINGS), accept_multiple_files=True, key=field,
        max_upload_size=uploads.LARGEST,
    )  # fmt: skip
    _button(home, index, disabled=not files)


def _path(home: Home, index: Index) -> None:
    typed = st.text_input(
        "Path of a file or folder on this machine", key="knowledge_path", placeholder="/data/handbook", persist_state="session",
        help=f"Of a folder all files that end with {', '.join(ENDINGS)}, also in folders within",
    )  # fmt: skip
    _button(home, index, disabled=not (typed or "").strip())


def _data(home: Home, index: Index) -> None:
    chosen = pickers.dataset(
        home,
        "Data set",
        key="knowledge_data",
        shapes=("text",),
        latest=True,
        help="Of the shape text; each row becomes a document",
    )
    _button(home, index, disabled=chosen is None)


def _button(home: Home, index: Index, disabled: bool) -> None:
    st.button(
        "Bring them in", type="primary", icon=":material/input:", key="knowledge_add", disabled=disabled, on_click=add,
        args=(home, index),
    )  # fmt: skip


def add(home: Home, index: Index) -> None:
    """As a callback: queue what the form names."""
    held, way, given = st.session_state, st.session_state.get(SOURCE, UPLOAD), {}
    try:
        if way == DATA:
            given["dataset"] = f"#{held['knowledge_data']}"
        elif way == PATH:
            given["paths"] = [str(held["knowledge_path"]).strip()]
        else:
            files = held.get(f"knowledge_files_{held.get(ROUND, 0)}") or []
            given["paths"] = [str(uploads.document(home, file.name, file)) for file in files]
    except TemperError as problem:
        messages.keep(problem, "knowledge_bring")
        return
    verb = partial(indexing.update, home, index=f"#{index.id}", **given)
    if queue.put(home, "knowledge_bring", verb, f"index {index.id}") is not None:
        held[ROUND] = held.get(ROUND, 0) + 1
        held["knowledge_path"] = ""


def of_index(home: Home, index: Index) -> list[Run]:
    """The runs that have changed an index, newest first."""
    return [run for run in runs.page(home, RECENT) if run.kind == "index" and run.request.get("index_id") == index.id]


@st.fragment(run_every=1.5)
def under_way(home: Home, index: Index) -> None:
    """Draw the runs that change the index now; when one has ended, the page is drawn anew."""
    with messages.edge():
        messages.kept("knowledge_run")
        found = of_index(home, index)
        at_work = [run for run in found if run.status in LIVE]
        before = st.session_state.get(f"knowledge_live_{index.id}", ())
        st.session_state[f"knowledge_live_{index.id}"] = tuple(run.id for run in at_work)
        if set(before) - {run.id for run in at_work}:
            st.rerun(scope="app")
        for run in at_work:
            live.card(home, health.view(home, run))
            st.button(
                "Stop", icon=":material/stop_circle:", key=f"knowledge_stop_{run.id}", disabled=run.stop_requested, on_click=stop,
                args=(home, run.id), help="The index stays as it was; what is done is taken up by the next update",
            )  # fmt: skip
        if found and not at_work and found[0].status in ("failed", "interrupted"):
            st.error(
                inert.plain(f"{found[0].reason or 'It was interrupted.'} {found[0].next_step or ''}", 2000),
                icon=":material/error:",
            )


def stop(home: Home, run_id: int) -> None:
    """As a callback: ask a run to stop."""
    try:
        submit.stop(home, run_id)
    except TemperError as problem:
        messages.keep(problem, "knowledge_run")

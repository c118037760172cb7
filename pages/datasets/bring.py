"""Draws the way of a file into a data set: source, what was recognised, rows as conversations, problems, name."""

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import streamlit as st
from streamlit.typing import UploadedFile

from engine.data import curate, uploads
from engine.data.shapes import SHAPES
from pages.datasets import problems
from pages.parts import badges, examples, inert, words
from storage import datasets, files
from storage.home import Home

UPLOAD, PATH = "Upload", "From a path"
RECOGNISED = "recognised"


def source() -> Path | UploadedFile | None:
    """Ask for a file, through the browser or by its path on this machine, and for its shape where that is known better."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            way = st.segmented_control(
                "Source", (UPLOAD, PATH), default=UPLOAD, key="source_way", required=True, persist_state="page"
            )
            st.selectbox(
                "Shape of the rows", (RECOGNISED, *SHAPES), key="draft_shape", width=280, persist_state="session",
                format_func=lambda name: "Recognise it" if name == RECOGNISED else SHAPES[name].title,
                help="Recognised by the columns. Choose one yourself when that goes wrong.",
            )  # fmt: skip
        if way == UPLOAD:
            file = st.file_uploader(
                f"A file with one example a row: JSON, JSON lines, CSV, Parquet or plain text, up to {uploads.LARGEST} MB",
                key=f"upload_{st.session_state.get('upload_round', 0)}", max_upload_size=uploads.LARGEST,
            )  # fmt: skip
            return cast("UploadedFile | None", file)
        typed = st.text_input(
            "Path of a file on this machine; Enter reads it",
            key="source_path",
            placeholder="/data/questions.jsonl",
            persist_state="page",
        )
        return files.place(typed.strip()) if typed and typed.strip() else None


def kept(file: UploadedFile, keep: Callable[[], Path]) -> Path:
    """Where this upload was kept; it is written once, however often the page is drawn."""
    held: tuple[str, Path] | None = st.session_state.get("upload")
    if held is None or held[0] != file.file_id or not held[1].exists():
        held = st.session_state["upload"] = (file.file_id, keep())
    return held[1]


def held() -> Path | None:
    """The file whose draft this tab still holds, though another page was open meanwhile; None where it holds none."""
    return Path(st.session_state["draft_mark"][0]) if "draft" in st.session_state else None


def drop() -> None:
    """Look at another file."""
    held: curate.Draft | None = st.session_state.pop("draft", None)
    if held is not None:
        curate.discard(held)
    clear()


def clear() -> None:
    """Empty the fields that name a file."""
    st.session_state["source_path"] = ""
    st.session_state["upload_round"] = st.session_state.get("upload_round", 0) + 1


def read(home: Home, path: Path) -> curate.Draft:
    """The draft of ``path`` in the shape that was chosen; read again only when the file or the choice changes."""
    shape = st.session_state.get("draft_shape", RECOGNISED)
    stat = path.stat() if os.path.exists(path) else None  # also where a folder on the way may not be read
    mark = (str(path), stat.st_mtime if stat else 0.0, stat.st_size if stat else 0, shape)
    held: curate.Draft | None = st.session_state.get("draft")
    if held is not None and st.session_state.get("draft_mark") == mark:
        return held
    if held is not None:
        del st.session_state["draft"]
        curate.discard(held)
    size = f", {words.size(stat.st_size)}" if stat else ""
    slot = st.empty()

    def progress(seen: int) -> None:
        slot.info(f"Reading {inert.plain(path.name)}{size}: {words.plural(seen, 'row')} so far", icon=":material/hourglass_top:")

    progress(0)
    try:
        draft = curate.open_draft(path, None if shape == RECOGNISED else shape, home=home, progress=progress)
    finally:
        slot.empty()
    st.session_state["draft"], st.session_state["draft_mark"] = draft, mark
    st.session_state["draft_name"] = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.name.split(".")[0]).strip("-") or "data"
    return draft


def show(draft: curate.Draft) -> None:
    """What was recognised, the counts, the first rows as they will be read, and every problem."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("What is in the file", width="content", anchor=False)
        badges.SHAPES[draft.shape].draw(help=f"{SHAPES[draft.shape].purpose}.")
    said = f"Read as {inert.plain(draft.source_format)}. {inert.plain(SHAPES[draft.shape].purpose)}."
    if draft.left_out:
        said += f" Left out, since the shape has no place for it: {inert.plain(', '.join(draft.left_out), 300)}."
    st.caption(said)
    with st.grid(3, min_column_width=140, gap="small"):
        st.metric("Rows", words.count(draft.rows), border=True)
        st.metric("Good", words.count(draft.good), border=True)
        st.metric("With a problem", words.count(draft.bad), border=True)
    if draft.problems:
        st.markdown(f":orange[:material/warning:] **{words.plural(draft.bad, 'row')} with a problem**")
        problems.table([dataclasses.asdict(problem) for problem in draft.problems])
        if draft.bad > len(draft.problems):
            st.caption(f"The first {words.count(len(draft.problems))} are shown; all of them are kept beside the frozen rows.")
    if draft.preview:
        preview(draft)


@st.fragment
def preview(draft: curate.Draft) -> None:
    """The first good rows, one at a time, as they will be read."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**The first rows, as they will be read**", width="content")
        at = st.pagination(len(draft.preview), key="draft_row") if len(draft.preview) > 1 else 1
    with st.container(border=True, height=300, key="draft_preview"):
        examples.example(draft.preview[min(at, len(draft.preview)) - 1], draft.shape)
    if len(draft.preview) < draft.good:
        st.caption(f"{words.count(len(draft.preview))} of {words.plural(draft.good, 'good row')} can be looked at here.")


def ask_name(home: Home, draft: curate.Draft, freeze: Callable[[], None]) -> None:
    """Ask for the name and freeze."""
    with st.container(border=True):
        name = st.text_input("Name of the data set", key="draft_name", max_chars=80, persist_state="session")
        latest = datasets.find(home, name.strip()) if name else None
        if latest is not None:
            st.caption(f"It exists: this becomes version {latest.version + 1}, unless the rows are the same.")
        keep = True
        if draft.bad:
            keep = st.checkbox(
                f"Keep the {words.plural(draft.good, 'good row')}, and set the other {words.count(draft.bad)} aside with their reasons",
                True,
                key="draft_keep",
            )
        able = bool(name and name.strip()) and draft.good > 0 and keep
        st.button(
            f"Freeze {words.plural(draft.good, 'row')}", type="primary", icon=":material/ac_unit:", on_click=freeze, disabled=not able, key="freeze"
        )  # fmt: skip
        if not keep:
            st.caption("Mend the rows in the file and bring it in again.")

"""Draws the registry, one model's heading, download and deletion, and the form that registers a folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import polars as pl
import streamlit as st

from engine import registry as registered
from engine.data.uploads import LARGEST
from pages.parts import badges, confirm, inert, looking, messages, words
from storage import evaluations, files, models, runs
from storage.home import Home
from storage.records import Interval, Model

RECENT = 50  # runs among which folders that were written are looked for
ADAPTER, MERGED = "Adapter", "Merged into its base"


def title() -> None:
    st.title("Models")


def registry(home: Home, found: list[Model]) -> Model | None:
    """The list of models, newest first; returns the one that is looked at."""
    if not found:
        messages.empty("No model yet", "Register a folder below, or train one.", ":material/deployed_code:")
        return None
    names = {m.id: m.name for m in found}
    at, turned = looking.place("model", [str(m.id) for m in found])
    newest = {m.id: next(iter(evaluations.of_model(home, m.id)), None) for m in found}
    frame = pl.DataFrame(
        {
            "Name": [m.name for m in found],
            "Kind": [badges.KINDS[m.kind].word for m in found],
            "On base": [names.get(m.base_id or 0, "") for m in found],
            "Weights": [words.short(m.parameters) for m in found],
            "Last score": [words.score(Interval(e.value, e.low, e.high, e.n)) if (e := newest[m.id]) else "" for m in found],
            "Size": [words.size(m.bytes) for m in found],
            "Registered": [words.moment(m.created_at) for m in found],
        },
        schema_overrides={"Registered": pl.Datetime("ms", "UTC")},
    )
    config = {
        "Name": st.column_config.TextColumn(width="medium"),
        "Registered": st.column_config.DatetimeColumn(format="calendar"),
    }
    state = st.dataframe(
        frame, hide_index=True, column_config=config, on_select="rerun", selection_mode="single-row",
        key=f"registry_{found[0].id}_{len(found)}_{turned}",
        selection_default={"selection": {"rows": [at]}}, alt="Models, newest first",
    )  # fmt: skip
    rows = state["selection"]["rows"]
    seen = found[rows[0]] if rows and rows[0] < len(found) else found[at]
    looking.at("model", str(seen.id))
    return seen


def folder_asked() -> Path:
    return files.place(st.session_state["add_folder"].strip())


def name_asked() -> str:
    return st.session_state["add_name"].strip() or folder_asked().name


def add(act: Callable[[], None]) -> None:
    """Ask for a folder with a base model."""
    with st.expander("Add a model from a folder", icon=":material/add:", key="add_model"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            folder = st.text_input(
                "Folder with config.json and safetensors weights", key="add_folder", placeholder="/models/qwen3-0.6b"
            )
            st.text_input("Name (the folder's, if left empty)", key="add_name", width=260)
            st.button("Register", on_click=act, disabled=not (folder or "").strip(), key="add")
        messages.kept("add")


def heading(model: Model) -> None:
    """Name, kind and the facts that tell this model from every other."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(inert.plain(model.name), width="content", anchor=False)
        badges.KINDS[model.kind].draw()
    template = "its own chat template" if model.template == "own" else "the standard chat template, since it has none of its own"
    facts = [
        f"{words.short(model.parameters)} {'adapter ' if model.kind == 'adapter' else ''}weights in {model.dtype}",
        f"{words.count(model.context)} tokens of context",
        template,
        f"licence {inert.plain(model.license)}" if model.license else "no licence on record",
    ]
    facts.append(f"fingerprint {inert.plain(model.fingerprint[:16])}")
    st.caption("  ·  ".join(facts) + f"  \n{inert.plain(model.path)}")


def download(home: Home, model: Model, act: Callable[[str, bool], None]) -> None:
    """Hand a model out: as a folder on this machine, or as a zip through the browser."""
    st.markdown("**Download**")
    with st.container(border=True):
        ways = (ADAPTER, MERGED) if model.kind == "adapter" else ("Whole model",)
        way = st.segmented_control(
            "What", ways, default=ways[0], key=f"export_what_{model.id}", required=True, label_visibility="collapsed"
        )
        merged = way == MERGED
        if merged:
            st.caption(
                "The merged logits are checked against base plus adapter before the folder takes its name. "
                "This waits for its turn among the runs."
            )
        proposed = home.root / "exports" / f"{model.name}{'-merged' if merged else ''}"
        with st.container(horizontal=True, vertical_alignment="bottom"):
            folder = st.text_input("Folder on this machine", str(proposed), key=f"export_folder_{model.id}_{merged}")
            st.button("Write folder", icon=":material/folder:", on_click=act, args=(folder, merged), key="export_write")
            if not merged:
                _zip(home, model)
        messages.kept("export")
        _written(home, model)


@st.fragment(run_every=3)
def _written(home: Home, model: Model) -> None:
    """The folders that were asked for lately, and whether they are there."""
    with messages.edge():
        asked = [r for r in runs.page(home, RECENT) if r.kind == "export" and r.request["model_id"] == model.id]
        for run in asked[:3]:
            with st.container(horizontal=True, vertical_alignment="center"):
                badges.STATUS[run.status].draw()
                st.caption(inert.plain(run.reason or run.request["folder"], 300), width="content")


def _zip(home: Home, model: Model) -> None:
    large = model.bytes > LARGEST * 1_000_000

    def packed() -> BinaryIO:
        target = home.uploads / f"model-{model.id}-{model.fingerprint[:12]}" / model.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            registered.export(home, model, target)
        return Path(shutil.make_archive(str(target), "zip", target)).open("rb")

    st.download_button(
        f"Zip, {words.size(model.bytes)}", data=packed, file_name=f"{model.name}.zip", mime="application/zip", disabled=large,
        on_click="ignore", icon=":material/download:", key="export_zip",
        help="Too large for a browser: write a folder." if large else None,
    )  # fmt: skip


def delete(home: Home, model: Model, act: Callable[[], None]) -> None:
    """Delete a model, after what depends on it was said."""
    resting = models.dependents(home, model.id)
    scored = len(evaluations.of_model(home, model.id))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Delete", icon=":material/delete:", disabled=bool(resting) or registered.ships(model), key="delete"):
            lines = [f"**{inert.plain(model.name)}** leaves the registry, with {words.plural(scored, 'score')}."]
            if home.root in Path(model.path).parents:
                lines.append(f"Its weights, {words.size(model.bytes)}, are removed from {inert.plain(model.path)}.")
            else:
                lines.append(f"Its weights stay where they are: {inert.plain(model.path)} is not Temper's.")
            confirm.confirm("Delete this model?", lines, "Delete", act, said=f"{inert.plain(model.name)} is deleted.")
        if registered.ships(model):
            st.caption("It ships with Temper and stays.")
        elif resting:
            names = ", ".join(inert.plain(m.name) for m in resting[:5]) + (
                f" and {len(resting) - 5} more" if len(resting) > 5 else ""
            )
            st.caption(f"Cannot be deleted: {names} {'rests' if len(resting) == 1 else 'rest'} on it.")

"""Models: the registry with lineage and scores; measure, download, delete; what checkpoints take on disk."""

from functools import partial

import streamlit as st

from engine import hub, registry
from engine.errors import TemperError
from engine.jobs import submit
from pages.models import disk, getting, lineage, scores, view
from pages.parts import inert, looking, messages, queue, session
from storage import models
from storage.home import Home
from storage.records import Model

home = session.home()
REGISTRY, GET, DISK = "Registry", "Get a model", "Disk"


def measure(model: Model) -> None:
    """Queue the measurement that the form asks for."""
    asked = scores.asked(model)
    verb = partial(
        submit.measure, home, model=f"#{model.id}", dataset=f"#{asked.dataset_id}", limit=asked.limit,
        max_tokens=asked.max_tokens, against=f"#{asked.against_id}" if asked.against_id else None,
    )  # fmt: skip
    run = queue.put(home, "measure", verb, f"measure {model.id}")
    if run is not None:
        messages.done(f"Run {run.id} is queued.", ":material/fact_check:")


def export(model: Model, folder: str, merged: bool) -> None:
    """Queue the writing of a folder."""
    verb = partial(submit.export, home, model=f"#{model.id}", folder=folder, merged=merged)
    run = queue.put(home, "export", verb, "export")
    if run is not None:
        messages.done(f"Run {run.id} writes the folder.", ":material/folder:")


def add() -> None:
    """Register the base model in a folder."""
    try:
        made = registry.register_folder(home, view.folder_asked(), view.name_asked(), str(view.folder_asked()))
    except TemperError as problem:
        messages.keep(problem, "add")
        return
    looking.at("model", str(made.id))
    messages.done(f"{inert.plain(made.name)} is registered.", ":material/deployed_code:")


def look_up() -> None:
    """Ask the hub what an id stands for."""
    try:
        st.session_state["looked_up"] = hub.look_up(home, getting.asked_id())
    except TemperError as problem:
        st.session_state.pop("looked_up", None)
        messages.keep(problem, "look_up")


def download(id: str) -> None:
    """Queue the download of a model."""
    queue.put(home, "download", partial(submit.download, home, id), f"download {id}")


def stop(run_id: int) -> None:
    """Ask a download to stop."""
    try:
        submit.stop(home, run_id)
    except TemperError as problem:
        messages.keep(problem, "download")


def resume(run_id: int) -> None:
    """Let a download go on."""
    queue.put(home, "download", partial(submit.resume, home, run_id))


def save_token() -> None:
    """Keep the token that was typed, and clear the field. Nothing typed takes nothing away: Forget is there for that."""
    if str(st.session_state["hub_token"]).strip():
        hub.save_token(home, st.session_state["hub_token"])
    st.session_state["hub_token"] = ""


def clear(run_ids: list[int], keep: int) -> None:
    """Remove checkpoints of these runs."""
    for run_id in run_ids:
        registry.clear_checkpoints(home, run_id, keep)


def delete(home: Home, model: Model) -> None:
    """Take a model out of the registry."""
    registry.delete(home, model.id)
    looking.forget("model")


view.title()
shown = st.segmented_control(
    "View",
    (REGISTRY, GET, DISK),
    default=REGISTRY,
    key="models_view",
    required=True,
    label_visibility="collapsed",
    bind="query-params",
)
with messages.edge():
    if shown == DISK:
        disk.checkpoints(home, clear)
    elif shown == GET:
        getting.draw(home, getting.Verbs(look_up, download, stop, resume, save_token, partial(hub.save_token, home, ""), add))
    else:
        found = models.all(home)
        chosen = view.registry(home, found)
        if chosen is not None:
            view.heading(chosen)
            lineage.chain(home, chosen)
            scores.table(home, chosen)
            scores.form(home, chosen, partial(measure, chosen))
            scores.under_way(home, chosen)
            view.download(home, chosen, partial(export, chosen))
            view.delete(home, chosen, partial(delete, home, chosen))

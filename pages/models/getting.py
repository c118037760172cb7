"""Draws how a real model gets here: a list to pick from, any hub id, a local folder, downloads under way, the token."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import streamlit as st

from engine import hub, machine
from engine.jobs import health
from engine.offers import OFFERS, Offer, fits
from pages.models import view
from pages.parts import inert, live, messages, words
from pages.parts.badges import Badge
from storage import models, runs
from storage.home import Home
from storage.records import LIVE, Run

LABELS = {
    "fits": Badge("fits", ":material/check_circle:", "green"),
    "tight": Badge("tight", ":material/warning:", "orange"),
    "exceeds": Badge("exceeds", ":material/error:", "red"),
}
SIGNS = {"fits": "✓ fits", "tight": "≈ tight", "exceeds": "✕ exceeds"}
WORKS = {"chat": "Chat", "lora": "LoRA", "full": "Full fine-tuning"}
RECENT = 50  # runs among which downloads are looked for
SHOWN = 4  # downloads shown at most


@dataclass(frozen=True)
class Verbs:
    """What the page does when a button is pressed."""

    look_up: Callable[[], None]
    download: Callable[[str], None]
    stop: Callable[[int], None]
    resume: Callable[[int], None]
    save_token: Callable[[], None]
    forget_token: Callable[[], None]
    add: Callable[[], None]


def draw(home: Home, verbs: Verbs) -> None:
    """Everything about getting a model."""
    here = machine.look(home)
    st.caption(
        f"Labels compare what a model needs with the {words.size(here.memory_free)} that are free on this machine "
        f"({inert.plain(here.device)}) now. Only settings, tokenizer and safetensors weights are fetched, never code."
    )
    offer = _choose(here)
    look_up(verbs.look_up)
    if offer is not None:
        _card(home, offer, here, verbs)
    downloads(home, verbs)
    with st.expander("A token for gated models", icon=":material/key:"):
        _token(home, verbs)
    view.add(verbs.add)


def _choose(here: machine.Machine) -> Offer | None:
    """The model looked at: one of the list, or the id that was looked up last."""
    labels = [fits(offer.parameters, here) for offer in OFFERS]
    frame = pl.DataFrame(
        {
            "Model": [offer.id for offer in OFFERS],
            "Weights": [words.short(offer.parameters) for offer in OFFERS],
            "Download": [words.size(offer.bytes) for offer in OFFERS],
            "Licence": [offer.license for offer in OFFERS],
            "Context": [words.count(offer.context) for offer in OFFERS],
            **{title: [SIGNS[found[work]] for found in labels] for work, title in WORKS.items()},
            "Good for": [offer.about for offer in OFFERS],
        }
    )
    state = st.dataframe(
        frame, hide_index=True, on_select=_forget_looked_up, selection_mode="single-row", key="offers",
        column_config={"Model": st.column_config.TextColumn(width=290)},
        alt="Models to start from, smallest first",
    )  # fmt: skip
    return st.session_state.get("looked_up") or next((OFFERS[i] for i in state["selection"]["rows"]), None)


def _forget_looked_up() -> None:
    st.session_state.pop("looked_up", None)


def asked_id() -> str:
    return st.session_state["hub_id"].strip()


def _card(home: Home, offer: Offer, here: machine.Machine, verbs: Verbs) -> None:
    """One model before it is fetched: what it is, whether it fits, and the button."""
    known = next((m for m in models.all(home) if m.path == str(hub.folder_of(home, offer.id))), None)
    with st.container(border=True, key="offer"):
        st.markdown(f"**{inert.plain(offer.id)}**")
        facts = (
            f"{words.short(offer.parameters)} weights",
            f"{words.size(offer.bytes)} to fetch, {words.size(here.disk_free)} of disk free",
            f"licence {inert.plain(offer.license)}",
            f"{words.count(offer.context)} tokens of context",
        )
        st.caption("  ·  ".join(facts) + (f"  \n{inert.plain(offer.about)}" if offer.about else ""))
        found = fits(offer.parameters, here)
        st.markdown(" &emsp; ".join(f"{title} {LABELS[found[work]].markdown}" for work, title in WORKS.items()))
        if known is not None:
            st.markdown(f":green[:material/check_circle:] It is here, as {inert.plain(known.name)}.")
        else:
            st.button(
                f"Download {words.size(offer.bytes)}", icon=":material/download:", type="primary", key="download",
                on_click=verbs.download, args=(offer.id,),
            )  # fmt: skip


@st.fragment(run_every=1)
def downloads(home: Home, verbs: Verbs) -> None:
    """The downloads under way or ended last, each with its stop or resume."""
    messages.kept("download")
    with messages.edge():
        latest: dict[str, Run] = {}
        for run in runs.page(home, RECENT):
            if run.kind == "download":
                latest.setdefault(run.name, run)
        open_ones = [run for run in latest.values() if run.status != "succeeded"][:SHOWN]
        if _ended(latest):
            st.rerun()  # the card above says that the model is here
        for run in open_ones:
            live.card(home, health.view(home, run), link=False)
            if run.status in LIVE:
                st.button(
                    "Stop", icon=":material/stop_circle:", key=f"stop_{run.id}", on_click=verbs.stop, args=(run.id,),
                    disabled=run.stop_requested,
                )  # fmt: skip
            else:
                st.button(
                    "Resume", icon=":material/play_arrow:", key=f"resume_{run.id}", on_click=verbs.resume, args=(run.id,),
                    help="What was fetched before is kept",
                )  # fmt: skip


def _ended(latest: dict[str, Run]) -> bool:
    """Whether a download has come whole since the last look."""
    whole = {run.id for run in latest.values() if run.status == "succeeded"}
    before = st.session_state.get("whole_downloads", whole)
    st.session_state["whole_downloads"] = whole
    return bool(whole - before)


def look_up(act: Callable[[], None]) -> None:
    """Ask for any id of the hub."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        id = st.text_input("Or any Hugging Face id", key="hub_id", placeholder="owner/name", width=420)
        st.button("Look up", icon=":material/search:", on_click=act, key="look_up", disabled=not (id or "").strip())
    messages.kept("look_up")


def _token(home: Home, verbs: Verbs) -> None:
    st.caption(
        f"Some models ask you to accept their terms first. The token of your account lies in {inert.plain(hub.token_file(home))}, "
        "readable by you alone, and never in the database. It is sent to the hub and nowhere else."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Token", type="password", key="hub_token", width=420, autocomplete="off")
        st.button("Save", icon=":material/save:", key="save_token", on_click=verbs.save_token)
        if hub.token_file(home).exists():
            st.button("Forget", icon=":material/delete:", key="forget_token", on_click=verbs.forget_token)
    if hub.token_file(home).exists():
        st.markdown(":green[:material/check_circle:] A token is kept.")

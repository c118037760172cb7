"""Draws a bake-off that was launched: where it stands while it lives, then picture, sentences and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from engine.errors import TemperError
from engine.jobs import health, submit
from pages.bakeoff import deploy, items, picture
from pages.bakeoff.form import VARIANTS
from pages.parts import badges, go, inert, live, messages, words
from storage import datasets, runs
from storage.home import Home
from storage.records import LIVE, Run

RUN, CHOSEN = "run", "bakeoff_run"
RECENT = 500  # runs among which bake-offs are looked for
Told = Mapping[str, Any]


def draw(home: Home) -> None:
    """Draw the bake-off that the address names, or the newest."""
    found = {run.id: run for run in runs.page(home, RECENT) if run.kind == "bakeoff"}
    if not found:
        messages.empty(
            "No bake-off yet", "Set one up: the same questions, several ways to answer them, one picture.", ":material/balance:"
        )
        return
    asked = st.query_params.get(RUN, "")
    held = int(asked) if asked.isdecimal() else st.session_state.get(CHOSEN)
    if asked and held not in found:
        st.warning(f"Run {inert.plain(asked, 20)} is no bake-off that is here.", icon=":material/help:")
    st.session_state[CHOSEN] = held if held in found else next(iter(found))
    if len(found) > 1:
        st.selectbox(
            "Bake-off", list(found), key=CHOSEN, label_visibility="collapsed", on_change=turn,
            format_func=lambda i: f"{found[i].name}  ·  run {i}  ·  {badges.STATUS[found[i].status].word.lower()}",
        )  # fmt: skip
    run = found[st.session_state[CHOSEN]]
    st.query_params[RUN] = str(run.id)
    heading(home, run)
    if run.status in LIVE:
        st.fragment(living, run_every=1.5)(home, run)
    elif run.summary.get("candidates"):
        outcome(home, run)
    else:
        st.error(
            inert.plain(f"{run.reason or 'It was stopped before anything was compared.'} {run.next_step or ''}", 2000),
            icon=":material/error:",
        )


def turn() -> None:
    """As a callback: look at the bake-off that was chosen."""
    st.query_params[RUN] = str(st.session_state[CHOSEN])


def heading(home: Home, run: Run) -> None:
    """Draw name, questions and the ways on."""
    data = datasets.get(home, run.request["dataset_id"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(inert.plain(run.name, 80), width="content", anchor=False)
        badges.status(run.status, stop_requested=run.stop_requested).draw()
    facts = [f"run {run.id}", f"questions {inert.plain(data.title if data else 'that are gone')}"]
    facts.append(f"n = {words.count(run.summary['n'])}" if "n" in run.summary else f"{len(run.request['candidates'])} candidates")
    if run.ended_at:
        facts.append(words.ago(run.ended_at))
    st.caption("  ·  ".join(facts))
    messages.kept("bakeoff_run")
    with st.container(horizontal=True):
        if run.status in LIVE:
            st.button(
                "Stop", icon=":material/stop_circle:", key="bakeoff_stop", disabled=run.stop_requested, on_click=stop,
                args=(home, run.id),
            )  # fmt: skip
        go.button("Again with changes", ":material/replay:", "bakeoff", key="bakeoff_again", query={"again": run.id})
        go.button("The run's log", ":material/article:", "runs", key="bakeoff_log", type="tertiary", run=run.id)


def stop(home: Home, run_id: int) -> None:
    """As a callback: ask the bake-off to stop."""
    try:
        submit.stop(home, run_id)
    except TemperError as problem:
        messages.keep(problem, "bakeoff_run")


def living(home: Home, drawn: Run) -> None:
    """Draw where a live bake-off stands; when it has ended, the page is drawn anew with what came of it."""
    with messages.edge():
        run = submit.find(home, drawn.id)
        if (run.status, run.stop_requested) != (drawn.status, drawn.stop_requested):
            st.rerun(scope="app")
        live.card(home, health.view(home, run))
        names = [inert.plain(one["name"], 60) for one in run.request["candidates"]]
        st.caption(f"The candidates answer one after another: {', '.join(names)}.")


def outcome(home: Home, run: Run) -> None:
    """Draw picture, sentences, tables and items."""
    summary = run.summary
    told: list[dict[str, Any]] = summary["candidates"]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown("**Right**, with 95 % intervals")
        picture.reached(told, key=f"bakeoff_reached_{run.id}")
    with right:
        st.markdown(f"**Difference to {inert.plain(summary['cheapest'], 40)}**, the cheapest, on the same questions")
        picture.differences(told, summary["cheapest"], key=f"bakeoff_differences_{run.id}")
    with st.container(border=True, key="bakeoff_sentences", gap="small"):
        for number, sentence in enumerate(summary["sentences"]):
            text = inert.plain(sentence, 1000)
            st.markdown(f":material/balance: **{text}**" if not number else text)
    table(told, summary["cheapest"])
    otherwise(told)
    grounds(run, told)
    deploy.draw(home, run)
    items.draw(home, run)


def table(told: Sequence[Told], cheapest: str) -> None:
    """Draw every candidate with what it reaches and what it costs."""
    frame = pl.DataFrame(
        {
            "Candidate": [one["name"] for one in told],
            "Kind": [picture.KINDS[one["kind"]][0] for one in told],
            "Right": [picture.told(one) for one in told],
            "Difference": [picture.apart(one["difference"]) if one["difference"] else "the cheapest" for one in told],
            "Passages hold it": [picture.told(one["recall"]) if one.get("recall") else "" for one in told],
            "Tokens": [one["tokens"] for one in told],
            "Prompt": [one["prompt_tokens"] for one in told],
            "Seconds": [one["seconds"] for one in told],
            "Training": [one["training_seconds"] / 60 for one in told],
            "Tries": [one["tries"] for one in told],
            "Refused": [one["refused"] for one in told],
        }
    )
    number = st.column_config.NumberColumn
    config = {
        "Candidate": st.column_config.TextColumn(width="medium", pinned=True),
        "Difference": st.column_config.TextColumn(help=f"To {cheapest} on the same questions, in points"),
        "Passages hold it": st.column_config.TextColumn(help="How often one of the passages shown holds the answer"),
        "Tokens": number(format="%.0f", help="Of an answer, all its tries together"),
        "Prompt": number("Prompt tokens", format="%.0f"),
        "Seconds": number(format="%.2f", help="An answer"),
        "Training": number("Training, min", format="%.1f", help="Of the model and of all that it was trained from"),
        "Tries": number(format="%.2f", help="How often the model was asked for an answer, on average"),
        "Refused": number(format="%d"),
    }
    st.dataframe(
        frame, hide_index=True, column_config=config, alt="Candidates with what they reach and cost", key="bakeoff_table"
    )


def otherwise(told: Sequence[Told]) -> None:
    """Draw what remains right when the questions are asked otherwise."""
    kinds: list[str] = list(dict.fromkeys(kind for one in told for kind in one["variants"]))
    if not kinds:
        return
    st.subheader("Asked otherwise", help="What holds as asked and not here is simple but brittle")
    columns = {"Candidate": [one["name"] for one in told], "As asked": [picture.told(one) for one in told]}
    for kind in kinds:
        columns[VARIANTS.get(kind, kind)] = [_shaken(one, kind) for one in told]
    config = {
        "Candidate": st.column_config.TextColumn(width="medium", pinned=True),
        VARIANTS["absent"]: st.column_config.TextColumn(
            help="The passages that hold the answer are kept back; right is to say so"
        ),
    }
    st.dataframe(
        pl.DataFrame(columns), hide_index=True, column_config=config, alt="Right when asked otherwise", key="bakeoff_otherwise"
    )


def _shaken(one: Told, kind: str) -> str:
    found = one["variants"].get(kind)
    if found is None:
        return ""
    lost = 100 * (one["value"] - found["value"])
    return picture.told(found) + (f"  ▼ {lost:.0f}" if kind != "absent" and lost >= 0.5 else "")


def grounds(run: Run, told: Sequence[Told]) -> None:
    """Draw how good the passages were and how the answers rest on them."""
    looked = [one for one in told if "recall" in one]
    if not looked:
        return
    st.subheader("Passages and answers")
    shown = {
        "Candidate": [one["name"] for one in looked],
        "Passages hold it": [picture.told(one["recall"]) if one["recall"] else "not known" for one in looked],
        "Reciprocal rank": [one["reciprocal_rank"] for one in looked],
        "Answers that rest on them": [picture.told(one["faithful"]) if one["faithful"] else "" for one in looked],
        "Citations": [one["citations"] for one in looked],
        "Citations right": [picture.told(one["citations_right"]) if one["citations_right"] else "" for one in looked],
    }
    config = {
        "Candidate": st.column_config.TextColumn(width="medium", pinned=True),
        "Reciprocal rank": st.column_config.NumberColumn(
            format="%.2f", help="1 where the first passage always holds the answer, 0.5 where it is the second"
        ),
        "Answers that rest on them": st.column_config.TextColumn(help="All claims of the answer are supported by a passage"),
    }
    st.dataframe(pl.DataFrame(shown), hide_index=True, column_config=config, alt="Passages and answers", key="bakeoff_grounds")
    st.caption(f"Whether a passage supports a claim is said by {support(run)}.")


def support(run: Run) -> str:
    """What decided whether passages support what is claimed, and what of it could not be read."""
    if not run.request.get("judge"):
        model = inert.plain(run.request.get("entailment") or "", 80)
        return model or "a rule: the passage holds its numbers, its names and most of its other words"
    unread = run.summary.get("unread", 0)
    lost = (
        f"; {words.plural(unread, 'reply', 'replies')} of it held no verdict and {'counts' if unread == 1 else 'count'} as no"
        if unread
        else ""
    )
    return f"the judge {inert.plain(run.request['judge'], 60)}{lost}"

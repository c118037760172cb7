"""One run: where it stands, what can be done with it, its curves, samples, log, recipe and lineage."""

from functools import partial

import streamlit as st

from engine.jobs import health, submit
from pages.parts import confirm, go, messages, queue
from pages.runs import facts, outcome, progress, view
from pages.runs.facts import Facts
from storage.home import Home
from storage.records import LIVE, Run

# seconds between two looks at a run that lives, and at one that has ended. Each costs the browser a tenth of a second,
# whatever it shows, and on a small machine that is taken from the training
EVERY_LIVE, EVERY_ENDED = 3.0, 5.0
EVERY_REWARDED = 6.0  # of reinforcement learning, which has twice the curves and longer steps
TABS = ("Curves", "Samples", "Log", "Recipe")


def show(home: Home, run: Run) -> None:
    """Draw the page of one run."""
    known = facts.gather(home, run)
    view.header(known)
    actions(home, known)
    lives = run.status in LIVE
    if lives:
        rewarded = known.method is not None and known.method.family == "rewards"
        st.fragment(living, run_every=EVERY_REWARDED if rewarded else EVERY_LIVE)(home, run)
    else:
        st.fragment(head, run_every=EVERY_ENDED)(home, run)
        st.fragment(details)(home, run)


def living(home: Home, drawn: Run) -> None:
    """Draw where the run stands and what it has told so far: both in one go, which costs the browser half."""
    head(home, drawn)
    details(home, drawn)


def head(home: Home, drawn: Run) -> None:
    """Draw where the run stands; when its state has changed, the whole page is drawn anew."""
    run = submit.find(home, drawn.id)
    if (run.status, run.stop_requested) != (drawn.status, drawn.stop_requested):
        st.rerun()
    now = health.view(home, run)
    messages.kept("run")
    with messages.edge():
        if now.status in ("failed", "interrupted", "lost"):
            failure(home, run, now)
        progress.draw(home, now)


def details(home: Home, drawn: Run) -> None:
    """Draw what the run has told so far."""
    run = submit.find(home, drawn.id)
    with messages.edge():
        if run.kind != "train":
            view.result(facts.gather(home, run))
            view.drawn(facts.gather(home, run))
            view.log(home, run)
            return
        outcome.draw(run)
        tabs = dict(zip(TABS, st.tabs(TABS, key="show", bind="query-params"), strict=True))
        draw = {
            "Curves": lambda: progress.curves_of(home, health.view(home, run)),
            "Samples": lambda: (view.samples(facts.gather(home, run)), view.drawn(facts.gather(home, run))),
            "Log": lambda: view.log(home, run),
            "Recipe": lambda: view.recipe(home, facts.gather(home, run)),
        }
        for name, tab in tabs.items():
            if tab.open:
                with tab:
                    draw[name]()


def actions(home: Home, known: Facts) -> None:
    """Draw what can be done with the run as it is now."""
    run = known.run
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.status in LIVE:
            asked = run.stop_requested
            if st.button("Stopping…" if asked else "Stop", icon=":material/stop_circle:", key="run_stop", disabled=asked):
                ask_to_stop(home, known)
        elif run.status == "stopped":  # what failed has its way on beside the reason
            st.button(resuming(known), icon=":material/play_arrow:", key="run_resume", on_click=resume, args=(home, run.id))
        if known.made is not None and known.made.task == "language":
            go.button(
                "Compare in chat", ":material/forum:", "chat", key="run_chat", type="primary",
                help="Ask the base and the tuned model the same, side by side", models=",".join(known.base_and_made),
            )  # fmt: skip
        if "project_id" in run.request:
            go.button("To its labels", ":material/thumbs_up_down:", "labels", key="run_labels", project=run.request["project_id"])
        if run.kind == "train":
            go.button(
                "Run again with changes", ":material/replay:", "train", key="run_again",
                help="Opens the form with this run's recipe", again=run.id,
            )  # fmt: skip
            go.button(
                "Compare curves", ":material/compare_arrows:", "runs", key="run_compare",
                help="Lay this run's curves over those of others", compare=run.id,
            )  # fmt: skip


def resuming(known: Facts) -> str:
    """What resuming means for this run, as a button says it."""
    return f"Resume from step {known.kept[-1].step}" if known.kept else "Start over"


def ask_to_stop(home: Home, known: Facts) -> None:
    """Ask once more, then ask the run to stop."""
    run = known.run
    if run.status == "queued":
        lines = ["It has not begun. It leaves the queue, and can be started later."]
    else:
        lines = [
            "It finishes its step and writes a checkpoint, which takes up to ten seconds.",
            "You can resume it from there later.",
        ]
    confirm.confirm(f"Stop run {run.id}?", lines, "Stop the run", lambda: stop(home, run.id), said="The run was asked to stop.")


def stop(home: Home, run_id: int) -> None:
    """Ask the run to stop."""
    submit.stop(home, run_id)


def resume(home: Home, run_id: int) -> None:
    """Queue the run again from its newest whole checkpoint, and see to it that an engine is there to take it."""
    queue.put(home, "run", partial(submit.resume, home, run_id))


def failure(home: Home, run: Run, now: health.RunView) -> None:
    """Draw why a run ended badly and the one thing to do next."""
    if now.status == "lost":
        st.warning(
            "The run's process is gone, and the engine is about to find out why. "
            + ("" if health.engine(home).running else "It is not running: start it in the side bar."),
            title="No sign of life",
            icon=":material/help:",
        )
        return
    step = facts.next_step(home, run)
    view.failure_card(run)
    elsewhere = step is not None and step.page != "resume"
    with st.container(horizontal=True):
        if step is not None and elsewhere:
            go.button(step.label, step.icon, step.page, key="card_step", type="primary", query=step.query)
        st.button(
            resuming(facts.gather(home, run)), icon=":material/play_arrow:", key="run_resume",
            type="secondary" if elsewhere else "primary", on_click=resume, args=(home, run.id),
        )  # fmt: skip

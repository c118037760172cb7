"""How far a run is: phases with their times, progress, the latest figures, and the live curves."""

from dataclasses import dataclass

import streamlit as st

from engine.jobs import health
from engine.jobs.health import RunView
from pages.parts import curves, inert, live, strip, words
from storage import events, runs
from storage.home import Home
from storage.records import LIVE, Event


@dataclass(frozen=True)
class Phase:
    """One phase of a run's latest go, and how long it took; None while it lasts."""

    name: str
    seconds: float | None


def phases(told: list[Event], until: str | None) -> list[Phase]:
    """The phases since the run last began, with their lengths; those that come again and again are told once, at their last.

    ``until`` is when the run ended, if it has.
    """
    if not told:
        return []
    names = [event.body["name"] for event in told]
    begun = max(i for i, name in enumerate(names) if name == names[0])
    spans: dict[str, Phase] = {}
    ends = [words.moment(event.at) for event in told[begun + 1 :]] + [words.moment(until) if until else None]
    for event, end in zip(told[begun:], ends, strict=True):
        seconds = (end - words.moment(event.at)).total_seconds() if end else None
        name = event.body["name"]
        before = spans[name].seconds or 0 if name in spans else 0
        last = event is told[-1]
        if last:
            spans.pop(name, None)
        spans[name] = Phase(name, None if seconds is None else before + seconds)
    return list(spans.values())


def draw(home: Home, now: RunView) -> None:
    """Draw phases, the progress bar and the latest figures of a run."""
    run = now.run
    if run.status in LIVE and not health.engine(home).running:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            goes_on = "A run that has begun goes on" if run.status == "running" else "It begins when the engine runs again"
            st.markdown(f":orange[:material/warning:] **The engine is not running.** {goes_on}.")
            st.button("Start the engine", key=f"start_engine_{run.id}", on_click=strip.start, args=(home,))
    spans = phases(events.of_run(home, run.id, "phase"), run.ended_at)
    if run.status == "queued":
        before = sum(other.priority < run.priority for other in runs.in_status(home, "queued"))
        st.progress(0.0, text=f":material/schedule: Number {before + 1} in the queue. It begins by itself.")
    elif run.status == "running":
        share = min(1.0, now.step / now.steps) if now.steps else float(now.phase_done or 0.0)
        st.progress(share, text=live.line(now))
    if spans:
        st.caption(_trail(spans, run.status), width="stretch")
    if now.stalled:
        st.warning(
            "The process lives but tells nothing. It may wait for the disk or for memory. Stopping it keeps the last checkpoint.",
            title=f"No sign of progress for {words.duration(now.heartbeat_age or 0)}",
            icon=":material/hourglass_top:",
        )
    if run.kind == "train":
        _figures(home, now)


def _trail(spans: list[Phase], status: str) -> str:
    """The phases as one line of our own Markdown."""
    marks = []
    for i, span in enumerate(spans):
        last = i == len(spans) - 1
        icon = ":material/check_circle:"
        if last and status in LIVE:
            icon = ":material/play_circle:"
        elif last and status != "succeeded":
            icon = ":material/error:" if status == "failed" else ":material/stop_circle:"
        took = f" {words.duration(span.seconds)}" if span.seconds is not None else ""
        name = inert.plain(span.name)
        marks.append(f"{icon} {f'**{name}**' if last and status in LIVE else name}{took}")
    return "  →  ".join(marks)


def _figures(home: Home, now: RunView) -> None:
    run, latest = now.run, events.latest(home, now.run.id)
    if "loss" not in latest:
        return
    tokens, seconds = latest.get("tokens", (0, 0.0))[1], latest.get("training_seconds", (0, 0.0))[1]
    held_out = run.summary.get("held_out_loss") or latest.get("eval_loss", (0, None))[1]
    shown = [
        ("Training loss", _figure(latest["loss"][1], "not a number")),
        ("Held-out loss", _figure(held_out, "–")),
    ]
    if "reward" in latest:  # what the loss of reinforcement learning is says little
        shown = [
            ("Reward", _figure(latest["reward"][1], "not a number")),
            ("Reward held out", _figure(latest.get("eval_reward", (0, None))[1], "–")),
        ]
    shown += [
        ("Step", f"{now.step:,} of {now.steps:,}" if now.steps else f"{now.step:,}"),
    ]
    if tokens and seconds:
        shown.append(("Tokens per second", words.count(tokens / seconds)))
    elif "seconds_per_step" in latest:
        shown.append(("Seconds per step", f"{latest['seconds_per_step'][1]:.2f}"))
    with st.grid(4, min_column_width=140, gap="small"):
        for label, value in shown:
            st.metric(label, value, border=True)


def _figure(value: float | None, without: str) -> str:
    """A loss in words; a value that is not a number is stored as none."""
    return words.figure(value) if value is not None else without


def curves_of(home: Home, now: RunView) -> None:
    """Draw every series of the run, thinned to what a screen can show."""
    run = now.run
    found = curves.panels(home, run)
    if not found:
        st.caption("The curves begin with the first step.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        weight = st.slider(
            "Smoothing", 0.0, 0.95, 0.6, 0.05, key="curves_smoothing", persist_state="session", width=220,
            help="Draws a moving average over the measured values, which stay visible behind it. 0 shows the values alone.",
        )  # fmt: skip
        logarithmic = st.toggle("Logarithmic loss", key="curves_log", persist_state="session")
    until = now.steps if run.status in LIVE else None
    first, rest = found[0], found[1:]
    st.markdown(f"**{inert.plain(first.title)}**", help=first.tells or None)
    curves.draw(
        first.title, curves.lines_of(home, run, first, weight), key=f"curve_{run.id}_0", height=300,
        logarithmic=logarithmic and first.title == "Loss", until=until,
    )  # fmt: skip
    grid = st.grid(2, min_column_width=300)
    for i, panel in enumerate(rest, start=1):
        with grid.cell():
            st.markdown(f"**{inert.plain(panel.title)}**", help=panel.tells or None)
            lines = curves.lines_of(home, run, panel, weight)
            curves.draw(panel.title, lines, key=f"curve_{run.id}_{i}", height=190, until=until)

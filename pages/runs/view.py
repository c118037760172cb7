"""Draws one run: its head, its failure, its samples as a time line, its log, its recipe and lineage."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import streamlit as st

from engine import registry
from engine.errors import TemperError
from engine.rewards import samples as samples_drawn
from pages.parts import badges, command, go, inert, messages, words
from pages.runs import facts
from pages.runs.facts import Facts
from storage import events, runs
from storage.home import Home
from storage.records import LIVE, Run

TITLES = {
    "out of memory": "There was not enough memory",
    "disk full": "The disk was full",
    "not a number": "The loss stopped being a number",
    "nothing to learn": "No answer was good enough to learn from",
    "bad reward": "Your own reward gave no number",
    "bad data": "The data cannot be used",
    "damaged": "Something stored is damaged",
    "unreachable": "The hub could not be reached",
    "killed": "Something ended the run from outside",
    "lost": "The run was lost",
    "bug": "A fault in the program",
}
CHOSEN = ("device", "batching", "micro_batch", "learning_rate", "dtype")  # what a log line begins with that tells a choice
AT_ONCE = 6  # steps of a time line that are drawn before one is asked for the rest
DRAWN = 1_000  # answers that a page shows
LOG_TAIL = 64_000  # bytes of the log file that a page shows


def header(known: Facts) -> None:
    """Draw name, status and one line about the run."""
    run = known.run
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(inert.plain(run.name, 80), width="content")
        badges.status(run.status, stop_requested=run.stop_requested).draw()
    told = [known.method.title if known.method else words.KINDS.get(run.kind, run.kind.capitalize())]
    if known.start is not None:
        told[0] += f" of {inert.plain(known.start.name)}"
    if known.dataset is not None:
        told[0] += f" on {inert.plain(known.dataset.title)}"
    if run.started_at:
        told.append(f"started {words.ago(run.started_at)}")
    if facts.took(run):
        told.append(f"took {facts.took(run)}")
    st.caption(f"Run {run.id}  ·  " + "  ·  ".join(told))


def failure_card(run: Run) -> None:
    """Draw why a run did not reach its end, and what to do next in words."""
    title = TITLES.get(run.failure or "", "The run was interrupted")
    said = inert.plain(run.reason or "Nobody saw it end.", 2000)
    body = f"{said}\n\n{inert.plain(run.next_step, 400)}" if run.next_step else said
    draw = st.error if run.status == "failed" else st.warning
    draw(body, title=title, icon=":material/error:" if run.status == "failed" else ":material/pause_circle:")


def result(known: Facts) -> None:
    """Draw the figures that a run which is no training left."""
    summary = known.run.summary
    figures = {k: v for k, v in summary.items() if isinstance(v, int | float | str) and not k.endswith("_id")}
    if figures:
        lines = {
            inert.plain(name.replace("_", " ").capitalize()): inert.plain(f"{v:.3g}" if isinstance(v, float) else v)
            for name, v in figures.items()
        }
        st.table(lines, border="horizontal", width="content", alt="What the run came to")
    if "dataset_id" in summary:
        go.button("See the data", ":material/database:", "datasets", key="result_data", dataset=summary["dataset_id"])


def samples(known: Facts) -> None:
    """Draw what the model said to each fixed prompt, evaluation after evaluation."""
    home, run = known.home, known.run
    told: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for event in events.of_run(home, run.id, "sample"):
        told[event.body["prompt"]].append((event.step or 0, event.body["text"]))
    if not told and known.made is not None and known.made.task != "language":
        st.caption("A reward model writes nothing, so there are no answers of it.")
        return
    if not told:
        st.caption("At each evaluation the model answers the same few prompts; the answers will stand here.")
        return
    st.caption("The same prompts at each evaluation. From top to bottom one sees what the training changes.")
    steps = sorted({step for lines in told.values() for step, _ in lines})
    shown = set(steps)
    if len(steps) > AT_ONCE:
        low, high = span(run, steps)
        shown = {step for step in steps if low <= step <= high}
    for column, (prompt, lines) in zip(st.columns(len(told)) if len(told) <= 3 else [st] * len(told), told.items(), strict=True):
        with column.container(border=True, height="stretch"):
            inert.turn("user", prompt)
            before = None
            for step, text in lines:
                if step in shown:
                    answer(step, text, before, newest=step == steps[-1])
                before = text


def span(run: Run, steps: list[int]) -> tuple[int, int]:
    """Ask from which step to which; whoever looks at the newest goes on doing so when there is a newer one."""
    newest, (low, high) = st.session_state.get(f"sample_span_{run.id}", (0, (steps[-AT_ONCE], 0)))
    newest = steps[-1] if high == newest else newest  # in the key: a slider keeps the range that it was first drawn with
    low, high = st.select_slider("Steps", steps, value=(low, newest), key=f"sample_steps_{run.id}_{newest}")
    st.session_state[f"sample_span_{run.id}"] = (newest, (low, high))
    return low, high


def drawn(known: Facts) -> None:
    """Draw the answers that a run has drawn and rewarded, the best of each prompt first."""
    folder = known.home.run(known.run.id)
    if known.run.status in LIVE or not (folder / samples_drawn.FOLDER).is_dir():
        return
    found = samples_drawn.read(folder)
    st.markdown(f"**{words.plural(len(found), 'answer')} with their rewards**")
    columns = [name for name in ("prompt", "text", "reward", "tokens", "ended") if name in found.columns]
    st.dataframe(found.head(DRAWN).select(columns), hide_index=True, key=f"run_drawn_{known.run.id}")
    if len(found) > DRAWN:
        st.caption(f"The first {DRAWN:,} of them; all are in {inert.plain(folder / samples_drawn.FOLDER, 400)}.")


def answer(step: int, text: str, before: str | None, newest: bool) -> None:
    """Draw one point of the time line; an answer that did not change since the last one is said to be the same."""
    with st.container(gap="xxsmall"):
        same = "  as before" if text == before else ""
        st.caption(f":material/{'flag' if newest else 'circle'}: **Step {step:,}**{'  newest' if newest else ''}{same}")
        if text != before:
            inert.text(text if text.strip() else "(nothing)")


def log(home: Home, run: Run) -> None:
    """Draw what the run told, and the end of what its process printed."""
    lines = [f"{event.at[11:19]}  {event.body['text']}" for event in events.of_run(home, run.id, "log")]
    if lines:
        inert.code("\n".join(lines))
    else:
        st.caption("Nothing told yet." if run.status in LIVE else "It had nothing to tell.")
    file = home.run(run.id) / "log.txt"
    printed = st.expander("Everything the process printed", icon=":material/terminal:", on_change="rerun", key=f"log_{run.id}")
    if printed.open:
        with printed:
            st.caption(f"The whole log: {inert.plain(file, 400)}")
            inert.code(tail(file) or "(empty)", height=420, longest=LOG_TAIL)


def tail(file: Path) -> str:
    """The last lines of a file, as text; empty where there is none."""
    if not file.exists():
        return ""
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(0, size - LOG_TAIL))
        text = opened.read().decode("utf-8", "replace")
    return text if size <= LOG_TAIL else "…" + text[text.find("\n") :]


def recipe(home: Home, known: Facts) -> None:
    """Draw the settings, where the run comes from and what came of it, its checkpoints and its life."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Settings**")
        changed = known.changed
        table = {inert.plain(s.name): _value(value, s.name in changed) for s, value in known.settings}
        request = known.run.request
        table |= {"seed": _value(request.get("seed", 0), False), "dtype": _value(request.get("dtype", "auto"), False)}
        st.table(table, border="horizontal", alt="Settings of the run; changed ones are marked")
        st.caption(":blue-badge[changed] differs from the method's default.")
        chosen = chosen_lines(known)
        if chosen:
            st.markdown("**Chosen by itself**")
            st.table(chosen, border="horizontal", alt="What was chosen by the data, the model and the machine")
    with right:
        st.markdown("**Lineage**")
        lineage(known)
        st.markdown("**Checkpoints**")
        checkpoints(home, known)
        st.markdown("**Life**")
        for change in runs.history(known.home, known.run.id):
            after = badges.STATUS[change["after"]]
            st.caption(f"{after.icon} {after.word}  ·  {change['at'][:19].replace('T', ' ')} UTC")
    if known.start is not None and known.dataset is not None and known.method is not None:
        st.markdown("**The same from the command line**")
        line = command.train(
            known.home, known.method.name, known.start.name, known.dataset.title, known.changed,
            name=known.run.name, seed=known.run.request.get("seed", 0), dtype=known.run.request.get("dtype", "auto"),
        )  # fmt: skip
        inert.code(line, "bash")


def chosen_lines(known: Facts) -> dict[str, str]:
    """What the run told of its choices as it began: device, batching, rate and precision, each with its reason."""
    told = [event.body["text"] for event in events.of_run(known.home, known.run.id, "log")]
    parts = [line.partition(": ") for line in told]
    return {inert.plain(name.replace("_", " ")): inert.plain(reason) for name, _, reason in parts if name in CHOSEN}


def _value(value: Any, changed: bool) -> str:
    return f"{inert.plain(command.value(value))}{'  :blue-badge[changed]' if changed else ''}"


def lineage(known: Facts) -> None:
    """Draw what the run was made from and what was made of it."""
    run = known.run
    if known.start is not None:
        start = known.start
        st.caption(f":material/deployed_code: from **{inert.plain(start.name)}**  {inert.plain(start.fingerprint[:12])}")
    if known.dataset is not None:
        data = known.dataset
        told = f"{words.plural(data.rows, 'row')}, {inert.plain(data.shape)}, {data.sha256[:12]}"
        st.caption(f":material/database: on **{inert.plain(data.title)}**  {told}")
    if known.parent is not None:
        parent = known.parent.id
        go.button(f"After run {parent}", ":material/replay:", "runs", key="lineage_parent", type="tertiary", run=parent)
    if known.made is not None:
        st.caption(f":material/extension: made **{inert.plain(known.made.name)}**  {inert.plain(known.made.fingerprint[:12])}")
        go.button("See it in Models", ":material/deployed_code:", "models", key="lineage_made", type="tertiary")
    st.caption(f":material/folder: {inert.plain(known.home.run(run.id), 400)}")


def checkpoints(home: Home, known: Facts) -> None:
    """Draw the checkpoints that are on disk; each can be kept as a model, to be asked or compared like any other."""
    if not known.kept:
        st.caption("None on disk.")
    for kept in known.kept:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f":material/save: step {kept.step:,}  ·  {words.size(kept.bytes)}", width="content")
            st.button(
                "Keep as a model", icon=":material/deployed_code:", key=f"run_keep_{kept.step}", type="tertiary", on_click=keep,
                args=(home, known.run, kept.step), help="A copy of its weights, which stays when checkpoints are cleared",
            )  # fmt: skip
    messages.kept("run_keep")


def keep(home: Home, run: Run, step: int) -> None:
    """Make a model of a checkpoint."""
    try:
        made = registry.keep_checkpoint(home, run, step)
    except TemperError as problem:
        messages.keep(problem, "run_keep")
        return
    messages.done(f"{inert.plain(made.name)} is a model now.", ":material/deployed_code:")

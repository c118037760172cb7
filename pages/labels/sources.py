"""Where pairs come from, and who looks at them beside people: models that answer, files, data sets, judges; and what is labelled first."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, cast

import streamlit as st

from engine.data import uploads
from engine.errors import BadInput, TemperError
from engine.jobs import labelling
from engine.preferences import exchange, order
from engine.preferences.layouts import LAYOUTS
from pages.parts import asking, inert, messages, pickers, queue, words
from storage import models, runs
from storage.home import Home
from storage.records import LIVE, Project

KEY = "labels_source"
MODELS, FILE, DATA, JUDGE, ORDER, OUT = (
    "From models",
    "From a file",
    "From a data set",
    "A judge beside people",
    "Which come first",
    "Export",
)
ICONS = {
    MODELS: ":material/smart_toy:", FILE: ":material/upload_file:", DATA: ":material/database:", JUDGE: ":material/gavel:",
    ORDER: ":material/sort:", OUT: ":material/download:",
}  # fmt: skip
PROMPTED = ("prompt", "prompt_completion", "messages", "unpaired", "preference")
BY_CHANCE, BY_JUDGES, BY_MODEL = "By chance", "What judges disagree on", "What a reward model is unsure of"


def draw(home: Home, project: Project, expanded: bool) -> None:
    """Draw the ways in, and what is under way."""
    with st.expander("Add pairs, judges, order, export", icon=":material/add_circle:", expanded=expanded, key="labels_sources"):
        way = st.segmented_control(
            "What", list(ICONS), default=MODELS, key=KEY, required=True, label_visibility="collapsed", persist_state="session",
            format_func=lambda name: f"{ICONS[name]} {name}",
        )  # fmt: skip
        DRAWN[way or MODELS](home, project)
        messages.kept(KEY)
    under_way(home, project)


@st.fragment(run_every=3)
def under_way(home: Home, project: Project) -> None:
    """Runs that work for this project now; when the last one ends, the page is drawn anew."""
    held = f"{KEY}_live_{project.id}"
    live = [run for run in runs.page(home, 50) if run.status in LIVE and run.request.get("project_id") == project.id]
    for run in live:
        st.page_link(
            "pages/runs/page.py", label=f"{inert.plain(run.name, 60)}: {run.status}", icon=":material/monitoring:",
            query_params={"run": str(run.id)},
        )  # fmt: skip
    before, st.session_state[held] = st.session_state.get(held, 0), len(live)
    if before and not live:
        st.rerun(scope="app")


def _models(home: Home, project: Project) -> None:
    st.caption(
        "Two answers to each prompt, by one model drawn twice, or by two. Each pair keeps which weights wrote each side, and how."
    )
    left, right = st.columns(2)
    with left:
        first = pickers.model(home, "Model", key=f"{KEY}_first")
        second = pickers.model(
            home, "Second model", key=f"{KEY}_second", optional=True, help="None: the same one, with another seed"
        )
        data = pickers.dataset(
            home, "Prompts", key=f"{KEY}_prompts", shapes=("prompt", "prompt_completion", "messages"), prefer="prompt"
        )
        limit = st.number_input("Only this many prompts", 1, 1_000_000, value=200, key=f"{KEY}_limit", persist_state="session")
        seed = st.number_input("Seed", 0, 2**31, value=0, key=f"{KEY}_seed", persist_state="session")
        longest = st.number_input(
            "Longest answer, in tokens", 1, 100_000, value=256, step=32, key=f"{KEY}_longest", persist_state="session"
        )
    with right:
        warm = [
            st.slider(
                f"Temperature of the {which} answer", 0.0, 2.0, value=1.0, step=0.05, key=f"{KEY}_t{i}", persist_state="session"
            )
            for i, which in enumerate(("one", "other"))
        ]
        systems = [
            st.text_input(f"System prompt of the {which} answer", key=f"{KEY}_s{i}", persist_state="session", placeholder="None")
            for i, which in enumerate(("one", "other"))
        ]
    asked: dict[str, Any] = {
        "project": f"#{project.id}", "models": [f"#{m.id}" for m in (first, second) if m is not None],
        "dataset": f"#{data.id}" if data else "", "limit": int(limit), "systems": [s or "" for s in systems],
        "sampling": [{"temperature": t, "seed": int(seed), "max_tokens": int(longest)} for t in warm],
    }  # fmt: skip
    st.button(
        "Let them answer", type="primary", icon=":material/play_arrow:", key=f"{KEY}_sample", disabled=first is None or data is None,
        on_click=launch, args=(home, "sample", asked),
    )  # fmt: skip


def launch(home: Home, verb: str, asked: dict[str, Any]) -> None:
    """Queue a run for the project."""
    submit = partial(LAUNCHED[verb], home, **asked)
    run = queue.put(home, KEY, submit, f"labels {verb}")
    if run is not None:
        messages.done(f"{inert.plain(run.name)} is queued.", ":material/schedule:")


LAUNCHED = {"sample": labelling.sample, "judge": labelling.judge, "order": labelling.rank}


def _file(home: Home, project: Project) -> None:
    known = ", ".join(layout.title for layout in LAYOUTS.values())
    st.caption(
        f"JSON, JSON lines or CSV. Recognised: {known}. Votes come with their labellers; what is here already does not come in twice."
    )
    round = st.session_state.get(f"{KEY}_round", 0)
    file = st.file_uploader(
        f"A file of pairs or votes, up to {uploads.LARGEST} MB", key=f"{KEY}_file_{round}", max_upload_size=uploads.LARGEST
    )
    path = st.text_input("or its path on this machine", key=f"{KEY}_path", placeholder="/data/annotations.json")
    st.button(
        "Bring it in", type="primary", icon=":material/upload:", key=f"{KEY}_bring", disabled=file is None and not path,
        on_click=bring, args=(home, project, round),
    )  # fmt: skip


def bring(home: Home, project: Project, round: int) -> None:
    """Take the file into the project, and say what came of it."""
    held = st.session_state
    file = held.get(f"{KEY}_file_{round}")
    kept: Path | None = None
    try:
        path = kept = uploads.keep(home, file.name, file) if file is not None else None
        brought = exchange.bring(home, project, path or str(held.get(f"{KEY}_path") or "").strip())
    except TemperError as problem:
        messages.keep(problem, KEY)
        return
    finally:
        if kept is not None:
            kept.unlink(missing_ok=True)
    held[f"{KEY}_round"], held[f"{KEY}_path"] = round + 1, ""
    told(brought)


def told(brought: exchange.Brought) -> None:
    """Say what came of a file."""
    said = f"{words.plural(brought.pairs, 'pair')} and {words.plural(brought.votes, 'vote')} came in"
    if brought.known_pairs:
        said += f", {words.count(brought.known_pairs)} pairs were there already"
    messages.done(f"{said}.", ":material/download_done:")
    if brought.bad:
        first = brought.problems[0]
        problem = BadInput(f"{brought.bad} of {brought.rows} rows could not be used. Row {first.row}: {first.message}")
        messages.keep(problem, KEY)


def _data(home: Home, project: Project) -> None:
    st.caption("A frozen data set of preference pairs. What it calls chosen is kept as a vote beside those of people.")
    data = pickers.dataset(home, "Preference pairs", key=f"{KEY}_data", shapes=("preference",))
    st.button(
        "Take its pairs", type="primary", icon=":material/add:", key=f"{KEY}_take", disabled=data is None, on_click=take,
        args=(home, project, data),
    )  # fmt: skip


def take(home: Home, project: Project, data: Any) -> None:
    """Take the pairs of a data set."""
    try:
        told(exchange.from_dataset(home, project, data))
    except TemperError as problem:
        messages.keep(problem, KEY)


def _judge(home: Home, project: Project) -> None:
    st.caption(
        "A model looks at each pair in both orders. Its votes stand beside those of people; Quality shows how well it agrees with them."
    )
    address, name, principles = asking.judge(KEY)
    limit = st.number_input(
        "Only this many pairs", 1, 1_000_000, value=None, key=f"{KEY}_judged", placeholder="All", persist_state="session"
    )
    asked = {"project": f"#{project.id}", "address": address, "judge": name, "principles": principles, "limit": limit}
    st.button(
        "Let it judge", type="primary", icon=":material/gavel:", key=f"{KEY}_judge_go", disabled=not (address and name),
        on_click=launch, args=(home, "judge", asked),
    )  # fmt: skip


def _order(home: Home, project: Project) -> None:
    st.caption(
        "Labelling what is uncertain teaches more a vote. Pairs drawn by chance stand among them: only these tell how good the guess is."
    )
    by = st.segmented_control(
        "Label first",
        (BY_CHANCE, BY_MODEL, BY_JUDGES),
        default=BY_CHANCE,
        key=f"{KEY}_by",
        required=True,
        persist_state="session",
    )
    rewards = {m.id: m.name for m in models.all(home, "reward")}
    chosen = None
    if by == BY_MODEL:
        chosen = st.selectbox(
            "Reward model",
            list(rewards),
            key=f"{KEY}_reward",
            format_func=rewards.__getitem__,
            placeholder="None yet: train one with the method reward",
        )
    if by != BY_CHANCE:
        st.slider(
            "Drawn by chance among them, %",
            0,
            100,
            value=round(100 * order.CONTROL),
            step=5,
            key=f"{KEY}_control",
            persist_state="session",
        )
    st.button(
        "Put them in this order", type="primary", icon=":material/sort:", key=f"{KEY}_order_go", disabled=by == BY_MODEL and chosen is None,
        on_click=arrange, args=(home, project, by, chosen),
    )  # fmt: skip


def arrange(home: Home, project: Project, by: str, model: int | None) -> None:
    """Order the pairs that wait."""
    control = st.session_state.get(f"{KEY}_control", 100 * order.CONTROL) / 100
    if by == BY_MODEL:
        launch(home, "order", {"project": f"#{project.id}", "model": f"#{model}", "control": control})
        return
    try:
        if by == BY_CHANCE:
            order.shuffle(home, project)
            messages.done("Pairs come in the order of chance.", ":material/shuffle:")
        else:
            put = labelling.rank_by_judges(home, project, control)
            messages.done(f"{put['uncertain']} uncertain pairs come first, with {put['random']} drawn by chance among them.")
    except TemperError as problem:
        messages.keep(problem, KEY)


def _out(home: Home, project: Project) -> None:
    st.caption("Pairs with the votes that stand. Temper's own layout holds everything, and comes in again equal.")
    names = {layout.name: layout.title for layout in LAYOUTS.values() if layout.write}
    layout = cast(
        str, st.selectbox("As", list(names), key=f"{KEY}_layout", format_func=names.__getitem__, persist_state="session")
    )
    ending = "jsonl" if LAYOUTS[layout].lines else "json"

    def written() -> bytes:
        with tempfile.TemporaryDirectory(prefix="export-", dir=home.uploads) as folder:
            path = Path(folder) / f"labels.{ending}"
            exchange.export(home, project, path, layout)
            return path.read_bytes()

    st.download_button(
        "Export", data=written, file_name=f"labels-{project.id}-{layout}.{ending}", mime="application/json", icon=":material/download:",
        on_click="ignore", key=f"{KEY}_export",
    )  # fmt: skip


DRAWN = {MODELS: _models, FILE: _file, DATA: _data, JUDGE: _judge, ORDER: _order, OUT: _out}

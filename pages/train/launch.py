"""The last step: a name, the command line that does the same, and the button."""

from functools import partial

import streamlit as st

from engine.errors import BadInput, NotFound, TemperError
from engine.jobs import health, submit
from pages.parts import command, go, inert, messages, queue, words
from pages.train import choices, preview, view
from storage import runs
from storage.home import Home

FORCE, LAUNCHED = "train_force", "train_launched"


def follow() -> None:
    """Go to the run that was launched just now, if one was."""
    run_id = st.session_state.pop(LAUNCHED, None)
    if run_id is not None:
        go.to("runs", run=run_id)


def draw(home: Home, fits: bool) -> None:
    """Draw name, seed and button; what was typed stays, whatever comes of it."""
    held = st.session_state
    choice = choices.chosen(home)
    standard = f"{choice.model.name}-{choice.method.name}-{choice.dataset.name}" if choice.model and choice.dataset else ""
    held.setdefault(choices.SEED, 0)
    held.setdefault(choices.DTYPE, "auto")
    st.text_input(
        "Name", key=choices.NAME, persist_state="session", placeholder=standard, max_chars=80,
        help="Of the run, and of the model that comes out of it",
    )  # fmt: skip
    with st.expander("Seed and precision", key="train_exact"), st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Seed", min_value=0, step=1, key=choices.SEED, persist_state="session", width=140,
            help="The same seed, data and settings give the same run",
        )  # fmt: skip
        st.segmented_control(
            "Precision", ("auto", "float32", "bfloat16"), key=choices.DTYPE, persist_state="session", required=True,
            help="auto takes bfloat16 where the hardware multiplies it",
        )  # fmt: skip
    sure = fits or st.checkbox("Launch although it may not fit into memory", key=FORCE)
    messages.kept("launch")
    if choice.empty:
        st.caption(f":material/info: Fill in {inert.plain(' and '.join(name.replace('_', ' ') for name in choice.empty))}.")
    problem = choice.problem(home)
    if problem is not None:
        messages.show(problem)
    ready = choice.model is not None and choice.dataset is not None and not choice.empty and problem is None
    st.button(
        "Launch", type="primary", icon=":material/rocket_launch:", key="train_launch", width="stretch",
        disabled=not (ready and sure), on_click=launch, args=(home,),
    )  # fmt: skip
    counts = runs.count(home)
    ahead = counts.get("running", 0) + counts.get("queued", 0)
    if ahead:
        st.caption(f":material/schedule: {words.plural(ahead, 'run')} before it; it waits for its turn.")
    if not health.engine(home).running:
        st.caption(":material/info: The engine is not running. Launching starts it.")
    if choice.model is not None and choice.dataset is not None:
        st.caption("The same from the command line")
        line = command.train(
            home, choice.method.name, choice.model.name, choice.dataset.title, choice.changed,
            name=choice.name, seed=choice.seed, dtype=choice.dtype,
        )  # fmt: skip
        inert.code(line, "bash")


def launch(home: Home) -> None:
    """Submit what the form says now, once however often it is clicked, and have the page go to the run's."""
    choice = choices.chosen(home)
    if choice.model is None or choice.dataset is None:
        messages.keep(NotFound("The model or the data set that was chosen is gone meanwhile. Choose another."), "launch")
        return
    if choice.empty:  # a click straight out of a field comes before the button is drawn as one that cannot be pressed
        messages.keep(BadInput(f"Fill in {' and '.join(name.replace('_', ' ') for name in choice.empty)} first."), "launch")
        return
    unseen = None if st.session_state.get(FORCE) else _too_much(home, choice)
    if unseen is not None:
        messages.keep(unseen, "launch")
        return
    verb = partial(
        submit.train, home, method=choice.method.name, model=f"#{choice.model.id}", dataset=f"#{choice.dataset.id}",
        settings=choice.settings, name=choice.name or None, seed=choice.seed, dtype=choice.dtype,
        parent_id=choice.parent_id,
    )  # fmt: skip
    run = queue.put(home, "launch", verb, "train")
    if run is not None:
        st.session_state[choices.PARENT] = None
        st.session_state[LAUNCHED] = run.id


def _too_much(home: Home, choice: choices.Choice) -> BadInput | None:
    """What to say of a run that will probably not fit into memory, where nobody was asked whether to launch it all the same."""
    assert choice.model is not None and choice.dataset is not None
    seen = preview.seen(home, choice.model, choice.dataset, choice.settings)
    try:
        _, needed = view.need(home, choice.method, choice.model, choice.dataset, choice.settings, seen)
    except TemperError:
        return None  # submitting says it
    if needed.fits != "exceeds":
        return None
    return BadInput(
        f"As it stands now this run takes about {words.size(needed.memory)} and {words.size(needed.available)} are free. "
        "Make it smaller, or tick that it is to be launched all the same."
    )

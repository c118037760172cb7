"""Which tokens of an answer training has made likelier: a dialog over one answer of a conversation."""

import streamlit as st

from engine import registry
from engine.generation import ask
from engine.generation.answers import Answer, Heat
from engine.generation.turns import Conversation, Turn
from pages.parts import heat, inert, messages, words
from storage import models as registered
from storage import runs
from storage.home import Home
from storage.records import Model

USUAL_BETA = 0.1  # DPO's
OPEN = "chat_heat_open"  # which answer's dialog is open: an answer that ends elsewhere on the page redraws all of it meanwhile


def possible(answer: Answer) -> bool:
    """Whether an answer came from weights of this home that read the conversation alone, so that others can be asked for its tokens."""
    around = bool(answer.deployment or answer.sources)
    return bool(answer.text) and not answer.outside and bool(answer.fingerprint) and not around


def origin(home: Home, reference: str) -> tuple[Model | None, float]:
    """What a model was trained from, which is what DPO compares it with, and the beta of that training."""
    model = registry.speaker(home, reference)
    run = runs.get(home, model.run_id) if model.run_id else None
    if run is None:
        return None, USUAL_BETA
    beta = run.request.get("settings", {}).get("beta")
    return registered.get(home, run.request.get("model_id", 0)), float(beta) if beta else USUAL_BETA


@st.cache_data(max_entries=64, show_spinner=False)
def scored(
    root: str, model: str, base: str, told: list[dict[str, str]], answer: str, ended: bool, template: str, mark: str
) -> Heat:
    """The scores of an answer by both models; ``mark`` changes when the weights do."""
    return ask.heat(Home.resolve(root), model, base, told, answer, ended, template)


def show(turn: Turn, place: int) -> None:
    """Open the dialog over one answer, until somebody closes it."""
    st.session_state[OPEN] = (turn.id, place)


def close() -> None:
    """Forget which answer's dialog is open."""
    st.session_state.pop(OPEN, None)


def draw(home: Home, talk: Conversation) -> None:
    """Draw the dialog that is open over an answer of this conversation."""
    name, place = st.session_state.get(OPEN, ("", 0))
    turn = next((turn for turn in talk.turns if turn.id == name and turn.ended), None)
    if turn is None:
        close()
    else:
        dialog(home, talk, turn, place)


@st.dialog("The answer token by token", width="large", icon=":material/local_fire_department:", on_dismiss=close)
def dialog(home: Home, talk: Conversation, turn: Turn, place: int) -> None:
    """Ask what to compare with, then draw the answer's tokens."""
    side, given = talk.sides[place], turn.answers[place]
    with messages.edge():
        first, beta = origin(home, side.model)
        others = [model.name for model in registered.all(home, "language") if model.name != side.model]
        at = others.index(first.name) if first is not None and first.name in others else 0
        if not others:
            st.info("There is no other model to compare with. Train one, or bring one in under Models.", icon=":material/info:")
            return
        against = st.selectbox(
            "Compared with", others, index=at, key="chat_heat_base",
            help="What it was trained from, where nothing else is chosen. Both have to cut text into the same tokens.",
        )  # fmt: skip
        with st.spinner("Both models read the answer…"):
            told = talk.before(turn).messages(place, turn.prompts[place])
            found = scored(
                str(home.root), side.model, against, told, given.text, given.finish == "stop", side.template, given.fingerprint
            )
        tokens(found, (side.model, against), beta)


def tokens(found: Heat, names: tuple[str, str], beta: float) -> None:
    """Draw the tokens and what they come to."""
    shaded = list(zip(found.tokens, found.scores, found.base_scores, strict=True))
    one, other = (inert.plain(name, 24) for name in names)
    with st.container(horizontal=True):
        count = len(shaded)
        st.metric(
            "Implicit reward", f"{beta * found.gain:+.2f}", width="content",
            help=f"DPO's: β = {beta:g} times {found.gain:+.1f} nats, by which the whole answer is likelier under {one} than under {other}.",
        )  # fmt: skip
        for name, scores in ((one, found.scores), (other, found.base_scores)):
            st.metric(f"A token under {name}", f"{sum(scores) / count:.2f} nats", width="content")
        st.metric("Tokens", words.count(count), width="content")
    heat.draw(shaded, names, key="chat_heat")

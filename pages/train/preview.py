"""The data as the model's own tokens: asked of the model host in the background, so that the form never waits for it.

It is asked a moment after the page was drawn, not while: who only passes by, or goes on turning a number, starts nothing.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import streamlit as st

from engine.generation import ask
from engine.generation.answers import Preview
from storage.home import Home
from storage.records import Dataset, Model

KEPT = 64  # answers that are remembered
EVERY = 0.4  # seconds between two looks for an answer
FRESH = "train_preview_drawn"


class Question(NamedTuple):
    """What is asked: this data under this model's tokenizer, cut at this length."""

    root: str
    model: str
    fingerprint: str
    dataset_id: int
    max_length: int


@dataclass(frozen=True)
class Seen:
    """What is known so far: no question, an answer, a problem, or a question without either (it is on its way)."""

    question: Question | None = None
    preview: Preview | None = None
    problem: Exception | None = None

    @property
    def waiting(self) -> bool:
        return self.question is not None and self.preview is None and self.problem is None


@st.cache_resource
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="preview")


@st.cache_resource
def _asked() -> "dict[Question, Future[Preview]]":
    return {}


def seen(home: Home, model: Model | None, dataset: Dataset | None, settings: Mapping[str, Any]) -> Seen:
    """What is known of this data under this model's tokenizer."""
    length = settings.get("max_length")
    if model is None or dataset is None or length is None:
        return Seen()
    question = Question(str(home.root), model.name, model.fingerprint, dataset.id, int(length))
    future = _asked().get(question)
    if future is None or not future.done():
        return Seen(question)
    problem = future.exception()
    return Seen(question, problem=problem) if isinstance(problem, Exception) else Seen(question, future.result())


def again(question: Question) -> None:
    """Forget what was answered, so that it is asked once more."""
    _asked().pop(question, None)


def wait(known: Seen) -> None:
    """Where the answer is not there yet, ask for it a moment later, and draw the page anew when it has come."""
    if known.question is not None and known.waiting:
        st.session_state[FRESH] = True
        _look(known.question)


@st.fragment(run_every=EVERY)
def _look(question: Question) -> None:
    if st.session_state.pop(FRESH, False):
        return  # this is the drawing of the page itself
    asked = _asked()
    if question not in asked:
        while len(asked) >= KEPT:
            asked.pop(next(iter(asked)))
        home = Home.resolve(question.root)
        asked[question] = _threads().submit(ask.preview, home, question.model, question.dataset_id, question.max_length)
    elif asked[question].done():
        st.rerun()

"""Draws the advice that was kept: whether it held, what was run on it, and what was advised."""

import streamlit as st

from engine import advice, rubric
from engine.errors import TemperError
from engine.rubric import questions
from pages.parts import badges, inert, messages, session, words
from pages.parts.badges import Badge
from pages.rubric import draft, view
from storage import runs
from storage.home import Home
from storage.records import Advice

WORDS = {
    "held": Badge("It held", ":material/check_circle:", "green"),
    "did not hold": Badge("It did not hold", ":material/cancel:", "red"),
    "open": Badge("Open", ":material/help:", "orange"),
    "not measured yet": Badge("Not measured yet", ":material/schedule:", "gray"),
}
SHOWN, OFFERED = 20, 200


def look(id: int) -> None:
    """As a callback: look at an advice."""
    st.query_params.clear()
    st.query_params[draft.ADVICE] = str(id)


def leave() -> None:
    """As a callback: back to the questions."""
    st.query_params.clear()


def every(home: Home) -> None:
    """Draw the kept advice as a list, nothing where there is none."""
    found = advice.every(home, SHOWN)
    if not found:
        return
    st.subheader("Earlier advice", anchor=False)
    for kept in found:
        with st.container(border=True, gap="xsmall"):
            held = advice.held(home, kept)
            first = "" if kept.body["train"] else f" First: {kept.body['ways'][0]['title']}."
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.markdown(f"**{kept.id}. {kept.body['headline']}**{first}", width="content")
                WORDS[held.word].draw()
            st.markdown(inert.plain(held.sentence, 500))
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.caption(f"{_wish(kept)} · {words.ago(kept.created_at)}", width="content")
                st.button("Open", key=f"rubric_open_{kept.id}", icon=":material/open_in_new:", on_click=look, args=(kept.id,))


def _wish(kept: Advice) -> str:
    question = rubric.path(kept.answers)[0] if rubric.path(kept.answers) else None
    return questions.told(question, kept.answers) if question else "Answers to other questions"


def one(home: Home, kept: Advice) -> None:
    """Draw one kept advice."""
    st.button("Back to the questions", key="rubric_leave", icon=":material/arrow_back:", on_click=leave)
    held = advice.held(home, kept)
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Advice {kept.id}**", width="content")
            WORDS[held.word].draw()
            st.caption(words.ago(kept.created_at), width="content")
        st.markdown(inert.plain(held.sentence, 500))
        measured = advice.measured(home, kept)
        if measured:
            now = rubric.advise(kept.answers, measured)
            st.markdown(f":material/update: With what was measured: **{now.headline}** {now.sentence}")
        if kept.rubric != questions.fingerprint():
            st.caption(":material/info: The rules have changed since; what is below is what they said then.")
        _runs(home, kept)
    view.advised(home, advice.given(kept), key=f"kept_{kept.id}", query={"advice": kept.id})
    st.subheader("Answers", anchor=False)
    st.table(
        {question.text: questions.told(question, kept.answers) for question in rubric.path(kept.answers)}, border="horizontal"
    )


def _runs(home: Home, kept: Advice) -> None:
    """Draw what was run on it, and the way to hang another run on it."""
    hung = advice.runs_of(home, kept)
    for run in hung:
        with st.container(horizontal=True, vertical_alignment="center"):
            badges.status(run.status).draw()
            st.page_link("pages/runs/page.py", label=inert.plain(run.name, 60), query_params={"run": str(run.id)})
    offered = [run for run in runs.page(home, OFFERED) if run.kind in advice.KINDS and run.id not in {one.id for one in hung}]
    if offered:
        names = {run.id: f"{run.name} ({run.id})" for run in offered}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox(
                "A run that was begun on this advice", list(names), index=None, key="rubric_run", format_func=lambda number: names[number],
                placeholder="A bake-off or a training",
            )  # fmt: skip
            st.button("Hang it on", key="rubric_hang", icon=":material/link:", on_click=_hang, args=(home, kept.id))


def _hang(home: Home, id: int) -> None:
    chosen = st.session_state.get("rubric_run")
    if chosen is None:
        return
    try:
        advice.hang(session.home(), id, chosen)
    except TemperError as problem:
        messages.keep(problem, "rubric")

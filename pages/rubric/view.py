"""Draws an advice: what to do, all ways in their order, and for each the reasons, the cost, the risks and what to measure."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine import advice, gallery
from engine.methods import METHODS
from engine.methods.card import Source
from engine.rubric import costs, path, questions
from engine.rubric.questions import Question
from engine.rubric.ranking import FIRST, NEVER, NEXT, NOT_NOW, Advised, Ranked, Reason
from pages.parts import command, go, inert, session, words
from pages.parts.badges import Badge
from pages.rubric import draft
from storage.home import Home

VERDICTS = {
    FIRST: Badge("Try first", ":material/flag:", "green"),
    NEXT: Badge("If the first falls short", ":material/subdirectory_arrow_right:", "blue"),
    NOT_NOW: Badge("Not now", ":material/pause_circle:", "orange"),
    NEVER: Badge("Does not apply", ":material/block:", "gray"),
}
LEADS = {"for": ":green[:material/add_circle:]", "against": ":orange[:material/do_not_disturb_on:]"}


def advised(home: Home, told: Advised, *, key: str, query: Mapping[str, Any] | None = None) -> None:
    """Draw the advice. ``key`` tells the widgets of one advice from those of another; ``query`` goes along to the first page."""
    with st.container(border=True, gap="small"):
        st.subheader(f":material/explore: {told.headline}", anchor=False)
        st.markdown(told.sentence)
        lead(home, told.first, key=f"{key}_first", primary=True, query=query)
    st.subheader("All ways, in their order", anchor=False)
    order(told)
    took = costs.costs(home)
    for way in told.ways:
        with st.expander(
            f"{way.rank}. {way.title}", icon=VERDICTS[way.verdict].icon, expanded=way.rank == 1, key=f"rubric_{key}_{way.id}"
        ):
            one(home, way, took, key=key)


def order(told: Advised) -> None:
    """Draw the ways as a list: rank, name, verdict, and the reason of most weight."""
    with st.container(border=True, gap="small", key="rubric_order"):
        for way in told.ways:
            with st.container(gap="xxsmall"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(f"{way.rank}\\. **{way.title}**", width="content")
                    VERDICTS[way.verdict].draw()
                st.caption(_weightiest(way))


def _weightiest(way: Ranked) -> str:
    """Why a way stands where it stands: what speaks for it where it is advised, what is missing or speaks against it elsewhere."""
    if way.verdict in (FIRST, NEXT):
        return way.pros[0].text if way.pros else way.cons[0].text
    if way.missing and way.verdict == NOT_NOW and way.score > 0:
        return f"Missing: {'; '.join(way.missing)}"
    return way.cons[0].text if way.cons else way.pros[0].text


def one(home: Home, way: Ranked, took: Mapping[str, costs.Cost], *, key: str) -> None:
    """Draw all that is known of a way."""
    VERDICTS[way.verdict].draw()
    st.markdown(way.idea)
    reasons("For", way.pros, LEADS["for"])
    reasons("Against", way.cons, LEADS["against"])
    if way.verdict == NEVER:
        return
    if way.missing:
        points("Missing", list(way.missing))
    points("Smallest data that makes sense", [f"{way.smallest} {source(way.smallest_source)}"])
    points("Cost", [*([way.cost] if way.cost else []), *(cost(took[method]) for method in way.methods)])
    points("Risks", list(way.risks))
    points("Measure", list(way.measure))
    points("Measure before it", [way.cheaper])
    if way.road:
        road = gallery.GALLERY[way.road]
        points("Road", [f"**{road.title}.** {road.idea} {source(road.source)}"])
    if way.rank > 1:  # that of the first stands above
        lead(home, way, key=f"{key}_{way.id}", primary=False)


def reasons(title: str, found: Sequence[Reason], sign: str) -> None:
    if found:
        st.markdown(f"**{title}**")
        with st.container(gap="xxsmall"):
            for reason in found:
                st.markdown(f"{sign} {reason.text} {source(reason.source)}")


def points(title: str, lines: Sequence[str]) -> None:
    """Draw lines below a small title, nothing where there are none."""
    if lines:
        st.markdown(f"**{title}**\n" + "\n".join(f"- {line}" for line in lines))


def source(of: Source) -> str:
    """Who says so, small; a link where it is a page."""
    name = of.name.split(",")[0] if of.address.startswith("http") else of.name
    return f":gray[:small[{name}]]" if not of.address.startswith("http") else f":small[[{name}]({of.address})]"


def cost(of: costs.Cost) -> str:
    """What a training of a method takes."""
    if not of.runs or of.seconds is None:
        return f"{METHODS[of.method].short}: {of.basis}"
    spread = f" ({words.duration(of.low or 0)} to {words.duration(of.high or 0)})" if of.runs > 1 else ""
    return f"{METHODS[of.method].short}: about {words.duration(of.seconds)}{spread}, {of.basis}"


def lead(home: Home, way: Ranked, *, key: str, primary: bool, query: Mapping[str, Any] | None = None) -> None:
    """Draw the button that opens where a way leads, with what is filled in there, and the equal command line."""
    place = advice.filled(home, way)
    if (session.ROOT / go.PAGES.format(place.page)).exists():
        go.button(
            place.verb, ":material/arrow_forward:", place.page, key=f"rubric_go_{key}", type="primary" if primary else "secondary",
            query={**place.query, **(query or {})},
        )  # fmt: skip
    st.caption("The same from the command line")
    inert.code(command.line(home, *place.command), "bash")


def answered(given: Mapping[str, Any], shown: Question | None) -> None:
    """Draw what was answered, each with the way to change it."""
    walked = [question for question in path(given) if question != shown]
    if not walked:
        return
    st.subheader("Your answers" if shown is None else "So far", anchor=False)
    with st.container(border=True, gap="small", key="rubric_answers"):
        for question in walked:
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", horizontal_alignment="distribute", gap="small"
            ):
                st.markdown(f":small[:gray[{question.text}]]  \n{questions.told(question, given)}", width="stretch")
                st.button(
                    "Change", key=f"rubric_change_{question.id}", icon=":material/edit:", type="tertiary", on_click=draft.go_to,
                    args=(question.id,), help=f"Answer again: {question.text}",
                )  # fmt: skip
        st.button("Start over", key="rubric_again", icon=":material/restart_alt:", on_click=draft.again)

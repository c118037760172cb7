"""A set of prompts to several models in one go: a table of their answers, and of these the ones that differ."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import polars as pl
import streamlit as st

from engine.errors import BadInput, TemperError
from engine.evaluation import prompts
from engine.generation import prompt_sets
from engine.generation.answers import Sampling
from engine.generation.prompt_sets import PromptSet
from engine.generation.turns import Side
from engine.preferences import pairs, projects, values
from engine.preferences.pairs import NewPair
from pages.chat import asking, controls, sides, view
from pages.parts import confirm, go, inert, messages, pickers, session, words
from storage.home import Home

ADDRESS, HELD = "set", "chat_set"  # where the address, and where this tab, name the set that is shown
EVERY = 1.0  # seconds between two looks while answers come
FROM_DATA, TYPED = "From a data set", "Typed here"
FEW, USUAL = 200, 24  # prompts that can be asked for, and that are


@st.cache_resource
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="prompts")


@st.cache_resource(max_entries=64, show_spinner=False)
def _sending(root: str, name: str) -> "Future[PromptSet]":
    return _threads().submit(prompt_sets.send, Home.resolve(root), name)


def draw(home: Home) -> None:
    """Draw the set that the address names, or the form of a new one."""
    name = st.query_params.get(ADDRESS) or st.session_state.get(HELD)
    messages.kept("chat_set")
    with messages.edge():
        if not name:
            begin(home)
            return
        try:
            found = prompt_sets.read(home, name)
        except TemperError:
            forget()
            raise
        show(found.id)
        header(home, found)
        if found.ended:
            table(home, found)
        else:
            st.fragment(live, run_every=EVERY)(home, found.id)


def show(name: str) -> None:
    """Name a set in the address and in this tab."""
    st.session_state[HELD] = st.query_params[ADDRESS] = name


def forget() -> None:
    """Show no set."""
    st.session_state[HELD] = None
    st.query_params.pop(ADDRESS, None)


def begin(home: Home) -> None:
    """Ask for prompts and sides, and show earlier sets."""
    chosen = controls.choose(home)
    sampling = controls.decoding(home)
    source = st.segmented_control(
        "Prompts", (FROM_DATA, TYPED), default=FROM_DATA, required=True, key="chat_set_source", persist_state="session"
    )
    asked: dict[str, Any] = {}
    if source == FROM_DATA:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            data = pickers.dataset(home, "Data set", key="chat_set_data", shapes=controls.ASKING, latest=True)
            count = st.number_input(
                "How many",
                1,
                FEW,
                USUAL,
                key="chat_set_count",
                width=160,
                persist_state="session",
                help="Drawn by chance, always the same ones",
            )
        if data is not None:
            asked = {"data": data, "count": int(count)}
    else:
        typed = st.text_area(
            "One prompt a line",
            key="chat_set_typed",
            height=180,
            persist_state="session",
            placeholder="What is 12 plus 30?\nWrite to a friend.",
        )
        asked = {"typed": typed} if typed.strip() else {}
    st.button(
        "Ask all", type="primary", icon=":material/send:", disabled=not asked or not chosen, key="chat_set_ask", on_click=ask,
        args=(home, chosen, sampling, asked),
    )  # fmt: skip
    earlier(home)


def ask(home: Home, chosen: tuple[Side, ...], sampling: Sampling, asked: dict[str, Any]) -> None:
    """Write the set down; looking at it asks it."""
    try:
        if "data" in asked:
            rows, title = prompts.asked(home, asked["data"], asked["count"]), asked["data"].title
            told, topics = [row["prompt"] for row in rows], [values.topic(row).get("topic", "") for row in rows]
        else:
            topics = []
            told = [[{"role": "user", "content": line.strip()}] for line in asked["typed"].splitlines() if line.strip()]
            title = controls.shortened(str(told[0][0]["content"]))
        made = prompt_sets.begin(home, chosen, told, sampling, title, session.token(f"set {title} {len(told)}"), topics)
    except TemperError as problem:
        messages.keep(problem, "chat_set")
        return
    show(made.id)


def earlier(home: Home) -> None:
    """Draw the sets to go back to."""
    found = prompt_sets.recent(home, 10)
    if found:
        st.subheader("Earlier sets")
    for one in found:
        who = inert.plain(", ".join(dict.fromkeys(side.model for side in one.sides)), 80)
        told = f"{words.plural(len(one.prompts), 'prompt')}, {who}, {words.ago(one.created_at)}"
        st.button(
            f"{inert.plain(one.title, 60)} · :small[{told}]", key=f"set_{one.id}", type="tertiary", on_click=show, args=(one.id,)
        )


def header(home: Home, found: PromptSet) -> None:
    """Draw what was asked, and the ways on."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        said = f"{words.plural(len(found.prompts), 'prompt')}, {controls.said(found.sampling)}"
        st.markdown(f"**{inert.plain(found.title, 80)}**  :small[{inert.plain(said)}]", width="content")
        with st.container(horizontal=True, width="content"):
            st.button("Another set", icon=":material/add:", key="chat_set_new", type="tertiary", on_click=forget)
            if st.button("Delete", icon=":material/delete:", key="chat_set_delete", type="tertiary"):
                confirm.confirm(
                    "Delete this set?", ["Its prompts and answers are gone for good. The models stay."], "Delete",
                    lambda: _delete(home, found.id),
                )  # fmt: skip


def _delete(home: Home, name: str) -> None:
    prompt_sets.delete(home, name)
    forget()


def live(home: Home, name: str) -> None:
    """Draw the answers as they come; when all have ended, draw the whole page anew."""
    with messages.edge():
        found = prompt_sets.look(home, name)
        if not found.asked:
            sending = _sending(str(home.root), name)
            if sending.done():
                if sending.exception() is not None:
                    _sending.clear(str(home.root), name)  # so that the next look tries again
                sending.result()  # what went wrong there is told here
        if found.ended:
            st.rerun()
        whole = len(found.prompts) * len(found.sides)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(found.done / whole, text=f"{words.count(found.done)} of {words.plural(whole, 'answer')}")
            st.button("Stop", icon=":material/stop_circle:", key="chat_set_stop", on_click=_stop, args=(home, name))
        st.dataframe(rows(found, range(len(found.prompts))), key="chat_set_growing", hide_index=True, height=420)


def _stop(home: Home, name: str) -> None:
    try:
        prompt_sets.stop(home, name)
    except TemperError as problem:
        messages.keep(problem, "chat_set")


def names(found: PromptSet) -> list[str]:
    """What the sides are called, no two the same."""
    told = [f"{side.model}{f' ({marked})' if (marked := sides.marks(side, '')) else ''}" for side in found.sides]
    return [name if told.count(name) == 1 else f"{name} {place + 1}" for place, name in enumerate(told)]


def rows(found: PromptSet, places: Any) -> pl.DataFrame:
    """The prompts at these places and what was answered."""
    made: dict[str, list[str]] = {"Prompt": [asked(found, place) for place in places]}
    for i, name in enumerate(names(found)):
        given = [found.row(place)[i] if found.answers else None for place in places]
        made[name] = [
            (answer.error or answer.text or view.MARKS[answer.status].split(": ")[-1]) if answer else "" for answer in given
        ]
    return pl.DataFrame(made)


def asked(found: PromptSet, place: int) -> str:
    """What was asked last at a place."""
    return str(found.prompts[place][-1].get("content") or "")


def table(home: Home, found: PromptSet) -> None:
    """Draw the table of answers, which of them to see, and the one that is chosen below it."""
    if found.problem:
        st.error(inert.plain(found.problem, 2000), icon=":material/error:")
        return
    every, differ = range(len(found.prompts)), [place for place in range(len(found.prompts)) if found.differs(place)]
    failed = sum(answer.status == "failed" for answer in found.answers)
    several = len(found.sides) > 1
    with st.container(horizontal=True, vertical_alignment="center"):
        told = f"{len(differ)} of {words.plural(len(every), 'prompt')} answered differently" if several else ""
        st.caption(
            ", ".join(part for part in (told, f"{failed} failed" if failed else "") if part) or "All answered", width="content"
        )
        only = several and st.toggle("Different only", key="chat_set_different")
        wanted = st.text_input("Find", key="chat_set_find", placeholder="Find a word", label_visibility="collapsed", width=220)
    shown = [place for place in (differ if only else every) if _has(found, place, wanted)]
    if not shown:
        st.info("No prompt is left by these filters.", icon=":material/filter_alt:")
        return
    picked: Any = st.dataframe(
        rows(found, shown), key=f"chat_set_table_{found.id}_{only}_{wanted}", hide_index=True,
        on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    if len(found.sides) == 2:
        to_labels(home, found, differ)
    chosen = picked.selection.rows
    one(home, found, shown[chosen[0]] if chosen and chosen[0] < len(shown) else shown[0])


def _has(found: PromptSet, place: int, wanted: str) -> bool:
    texts = (asked(found, place), *(answer.text for answer in found.row(place)))
    return wanted.strip().lower() in "\n".join(texts).lower()


def one(home: Home, found: PromptSet, place: int) -> None:
    """Draw one prompt and its answers side by side."""
    given, told = found.row(place), names(found)
    for message in found.prompts[place]:
        inert.turn(str(message["role"]), message.get("content") or "")
    compare = len(given) > 1 and st.toggle("Mark what differs", key="chat_set_compare", value=True)
    for i, column in enumerate(st.columns(len(given))):
        with column.container(border=True, height="stretch", gap="xsmall"):
            other = given[1 if i == 0 else 0].text if compare else ""
            compared = (other, f"chat_set_compared_{found.id}_{place}_{i}") if compare else None
            view.answer(inert.plain(told[i], 80), given[i], "", compared=compared)
    st.button(
        "Go on with this prompt in a talk", icon=":material/forum:", key="chat_set_talk", on_click=_talk, args=(home, found, place),
        disabled=len(found.prompts[place]) > 1, help="Asked once more there; what is the same need not be read again",
    )  # fmt: skip


def _talk(home: Home, found: PromptSet, place: int) -> None:
    sides.fill(found.sides)
    asking.forget()
    asking.ask(home, None, found.sides, found.sampling, asked(found, place))
    st.query_params.pop("view", None)


def to_labels(home: Home, found: PromptSet, differ: list[int]) -> None:
    """Draw the way to labelling the answers that differ."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Label the {words.plural(len(differ), 'pair')} that differ", icon=":material/thumbs_up_down:", key="chat_set_label",
            disabled=not differ, on_click=_label, args=(home, found, differ),
        )  # fmt: skip
        if st.session_state.get("chat_set_labelled") == found.id:
            go.button("Kept. To the labels", ":material/check:", "labels", key="chat_set_to", type="tertiary",
                      project=project_of(found), view="label")  # fmt: skip


def project_of(found: PromptSet) -> str:
    """What the project is called that the answers of a set go to."""
    return f"prompts {found.created_at[:10]} {found.id[:6]}"


def _label(home: Home, found: PromptSet, differ: list[int]) -> None:
    try:
        made = [_pair(found, place) for place in differ if all(answer.status == "done" for answer in found.row(place))]
        if not made:
            raise BadInput("No prompt was answered in full by both, so there is nothing to label.")
        pairs.add(home, projects.find_or_create(home, project_of(found)), made)
    except TemperError as problem:
        messages.keep(problem, "chat_set")
        return
    st.session_state["chat_set_labelled"] = found.id


def _pair(found: PromptSet, place: int) -> NewPair:
    first, second = found.row(place)
    same = found.sides[0].system == found.sides[1].system
    prompt = found.messages(place, found.sides[0]) if same else [dict(turn) for turn in found.prompts[place]]
    return NewPair(
        prompt, first.text, second.text, {side: written(found, place, i) for i, side in enumerate(("first", "second"))},
        {"topic": found.topics[place]} if found.topics and found.topics[place] else {},
    )  # fmt: skip


def written(found: PromptSet, place: int, i: int) -> dict[str, Any]:
    """Who wrote an answer, with which weights and how."""
    side, s = found.sides[i], found.sides[i].sampling(found.sampling)
    drawn = {"seed": s.seed, "temperature": s.temperature, "top_p": s.top_p, "max_tokens": s.max_tokens}
    told = {"system": side.system, "template": side.template, "sampling": drawn}
    return {"name": side.model, "fingerprint": found.row(place)[i].fingerprint, **told, "set": found.id}

"""Prompt versions: writing one, what a version says, what it changed of the one before, and where it comes from."""

from typing import Any

import streamlit as st

from engine.errors import BadInput, TemperError
from engine.prompting import versions
from engine.prompting.templates import BY, MOST_EXAMPLES
from pages.parts import inert, messages, pickers, words
from storage import datasets, prompts
from storage.home import Home
from storage.records import PromptVersion

FROM, NEW = "wording_from", "A new prompt"
WAYS = {"fixed": "The same ones always", "nearest": "Those nearest to the question"}
VALUES: dict[str, Any] = {
    "name": "", "system": "", "template": "{question}", "absent": "", "variables": "", "data": None, "count": 4, "by": "fixed", "seed": 0,
    "note": "",
}  # fmt: skip
WITH_PASSAGES = "{passages}\n\nAnswer from the passages above, and name the one you used like [1].\n\n{question}"


def key(what: str) -> str:
    """Where a field keeps its value."""
    return f"wording_{what}"


def draw(home: Home) -> None:
    """Draw the form beside the versions that there are."""
    there = {one.title: one for one in prompts.all(home)}
    for what, value in VALUES.items():
        st.session_state.setdefault(key(what), value)
    if not there:
        messages.empty(
            "No prompt yet",
            "A prompt says how a question is put to a model. Every change is a version, and is measured like a model.",
            ":material/edit_note:",
        )
    left, right = st.columns([1, 1], gap="large")
    with left:
        form(home, there)
    with right:
        if there:
            every(home, there)


def form(home: Home, there: dict[str, PromptVersion]) -> None:
    """Ask for the next version of a prompt."""
    if there:
        st.selectbox(
            "Begin with", [NEW, *there], key=FROM, persist_state="session", on_change=begin, args=(home,),
            help="Fills the form with a version; saving makes the next one",
        )  # fmt: skip
    st.text_input("Name", key=key("name"), persist_state="session", max_chars=80, placeholder="cite-the-handbook")
    st.text_area("System prompt", key=key("system"), persist_state="session", height=100, placeholder="None")
    st.text_area(
        "Template", key=key("template"), persist_state="session", height=140,
        help="What the question becomes. {question} and {passages} are filled in, and {names} of variables; double other braces: {{ }}",
    )  # fmt: skip
    st.button(
        "With passages", icon=":material/menu_book:", key="wording_passages", type="tertiary", on_click=with_passages,
        help="Write a place for passages into the template",
    )  # fmt: skip
    st.text_input(
        "Where the passages do not hold the answer, say",
        key=key("absent"),
        persist_state="session",
        placeholder="Nothing special",
    )
    few = st.session_state[key("data")] is not None
    with st.expander(
        "Examples and variables" + (" (few-shot)" if few else ""), icon=":material/format_list_numbered:", key="wording_more"
    ):
        data = pickers.dataset(
            home, "Examples from", key=key("data"), shapes=versions.SHAPES, latest=True, optional=True,
            help="Questions with answers, shown as earlier turns",
        )  # fmt: skip
        if data is not None:
            st.number_input("How many", 1, MOST_EXAMPLES, step=1, key=key("count"), persist_state="session")
            st.segmented_control("Which", BY, key=key("by"), persist_state="session", required=True, format_func=WAYS.__getitem__)
        st.text_area(
            "Variables, a line each", key=key("variables"), persist_state="session", height=80, placeholder="company = Acme",
            help="Each stands for {its name} in the template",
        )  # fmt: skip
    st.text_input("Note", key=key("note"), persist_state="session", placeholder="What this version is to do better")
    messages.kept("wording")
    st.button("Save the version", type="primary", icon=":material/save:", key="wording_save", on_click=save, args=(home,))


def with_passages() -> None:
    """As a callback: write a place for passages into the template."""
    now = str(st.session_state[key("template")])
    if "{passages}" not in now:
        st.session_state[key("template")] = WITH_PASSAGES if now.strip() in ("", "{question}") else f"{{passages}}\n\n{now}"


def begin(home: Home) -> None:
    """As a callback: fill the form with the version that was chosen."""
    held, found = st.session_state, prompts.find(home, st.session_state[FROM])
    body = versions.body_of(found) if found is not None else None
    values = dict(VALUES)
    if found is not None and body is not None:
        shown = body.examples
        data = datasets.find(home, shown.dataset) if shown else None
        values |= {
            "name": found.name, "system": body.system, "template": body.template, "absent": body.absent,
            "variables": "\n".join(f"{name} = {value}" for name, value in body.variables.items()),
            "data": data.id if data else 0,
        }  # fmt: skip
        values |= {"count": shown.count, "by": shown.by, "seed": shown.seed} if shown else {}
    for what, value in values.items():
        held[key(what)] = value


def written() -> dict[str, Any]:
    """The prompt that the form says, as Body.checked takes it. BadInput where a line of the variables is none."""
    held = {what: st.session_state.get(key(what), nothing) for what, nothing in VALUES.items()}
    variables = {}
    for line in filter(None, map(str.strip, str(held["variables"]).splitlines())):
        name, equal, value = line.partition("=")
        if not equal:
            raise BadInput(f"Variables: {line!r} has no =. Write a line like company = Acme.")
        variables[name.strip()] = value.strip()
    body = {name: str(held[name]) for name in ("system", "template", "absent")}
    shown = {"dataset": f"#{held['data']}", "count": int(held["count"]), "by": held["by"], "seed": int(held["seed"])}
    return {**body, "variables": variables, "examples": shown if held["data"] else None}


def save(home: Home) -> None:
    """As a callback: save what the form says."""
    held = st.session_state
    try:
        made = versions.save(home, str(held[key("name")]), written(), str(held[key("note")]))
    except TemperError as problem:
        messages.keep(problem, "wording")
        return
    held[FROM], held[key("note")] = made.title, ""
    held["wording_looked"] = made.title
    messages.done(f"{inert.plain(made.title)} is saved.", ":material/save:")


def every(home: Home, there: dict[str, PromptVersion]) -> None:
    """Draw a version, what it changed and its lineage."""
    if st.session_state.get("wording_looked") not in there:
        st.session_state["wording_looked"] = next(iter(there))
    title = st.selectbox("Versions", list(there), key="wording_looked")
    found = there[title]
    st.caption(
        f"saved {words.ago(found.created_at)}  ·  sha256 {found.sha256[:12]}"
        + (f"  ·  {inert.plain(found.note)}" if found.note else "")
    )
    before = versions.lineage(home, found)[1:]
    if before:
        st.markdown(f"**What it changed of {inert.plain(before[0].title)}**")
        inert.code("\n".join(versions.difference(before[0], found)) or "(nothing)", "diff")
    body = versions.body_of(found)
    for name, text in (("System prompt", body.system), ("Template", body.template), ("Where the answer is absent", body.absent)):
        if text:
            st.markdown(f"**{name}**")
            inert.code(text)
    if body.variables:
        st.markdown("**Variables**")
        inert.code("\n".join(f"{name} = {value}" for name, value in body.variables.items()))
    if body.examples is not None:
        shown = body.examples
        st.caption(
            f":material/format_list_numbered: {shown.count} examples of {inert.plain(shown.dataset)}: {WAYS[shown.by].lower()}."
        )
    if before:
        line = " ← ".join(inert.plain(one.title) for one in (found, *before))
        st.caption(f":material/account_tree: {line}")

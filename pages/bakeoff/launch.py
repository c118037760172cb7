"""The last step of setting up: what is in the way, the button, and the command line that does the same."""

import json
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from engine import advice
from engine.errors import TemperError
from engine.jobs import bakeoffs
from pages.bakeoff import draft
from pages.parts import command, inert, messages, queue
from storage.home import Home

LAUNCHED, RUN = "bakeoff_launched", "run"
LEAST = 2  # candidates


def follow() -> None:
    """Look at the bake-off that was launched just now, if one was."""
    run_id = st.session_state.pop(LAUNCHED, None)
    if run_id is not None:
        st.query_params.clear()
        st.query_params[RUN] = str(run_id)


def draw(home: Home, ready: bool) -> None:
    """Draw the button, with what is in the way of it."""
    count = len(st.session_state.get(draft.SLOTS, []))
    problem = draft.problem(home)
    if problem is not None and count:
        messages.show(problem)
    messages.kept("bakeoff_launch")
    held = st.session_state.get(draft.ADVICE)
    if held is not None:
        st.caption(f":material/explore: It is kept with advice {held}.")
    if 0 < count < LEAST:
        st.caption(":material/info: A bake-off compares at least two candidates.")
    able = ready and problem is None and count >= LEAST
    st.button(
        "Bake them off", type="primary", icon=":material/balance:", key="bakeoff_launch", width="stretch", disabled=not able,
        on_click=launch, args=(home,),
    )  # fmt: skip
    if able:
        st.caption("The same from the command line")
        inert.code(line(home, draft.request(home)), "bash")


def launch(home: Home) -> None:
    """As a callback: queue what the form says, once however often it is clicked."""
    try:
        asked = draft.request(home)
    except TemperError as problem:
        messages.keep(problem, "bakeoff_launch")
        return
    run = queue.put(home, "bakeoff_launch", partial(bakeoffs.bake, home, **asked), "bakeoff")
    if run is None:
        return
    st.session_state[LAUNCHED] = run.id
    number = st.session_state.get(draft.ADVICE)
    if number is not None:
        try:
            advice.hang(home, number, run.id)
        except TemperError as problem:
            messages.keep(problem, "bakeoff")


def line(home: Home, asked: Mapping[str, Any]) -> str:
    """``engine bakeoff run`` with this request; guards are written into files first."""
    before, parts = list[str](), ["--data", asked["dataset"]]
    for number, one in enumerate(asked["candidates"], 1):
        told = {what: value for what, value in one.items() if what not in ("name", "guards")}
        if "guards" in one:
            told["guards"] = f"guards-{number}.json"
            before.append(f"echo {shlex.quote(json.dumps(one['guards'], ensure_ascii=False))} > {told['guards']}")
        parts += ["--candidate", f"{one['name']}:{','.join(f'{what}={value}' for what, value in told.items())}"]
    for option, value in (
        ("--name", asked["name"]), ("--limit", asked["limit"]), ("--max-tokens", asked["max_tokens"]),
        ("--entailment", asked["entailment"]), ("--judge-address", asked["judge_address"]), ("--judge", asked["judge"]),
    ):  # fmt: skip
        parts += [option, str(value)] if value else []
    for kind in asked["variants"]:
        parts += ["--variant", kind]
    return "\n".join([*before, command.line(home, "bakeoff", "run", *parts)])

"""Draws the deployments: the list, one's parts and whether it is still whole, how it is asked, and its deletion."""

import shlex
from functools import partial

import polars as pl
import streamlit as st

from engine.deployments import freeze
from engine.errors import TemperError
from engine.generation import ask
from pages.deployments.form import ADDRESS
from pages.parts import command, confirm, go, inert, looking, messages, words
from pages.parts.badges import Badge
from pages.parts.validators import TITLES
from storage import deployments, evaluations, models, prompts
from storage.home import Home
from storage.records import Deployment, Interval

WHOLE = Badge("Whole", ":material/verified:", "green")
DAMAGED = Badge("Not whole", ":material/gpp_bad:", "red")
HOST = "deployments_host"


def listed(home: Home, found: list[Deployment]) -> Deployment | None:
    """The list of all versions, newest first; returns the one that is looked at."""
    if not found:
        return None
    asked = st.query_params.get(ADDRESS, "")
    named = deployments.find(home, asked) if asked else None
    if asked and named is None:
        st.warning(f"There is no deployment {inert.plain(asked)} any more.", icon=":material/help:")
    elif named is not None and named.title != asked:  # a name alone means its newest version
        st.query_params[ADDRESS] = named.title
    at, turned = looking.place(ADDRESS, [one.title for one in found])
    newest = {one.id: next(iter(evaluations.of_deployment(home, one.id)), None) for one in found}
    frame = pl.DataFrame(
        {
            "Name": [one.name for one in found],
            "Version": [one.version for one in found],
            "Model": [_model(home, one) for one in found],
            "Prompt": [one.body.get("prompt", "") for one in found],
            "Documents": [one.body.get("index", "") for one in found],
            "Guards": [_guards(one) for one in found],
            "Last score": [words.score(Interval(e.value, e.low, e.high, e.n)) if (e := newest[one.id]) else "" for one in found],
            "Frozen": [words.moment(one.created_at) for one in found],
        },
        schema_overrides={"Frozen": pl.Datetime("ms", "UTC")},
    )
    config = {
        "Name": st.column_config.TextColumn(width="medium"),
        "Version": st.column_config.NumberColumn(width="small", format="%d"),
        "Frozen": st.column_config.DatetimeColumn(format="calendar"),
    }
    state = st.dataframe(
        frame, hide_index=True, column_config=config, on_select="rerun", selection_mode="single-row",
        key=f"deployments_{found[0].id}_{len(found)}_{turned}", selection_default={"selection": {"rows": [at]}},
        alt="Deployments, newest first",
    )  # fmt: skip
    rows = state["selection"]["rows"]
    seen = found[rows[0]] if rows and rows[0] < len(found) else found[at]
    looking.at(ADDRESS, seen.title)
    return seen


def _model(home: Home, one: Deployment) -> str:
    model = models.get(home, one.model_id)
    return model.name if model is not None else "gone"


def _guards(one: Deployment) -> str:
    guards = one.body.get("guards") or {}
    kinds: list[str] = [check["kind"] for check in guards.get("checks") or ()]
    parts = [TITLES.get(kind, kind) for kind in kinds]
    return ", ".join(parts + (["constrained"] if guards.get("constrain") else []))


def heading(home: Home, one: Deployment) -> None:
    """Draw its name, and whether it is still what was frozen."""
    problem: TemperError | None = None
    try:
        freeze.opened(home, one)
    except TemperError as wrong:
        problem = wrong
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(inert.plain(one.title), width="content", anchor=False)
        (WHOLE if problem is None else DAMAGED).draw(help="Weights, prompt, documents and guards hash to what was frozen")
    st.caption(f"frozen {words.ago(one.created_at)}  ·  fingerprint `{one.fingerprint[:16]}`")
    if problem is not None:
        messages.show(problem)


def made_of(home: Home, one: Deployment) -> None:
    """Draw what it is made of."""
    model = models.get(home, one.model_id)
    lines = {
        "Model": f"{inert.plain(model.name)}  `{model.fingerprint[:12]}`" if model is not None else ":red[gone]",
        "Prompt": inert.plain(one.body["prompt"]) if one.body.get("prompt") else "none",
        "Documents": f"{words.plural(one.body['passages'], 'passage')} of {inert.plain(one.body['index'])}, found by "
        + ("words and meaning" if one.body["by"] == "both" else str(one.body["by"]))
        if one.body.get("index") else "none",
        "Guards": inert.plain(_guards(one)) or "none",
    }  # fmt: skip
    guards = one.body.get("guards") or {}
    if guards.get("checks"):
        retries = words.plural(guards["retries"], "retry", "retries")
        lines["Guards"] += f"; {retries}, then " + (
            f"“{inert.plain(guards['refusal'])}”" if guards.get("refusal") else "a refusal"
        )
    st.table(lines, border="horizontal", width="content", alt="What the deployment is made of")
    prompt = prompts.get(home, one.prompt_id) if one.prompt_id else None
    if prompt is not None or guards.get("checks") or guards.get("constrain"):
        with st.expander("Prompt and guards in full", icon=":material/data_object:", key="deployments_full"):
            if prompt is not None:
                inert.code(inert.json_text(prompt.body), "json")
            if guards.get("checks") or guards.get("constrain"):
                inert.code(inert.json_text(guards), "json")


def asking(home: Home, one: Deployment) -> None:
    """Draw the ways to ask it: in the chat, and for other programs."""
    with st.container(horizontal=True):
        go.button(
            "Ask it in Chat", ":material/forum:", "chat", key="deployments_chat", type="primary", query={"models": one.title}
        )
        with st.popover("For other programs", icon=":material/api:", key="deployments_api"):
            st.caption("An OpenAI-compatible address. The key opens it; sources and tries come along as fields of the answer.")
            st.button(
                "Start the host and show its address",
                icon=":material/play_arrow:",
                key="deployments_host_start",
                on_click=start,
                args=(home,),
            )
            messages.kept(HOST)
            address = st.session_state.get(HOST, "ADDRESS")
            body = inert.json_text({"model": one.title, "messages": [{"role": "user", "content": "…"}]}).replace("\n", "")
            inert.code(
                f"{command.line(home, 'host', 'start')}\nKEY=$({command.line(home, 'host', 'key')})\n"
                f'curl {address}/v1/chat/completions -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" '
                f"-d {shlex.quote(body)}", "bash",
            )  # fmt: skip
            st.caption(f"{inert.plain(one.name)} without a version means the newest.")


def start(home: Home) -> None:
    """As a callback: start the host, and keep its address."""
    try:
        st.session_state[HOST] = ask.ensure(home).url
    except TemperError as problem:
        messages.keep(problem, HOST)


def _delete(home: Home, one: Deployment) -> None:
    freeze.delete(home, one)
    looking.forget(ADDRESS)


def delete(home: Home, one: Deployment) -> None:
    """Delete this version, after what goes with it was said."""
    if st.button("Delete", icon=":material/delete:", key="deployments_delete"):
        scored = len(evaluations.of_deployment(home, one.id))
        lines = [
            f"**{inert.plain(one.title)}** goes, with {words.plural(scored, 'score')}. Its model, prompt and documents stay.",
            "Programs that ask it by this name are told that it is not there.",
        ]
        confirm.confirm(
            "Delete this version?",
            lines,
            "Delete",
            partial(_delete, home, one),
            said=f"{inert.plain(one.title)} is deleted.",
        )

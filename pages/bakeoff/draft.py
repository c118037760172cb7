"""The bake-off that is being set up: its candidates, how a link, a preset or an earlier run fills them, and what it comes to."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from engine.deployments import setup as engine_setups
from engine.deployments.setup import Setup
from engine.errors import BadInput, TemperError
from engine.jobs import submit
from pages.parts import go, messages, setups
from storage import datasets, db, indexes, models, prompts
from storage.home import Home
from storage.records import Model

SLOTS, NUMBER = "bakeoff_slots", "bakeoff_slot_number"  # the candidates, by numbers that are never used twice
DATA, LIMIT, TOKENS, VARIANTS, ENTAILMENT, JUDGED, NAME, ADVICE = (
    "bakeoff_data", "bakeoff_limit", "bakeoff_tokens", "bakeoff_variants", "bakeoff_entailment", "bakeoff_support", "bakeoff_name",
    "bakeoff_advice",
)  # fmt: skip
ADDRESS = ("goal", "data", "index", "again", "advice")  # what the address may fill
KNOWING = ("retrieval", "knowledge")  # goals for which documents are looked up
MOST = 12  # candidates


def prefix(slot: int) -> str:
    """What the keys of a candidate's fields begin with."""
    return f"bakeoff_{slot}"


def add(home: Home, *candidates: Mapping[str, Any], again: bool = False) -> None:
    """Add candidates, each a setup and perhaps a name; one that is there already is added only where it may stand ``again``."""
    held = st.session_state
    there = [_setup(slot) for slot in held.get(SLOTS, [])]
    for one in candidates:
        setup = {what: value for what, value in one.items() if what != "name"}
        if (setup in there and not again) or len(held.get(SLOTS, [])) >= MOST:
            continue
        slot = held[NUMBER] = held.get(NUMBER, 0) + 1
        held[SLOTS] = [*held.get(SLOTS, []), slot]
        setups.fill(home, prefix(slot), setup)
        held[f"{prefix(slot)}_name"] = str(one.get("name") or "")
        there.append(setup)


def _setup(slot: int) -> dict[str, Any] | None:
    try:
        return setups.asked(prefix(slot))
    except BadInput:
        return None  # half typed: it is like no other


def draft_of(slot: int) -> dict[str, Any]:
    """A candidate's setup as far as it can be read."""
    return _setup(slot) or {}


def named(slot: int, setup: Mapping[str, Any]) -> str:
    """What a candidate is called."""
    return str(st.session_state.get(f"{prefix(slot)}_name") or "").strip() or setups.called(setup) or "No model"


def remove(slot: int) -> None:
    """As a callback: take a candidate away."""
    st.session_state[SLOTS] = [one for one in st.session_state[SLOTS] if one != slot]


def base(home: Home) -> Model | None:
    """The newest model that was not trained here, else the newest of all."""
    there = models.all(home, "language")
    return next((model for model in there if model.run_id is None), there[0] if there else None)


def tuned(home: Home) -> list[Model]:
    """The models that were trained here, newest first."""
    return [model for model in models.all(home, "language") if model.run_id is not None]


def bare(home: Home) -> dict[str, Any]:
    """The base alone."""
    found = base(home)
    return {"model": found.name} if found is not None else {}


def wording(home: Home) -> str:
    """The newest prompt version; "" where there is none."""
    return next((one.title for one in prompts.all(home)), "")


def documents(home: Home) -> str:
    """The newest index that holds something; "" where there is none."""
    return next((index.name for index in indexes.all(home) if index.version), "")


def passages(home: Home, index: str = "") -> dict[str, Any]:
    """The base with passages."""
    return {**bare(home), "index": index or documents(home), "passages": 3, "by": "both"}


def prompted(home: Home) -> dict[str, Any]:
    """The base with the newest prompt version."""
    return {**bare(home), "prompt": wording(home)}


def combined(home: Home) -> dict[str, Any]:
    """The newest tuned model, else the base, with all that the candidates so far put around theirs."""
    there = [setup for slot in st.session_state.get(SLOTS, []) if (setup := _setup(slot))]
    around: dict[str, Any] = {}
    for setup in there:
        around = {**setup, **around}
    around.pop("model", None)
    found = tuned(home)
    return {"model": found[0].name if found else bare(home).get("model", ""), **{k: v for k, v in around.items() if v}}


PRESETS: dict[str, tuple[str, Callable[[Home], list[dict[str, Any]]]]] = {
    "Base alone": (":material/deployed_code:", lambda home: [bare(home)]),
    "+ prompt": (":material/edit_note:", lambda home: [prompted(home)]),
    "+ passages": (":material/menu_book:", lambda home: [passages(home)]),
    "Each tuned model": (":material/extension:", lambda home: [{"model": model.name} for model in tuned(home)]),
    "Combine": (":material/join:", lambda home: [combined(home)]),
}


def lacking(home: Home, preset: str) -> str:
    """Why a preset cannot be used; "" where it can."""
    if base(home) is None:
        return "There is no model yet."
    if preset == "+ prompt" and not wording(home):
        return "There is no prompt yet: write one under Prompts."
    if preset == "+ passages" and not documents(home):
        return "There is no index with documents yet: make one under Knowledge."
    if preset == "Each tuned model" and not tuned(home):
        return "No model was trained here yet."
    if preset == "Combine" and not st.session_state.get(SLOTS):
        return "Add what is to be combined first."
    return ""


def use(home: Home, preset: str) -> None:
    """As a callback: add what a preset stands for."""
    add(home, *PRESETS[preset][1](home))


def fill(home: Home) -> None:
    """Fill the form from the address, once as long as the page is open; with the base alone where nothing is there yet."""
    held = st.session_state
    asked = {name: st.query_params[name] for name in ADDRESS if name in st.query_params}
    if asked and held.get(go.FILLED, {}) != asked:
        held[go.FILLED] = asked
        try:
            _from_address(home, asked)
        except TemperError as problem:
            messages.keep(problem, "bakeoff")
    if not held.get(SLOTS) and held.get(NUMBER) is None and base(home) is not None:
        add(home, bare(home))


def _from_address(home: Home, asked: Mapping[str, str]) -> None:
    held = st.session_state
    held[ADVICE] = db.number(asked.get("advice", ""))
    if "again" in asked:
        from_run(home, asked["again"])
        return
    data = datasets.find(home, asked["data"]) if "data" in asked else None
    if data is not None:
        held[DATA] = data.id
    if not ("goal" in asked or "index" in asked) or base(home) is None:
        return
    held[SLOTS] = []
    add(home, bare(home))
    if "index" in asked or asked["goal"] in KNOWING:
        if asked.get("index") or documents(home):
            add(home, passages(home, asked.get("index", "")))
    elif wording(home):
        add(home, prompted(home))


def from_run(home: Home, number: str) -> None:
    """Fill the form with what a bake-off was asked for."""
    run, held = submit.find(home, db.number(number) or 0), st.session_state
    if run.kind != "bakeoff":
        raise BadInput(f"Run {run.id} is of the kind {run.kind}; only a bake-off can be filled in here.")
    request = run.request
    held[DATA], held[LIMIT], held[TOKENS] = request["dataset_id"], request["limit"], request["max_tokens"]
    held[VARIANTS], held[ENTAILMENT], held[NAME], held[SLOTS] = list(request["variants"]), request["entailment"], run.name, []
    held[f"{JUDGED}_address"], held[f"{JUDGED}_judge"] = request.get("judge_address", ""), request.get("judge", "")
    add(home, *request["candidates"], again=True)


def candidates() -> list[dict[str, Any]]:
    """The candidates as the engine's verb takes them. BadInput names the one whose fields cannot be read."""
    found = []
    for slot in st.session_state.get(SLOTS, []):
        name = str(st.session_state.get(f"{prefix(slot)}_name") or "").strip()
        try:
            setup = setups.asked(prefix(slot))
        except BadInput as problem:
            raise BadInput(f"{name or 'A candidate'}: {problem}") from None
        found.append({"name": name or setups.called(setup), **setup})
    return found


def problem(home: Home) -> TemperError | None:
    """What is in the way of launching, as the engine would say it; None where nothing is."""
    try:
        given = candidates()
        for one in given:
            try:
                engine_setups.find(home, Setup.checked({what: value for what, value in one.items() if what != "name"}))
            except BadInput as wrong:
                raise BadInput(f"{one['name']}: {wrong}") from None
    except TemperError as wrong:
        return wrong
    names = [one["name"] for one in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    return BadInput(f"Two candidates are called {twice}. Give each a name of its own.") if twice else None


def request(home: Home) -> dict[str, Any]:
    """All that the form says, as ``engine.jobs.bakeoffs.bake`` takes it."""
    held = st.session_state
    limit, tokens = held.get(LIMIT), held.get(TOKENS)
    data = datasets.get(home, held.get(DATA) or 0)
    return {
        "dataset": data.title if data is not None else "",
        "candidates": candidates(),
        "name": str(held.get(NAME) or "").strip() or None,
        "limit": int(limit) if limit else None,
        "max_tokens": int(tokens) if tokens else None,
        "variants": list(held.get(VARIANTS) or []),
        "entailment": str(held.get(ENTAILMENT) or "").strip(),
        "judge_address": str(held.get(f"{JUDGED}_address") or "").strip(),
        "judge": str(held.get(f"{JUDGED}_judge") or "").strip(),
    }

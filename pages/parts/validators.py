"""The form for guards: checks that an answer has to pass, how often the model tries again, what is said then, and a grammar."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.errors import BadInput

SCHEMA, REGEX, LENGTH, LANGUAGE, WORDS, TOPICS, SUPPORTED, OTHER = (
    "json_schema",
    "regex",
    "length",
    "language",
    "words",
    "topics",
    "supported",
    "other",
)
TITLES = {
    SCHEMA: "JSON Schema", REGEX: "Regex", LENGTH: "Length", LANGUAGE: "Language", WORDS: "Forbidden words",
    TOPICS: "Forbidden topics", SUPPORTED: "Supported by the passages", OTHER: "Other checks",
}  # fmt: skip
VALUES: dict[str, Any] = {
    "checks": [], "schema": "", "pattern": "", "least": None, "most": None, "unit": "words", "language": "en", "forbidden": "",
    "topics": "", "other": "", "retries": 2, "refusal": "", "constrain": False,
}  # fmt: skip
GRAMMARS = (SCHEMA, REGEX)  # what answers can be held to while they are written


def key(prefix: str, what: str) -> str:
    """Where a field keeps its value."""
    return f"{prefix}_guard_{what}"


def fill(prefix: str, guards: Mapping[str, Any] | None) -> None:
    """Put guards into the form; none empties it."""
    given, values = dict(guards or {}), dict(VALUES)
    values |= {name: given[name] for name in ("retries", "refusal") if name in given}
    chosen, others = list[str](), list[Mapping[str, Any]]()
    for check in given.get("checks") or ():
        kind, known = str(check["kind"]), _fields(check)
        if known is None or kind in chosen:
            others.append(check)
        else:
            chosen.append(kind)
            values |= known
    constrain = given.get("constrain") or {}
    for kind, field in ((SCHEMA, "schema"), (REGEX, "pattern")):
        if kind in constrain:
            value = constrain[kind]
            values |= {field: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "constrain": True}
            chosen = [kind, *(other for other in chosen if other != kind)]
    values["other"] = json.dumps(others, ensure_ascii=False) if others else ""
    values["checks"] = [*chosen, *([OTHER] if others else [])]
    for what, value in values.items():
        st.session_state[key(prefix, what)] = value


def _fields(check: Mapping[str, Any]) -> dict[str, Any] | None:
    """A check as the fields of the form; None where the form has none for it."""
    kind, rest = check["kind"], set(check) - {"kind"}
    if kind == SCHEMA and rest == {"schema"}:
        return {"schema": json.dumps(check["schema"], ensure_ascii=False)}
    if kind == REGEX and rest == {"pattern"}:
        return {"pattern": check["pattern"]}
    if kind == LENGTH:
        return {"least": check.get("least"), "most": check.get("most"), "unit": check.get("unit", "words")}
    if kind == LANGUAGE:
        return {"language": check["value"]}
    if kind == WORDS and rest == {"forbidden"}:
        return {"forbidden": ", ".join(check["forbidden"])}
    if kind == SUPPORTED:
        return {}
    if kind == TOPICS and rest == {"value"}:
        return {"topics": ", ".join(check["value"])}
    return None


def draw(prefix: str) -> None:
    """Draw the form."""
    held = st.session_state
    for what, value in VALUES.items():
        held.setdefault(key(prefix, what), value)
    chosen = st.multiselect(
        "An answer must pass", list(TITLES), key=key(prefix, "checks"), format_func=TITLES.__getitem__, persist_state="session",
        placeholder="No check",
    )  # fmt: skip
    for kind in chosen:
        if kind in DRAWN:
            DRAWN[kind](prefix)
    if not chosen:
        return
    if any(kind in GRAMMARS for kind in chosen):
        st.toggle(
            "Constrained decoding", key=key(prefix, "constrain"), persist_state="session",
            help="What the schema or the pattern forbids cannot be written at all",
        )  # fmt: skip
    st.number_input(
        "Retries", 0, 10, step=1, key=key(prefix, "retries"), persist_state="session",
        help="How often the model is asked again, and told why, where its answer does not pass",
    )  # fmt: skip
    st.text_input(
        "Refusal", key=key(prefix, "refusal"), persist_state="session", placeholder="A standard sentence",
        help="What is answered where no try passes",
    )  # fmt: skip


def _schema(prefix: str) -> None:
    st.text_area(
        "JSON Schema", key=key(prefix, "schema"), persist_state="session", height=110,
        placeholder='{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}',
    )  # fmt: skip


def _regex(prefix: str) -> None:
    st.text_input(
        "Pattern that the whole answer matches", key=key(prefix, "pattern"), persist_state="session", placeholder="[A-Z][a-z]+"
    )


def _length(prefix: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("At least", 0, step=1, key=key(prefix, "least"), persist_state="session", placeholder="0", width=110)
        st.number_input("At most", 0, step=1, key=key(prefix, "most"), persist_state="session", placeholder="any", width=110)
        st.segmented_control(
            "Counted in", ("words", "characters"), key=key(prefix, "unit"), persist_state="session", required=True
        )


def _language(prefix: str) -> None:
    st.text_input("Language (ISO 639-1)", key=key(prefix, "language"), persist_state="session", placeholder="en", max_chars=3)


def _words(prefix: str) -> None:
    st.text_input(
        "Forbidden words, with commas between them",
        key=key(prefix, "forbidden"),
        persist_state="session",
        placeholder="sorry, cannot",
    )


def _topics(prefix: str) -> None:
    st.text_input(
        "Forbidden topics, with commas between them", key=key(prefix, "topics"), persist_state="session",
        placeholder="medical advice, politics", help="Told by what a sentence means, not by its words",
    )  # fmt: skip


def _other(prefix: str) -> None:
    st.text_area(
        "Other checks, a JSON list", key=key(prefix, "other"), persist_state="session", height=80,
        placeholder='[{"kind": "contains", "value": "km"}]', help="Any check that a data set may hold, and python with code of your own",
    )  # fmt: skip


DRAWN = {
    SCHEMA: _schema, REGEX: _regex, LENGTH: _length, LANGUAGE: _language, WORDS: _words, TOPICS: _topics, OTHER: _other,
}  # fmt: skip


def asked(prefix: str) -> dict[str, Any]:
    """The guards that the form says, as Guards.checked takes them; empty for none. BadInput where a field is not JSON."""
    value = {what: st.session_state.get(key(prefix, what), nothing) for what, nothing in VALUES.items()}
    chosen: list[str] = value["checks"]
    if not chosen:
        return {}
    checks: list[Any] = []
    for kind in chosen:
        checks += _asked(kind, value)
    grammar = next((check for check in checks if check.get("kind") in GRAMMARS), None) if value["constrain"] else None
    held = {grammar["kind"]: grammar["schema" if grammar["kind"] == SCHEMA else "pattern"]} if grammar else None
    return {"checks": checks, "retries": int(value["retries"]), "refusal": value["refusal"].strip(), "constrain": held}


def _asked(kind: str, value: Mapping[str, Any]) -> list[Any]:
    if kind == OTHER:
        found = _json("Other checks", value["other"])
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise BadInput('Other checks: write a JSON list of checks, like [{"kind": "contains", "value": "km"}].')
        return found
    if kind == SCHEMA:
        return [{"kind": kind, "schema": _json("JSON Schema", value["schema"])}]
    if kind == REGEX:
        return [{"kind": kind, "pattern": value["pattern"]}]
    if kind == LENGTH:
        bounds = {name: int(value[name]) for name in ("least", "most") if value[name] is not None}
        return [{"kind": kind, **bounds, "unit": value["unit"]}]
    if kind == SUPPORTED:
        return [{"kind": kind}]
    if kind == LANGUAGE:
        return [{"kind": kind, "value": value["language"].strip()}]
    return [{"kind": kind, "forbidden" if kind == WORDS else "value": _listed(value["forbidden" if kind == WORDS else "topics"])}]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _json(what: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BadInput(f"{what}: this is not JSON ({problem}).") from None

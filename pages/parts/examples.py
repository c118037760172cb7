"""Rows of data as a person reads them: as conversations, answers side by side, or text. All of it inert."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.parts import inert


def example(row: Mapping[str, Any], shape: str) -> None:
    """Draw one row of a frozen data set in the way its shape is read; other columns follow below."""
    shown = DRAW[shape](row)
    rest = {k: v for k, v in row.items() if k not in shown and v is not None}
    if rest:
        st.caption("Other columns")
        inert.code(inert.json_text(rest), "json")


def _said(value: Any, role: str, note: str = "") -> None:
    if isinstance(value, list):
        inert.conversation(value)
    else:
        inert.turn(role, value, note)


def _text(row: Mapping[str, Any]) -> tuple[str, ...]:
    inert.text(row["text"])
    return ("text",)


def _messages(row: Mapping[str, Any]) -> tuple[str, ...]:
    inert.conversation(row["messages"])
    return ("messages",)


def _prompt_completion(row: Mapping[str, Any]) -> tuple[str, ...]:
    _said(row["prompt"], "user")
    _said(row["completion"], "assistant")
    return ("prompt", "completion")


def _preference(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row.get("prompt") is not None:
        _said(row["prompt"], "user")
    for column, name, icon, answer in zip(
        st.columns(2), ("Chosen", "Rejected"), ("check", "close"), ("chosen", "rejected"), strict=True
    ):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f":material/{icon}: **{name}**")
            _said(row[answer], "assistant")
    return ("prompt", "chosen", "rejected")


def _unpaired(row: Mapping[str, Any]) -> tuple[str, ...]:
    _said(row["prompt"], "user")
    _said(row["completion"], "assistant", "good" if row["label"] else "bad")
    return ("prompt", "completion", "label")


def _prompt(row: Mapping[str, Any]) -> tuple[str, ...]:
    _said(row["prompt"], "user")
    return ("prompt",)


DRAW = {
    "text": _text,
    "messages": _messages,
    "prompt_completion": _prompt_completion,
    "preference": _preference,
    "unpaired": _unpaired,
    "prompt": _prompt,
}

"""Asking for a judge, the same way wherever one is needed."""

import streamlit as st

from engine.evaluation.judge import PRINCIPLES


def judge(prefix: str) -> tuple[str, str, list[str]]:
    """Ask for a judge's address, its name there and the principles it goes by; the keys of the fields begin with ``prefix``."""
    address, name = judge_alone(prefix)
    lines = st.text_area(
        "Principles, a line each", key=f"{prefix}_principles", persist_state="session", height=96, placeholder="\n".join(PRINCIPLES),
        help="What makes an answer the better one; where answers are revised, also what they are criticised by",
    )  # fmt: skip
    return address, name, (lines or "").splitlines()


def judge_alone(prefix: str) -> tuple[str, str]:
    """Ask for a judge's address and its name there; the keys of the fields are ``prefix`` with _address and _judge."""
    address = st.text_input(
        "Judge's address", key=f"{prefix}_address", persist_state="session", placeholder="http://127.0.0.1:8000/v1",
        help="OpenAI-compatible, up to and with /v1. Its key is read from TEMPER_JUDGE_KEY, or was kept by `judge --key`",
    )  # fmt: skip
    name = st.text_input("Judge's name there", key=f"{prefix}_judge", persist_state="session")
    return (address or "").strip(), (name or "").strip()

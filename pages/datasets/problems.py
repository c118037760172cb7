"""Draws rows that could not be used, each with its number and the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

SCHEMA = {"row": pl.Int64, "message": pl.String, "shown": pl.String}
COLUMNS = {
    "row": st.column_config.NumberColumn("Row", width="small"),
    "message": st.column_config.TextColumn("What is wrong", width="large"),
    "shown": st.column_config.TextColumn("How the row begins", width="medium"),
}


def table(found: Sequence[Mapping[str, Any]]) -> None:
    """Row, reason and the beginning of the row, as plain cells."""
    frame = pl.DataFrame({name: [problem[name] for problem in found] for name in SCHEMA}, schema=SCHEMA)
    st.dataframe(frame, hide_index=True, column_config=COLUMNS, alt="Rows with a problem")

"""Figures that stand still, in Plotly. Curves of a run, which move while they are watched, are in curves.py."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import streamlit as st

# no bar of buttons over a small figure, and no way to send it to Plotly's own servers
CONFIG: dict[str, Any] = {"displayModeBar": False, "displaylogo": False, "showSendToCloud": False}


def histogram(
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    key: str,
    alt: str,
    unit: str,
    limit: float | None = None,
    limit_name: str = "limit",
    height: int = 220,
) -> None:
    """Draw counts between ``edges`` (one more edge than counts); bars beyond ``limit`` are hatched as well as coloured."""
    import plotly.graph_objects as go  # a twentieth of a second that pages without figures need not pay

    spans = list(pairwise(edges))
    parts = {f"within {limit_name}": [], f"beyond {limit_name}": []}
    within, beyond = parts
    for span, count in zip(spans, counts, strict=True):
        parts[within if limit is None or span[1] <= limit else beyond].append((span, count))
    figure = go.Figure()
    for name, bars in parts.items():
        if not bars:
            continue
        figure.add_bar(
            name=name,
            x=[(low + high) / 2 for (low, high), _ in bars],
            width=[0.9 * (high - low) for (low, high), _ in bars],
            y=[count for _, count in bars],
            text=[f"{low:,.0f} to {high:,.0f}" for (low, high), _ in bars],
            textposition="none",
            hovertemplate=f"%{{text}} {unit}: %{{y:,}}<extra></extra>",
            marker_pattern_shape="/" if name == beyond else "",
        )
    figure.update_layout(
        height=height,
        bargap=0,
        showlegend=limit is not None,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        margin={"l": 0, "r": 8, "t": 32 if limit is not None else 8, "b": 0},
        xaxis={"title": unit, "showgrid": False, "fixedrange": True, "range": [edges[0], edges[-1]]},
        yaxis={"title": "rows", "fixedrange": True, "tickformat": ",d", "rangemode": "tozero"},
    )
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)

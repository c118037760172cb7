"""Figures that stand still, in Plotly. Curves of a run, which move while they are watched, are in curves.py."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import streamlit as st

from storage.records import Interval

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


def calibration(bins: Sequence[tuple[float, Mapping[str, float]]], *, key: str, error: float, height: int = 260) -> None:
    """Draw how often a model is right (value, low, high, n) at each confidence from 0.5 to 1; on the diagonal it means what it says."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(x=[0.5, 1], y=[0.5, 1], mode="lines", line_dash="dot", name="means what it says", hoverinfo="skip")
    rights = [right for _, right in bins]
    figure.add_scatter(
        x=[confidence for confidence, _ in bins],
        y=[right["value"] for right in rights],
        error_y={
            "type": "data", "symmetric": False, "array": [r["high"] - r["value"] for r in rights],
            "arrayminus": [r["value"] - r["low"] for r in rights],
        },
        mode="markers", marker_size=9, name="this model", text=[f"{r['n']:,} pairs" for r in rights],
        hovertemplate="says %{x:.0%}, right %{y:.0%}, %{text}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=height, margin={"l": 0, "r": 8, "t": 32, "b": 0}, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": "how sure it is", "tickformat": ".0%", "range": [0.48, 1.02], "fixedrange": True},
        yaxis={"title": "how often it is right", "tickformat": ".0%", "range": [0, 1.05], "fixedrange": True},
    )  # fmt: skip
    told = "; ".join(f"{confidence:.0%} sure, right {right['value']:.0%}" for confidence, right in bins)
    st.plotly_chart(figure, key=key, config=CONFIG, alt=f"Calibration, mean error {error:.1%}: {told}")
    st.caption(f"Calibration: on average its confidence is off by {error:.1%}.")


def shares(groups: Sequence[tuple[str, Sequence[tuple[str, Interval]]]], *, key: str, even: float) -> None:
    """Draw shares with their 95 % intervals, a row for each name and a panel for each group, against a line at ``even``."""
    from plotly.subplots import make_subplots

    groups = [(title, rows) for title, rows in groups if rows]
    figure = make_subplots(rows=1, cols=len(groups), subplot_titles=[title for title, _ in groups], shared_yaxes=True)
    for column, (title, rows) in enumerate(groups, 1):
        figure.add_scatter(
            x=[share.value for _, share in rows], y=[name for name, _ in rows], mode="markers", marker_size=9, name=title,
            error_x={
                "type": "data", "symmetric": False, "array": [share.high - share.value for _, share in rows],
                "arrayminus": [share.value - share.low for _, share in rows],
            },
            text=[f"n = {share.n:,}" for _, share in rows], hovertemplate="%{y}: %{x:.0%}, %{text}<extra></extra>", row=1, col=column,
        )  # fmt: skip
        figure.add_vline(x=even, line_dash="dot", opacity=0.6, row=1, col=column)  # type: ignore[arg-type]
        figure.update_xaxes(tickformat=".0%", range=[-0.02, 1.02], fixedrange=True, row=1, col=column)
    names = {name for _, rows in groups for name, _ in rows}
    figure.update_yaxes(fixedrange=True, automargin=True)
    figure.update_layout(height=110 + 34 * len(names), showlegend=False, margin={"l": 0, "r": 8, "t": 36, "b": 0})
    told = "; ".join(f"{title}: " + ", ".join(f"{name} {share.value:.0%}" for name, share in rows) for title, rows in groups)
    st.plotly_chart(figure, key=key, config=CONFIG, alt=told)


def ratings(rows: Sequence[tuple[str, float, float, float]], *, key: str, alt: str, unit: str = "points") -> None:
    """Draw (name, value, low, high) as points with their 95 % intervals, the first at the top."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=[value for _, value, _, _ in rows], y=[name for name, *_ in rows], mode="markers", marker_size=11,
        error_x={
            "type": "data", "symmetric": False, "array": [high - value for _, value, _, high in rows],
            "arrayminus": [value - low for _, value, low, _ in rows], "thickness": 2, "width": 6,
        },
        customdata=[[low, high] for _, _, low, high in rows],
        hovertemplate=f"%{{y}}: %{{x:.0f}} {unit} (%{{customdata[0]:.0f}} to %{{customdata[1]:.0f}})<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=90 + 44 * len(rows), margin={"l": 0, "r": 12, "t": 8, "b": 0}, showlegend=False,
        xaxis={"title": unit, "fixedrange": True, "zeroline": False},
        yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True},
    )  # fmt: skip
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def matrix(names: Sequence[str], cells: Mapping[tuple[str, str], tuple[float, str]], *, key: str, alt: str) -> None:
    """Draw a square of shares from 0 to 1, (share, words) by the names of row and column; what is not there stays empty."""
    import plotly.graph_objects as go

    figure = go.Figure()
    table = [[cells.get((row, column)) for column in names] for row in names]
    figure.add_heatmap(
        z=[[cell[0] if cell else None for cell in row] for row in table], x=list(names), y=list(names), zmin=0, zmax=1,
        text=[[cell[1] if cell else "" for cell in row] for row in table], texttemplate="%{text}", colorscale="RdBu_r", zmid=0.5,
        showscale=False, xgap=2, ygap=2, hovertemplate="%{y} against %{x}: %{text}<extra></extra>", hoverongaps=False,
    )  # fmt: skip
    figure.update_layout(
        height=110 + 56 * len(names), margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"side": "bottom", "fixedrange": True, "title": "against", "automargin": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True},
    )  # fmt: skip
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)

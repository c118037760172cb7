"""The picture of a bake-off: what each candidate reaches, and its paired difference to the cheapest, with their intervals."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.parts.charts import CONFIG

KINDS = {  # word and marker, so that colour is never the only sign
    "base": ("Base", "circle"),
    "prompt": ("Prompt", "square"),
    "guards": ("Guards", "diamond"),
    "retrieval": ("Retrieval", "triangle-up"),
    "tuned": ("Training", "star"),
    "combined": ("Combined", "hexagon"),
}
WIDE = 20  # signs of a name before it takes a second line
ROW, FRAME = 62, 92  # pixels


def lines(name: str) -> str:
    """A name as an axis shows it: in lines, and with nothing in it that Plotly would read as markup."""
    return "<br>".join(html.escape(part, quote=False) for part in textwrap.wrap(name, WIDE)[:3]) or " "


def told(one: Mapping[str, Any]) -> str:
    """A share with its interval in per cent, as a label."""
    return f"{100 * one['value']:.0f} % ({100 * one['low']:.0f} to {100 * one['high']:.0f})"


def apart(one: Mapping[str, Any]) -> str:
    """A difference of shares with its interval in points, as a label."""
    value, low, high = (f"{round(100 * one[name]):+d}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def colours() -> dict[str, str]:
    """A colour of the theme for each kind, the same in every figure."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    return dict(zip(KINDS, st.get_option(f"theme.{theme}.chartCategoricalColors"), strict=False))


def reached(candidates: Sequence[Mapping[str, Any]], *, key: str) -> None:
    """Draw the share that each candidate gets right."""
    rows = [(one["name"], one["kind"], one, told(one)) for one in candidates]
    figure = _figure(rows, (0.15, 0.85), len(rows))
    figure.update_xaxes(range=[-0.03, 1.03], tickformat=".0%", title="right", fixedrange=True)
    alt = "Right: " + "; ".join(f"{one['name']} {told(one)}" for one in candidates)
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def differences(candidates: Sequence[Mapping[str, Any]], cheapest: str, *, key: str) -> None:
    """Draw the paired difference of each candidate to the cheapest one in points, against a line at none."""
    others = [(one["name"], one["kind"], one["difference"]) for one in candidates if one["difference"]]
    points = [{part: 100 * each[part] for part in ("value", "low", "high")} for _, _, each in others]
    low, high = min(0.0, *(each["low"] for each in points)), max(0.0, *(each["high"] for each in points))
    room = 0.12 * (high - low) or 10
    rows = [(name, kind, each, apart(shares)) for (name, kind, shares), each in zip(others, points, strict=True)]
    figure = _figure(rows, (low + 0.25 * (high - low), low + 0.75 * (high - low)), len(candidates))
    figure.add_vline(x=0, line_dash="dot", opacity=0.7, layer="below")
    figure.update_xaxes(range=[low - room, high + room], tickformat="+d", title="points", fixedrange=True, nticks=6)
    alt = f"Difference to {cheapest} in points: " + "; ".join(f"{name} {apart(shares)}" for name, _, shares in others)
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def _figure(rows: Sequence[tuple[str, str, Mapping[str, float], str]], edges: tuple[float, float], high: int) -> Any:
    """Horizontal intervals (name, kind, interval, label), the first at the top; one trace for each kind, named with its marker.
    It is as high as ``high`` rows."""
    import plotly.graph_objects as go

    figure, colour = go.Figure(), colours()
    for kind, (word, symbol) in KINDS.items():
        its = [(lines(name), each, label) for name, of, each, label in rows if of == kind]
        if not its:
            continue
        figure.add_scatter(
            x=[each["value"] for _, each, _ in its], y=[name for name, _, _ in its], mode="markers+text", name=word,
            marker={"symbol": symbol, "size": 13, "color": colour[kind]}, cliponaxis=False, text=[label for _, _, label in its],
            textposition=[_side(each["value"], edges) for _, each, _ in its],
            error_x={
                "type": "data", "symmetric": False, "array": [each["high"] - each["value"] for _, each, _ in its],
                "arrayminus": [each["value"] - each["low"] for _, each, _ in its], "thickness": 2, "width": 6,
            },
            hovertemplate="%{y}: %{text}<extra></extra>",
        )  # fmt: skip
    order = [lines(name) for name, *_ in rows]
    figure.update_yaxes(
        categoryorder="array", categoryarray=order, range=[len(rows) - 0.5, -0.7], fixedrange=True, automargin=True
    )
    figure.update_layout(
        height=FRAME + ROW * high, margin={"l": 0, "r": 12, "t": 34, "b": 0}, showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False},
    )  # fmt: skip
    return figure


def _side(value: float, edges: tuple[float, float]) -> str:
    """Where a label stands so that it stays within the picture."""
    return "top right" if value < edges[0] else "top left" if value > edges[1] else "top center"

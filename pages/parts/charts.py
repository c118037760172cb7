"""Charts in one look. ECharts updates in place, so a live chart neither flickers nor moves; colours come from the theme."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import polars as pl
import streamlit as st

DASHES = ("solid", "dashed", "dotted")  # lines differ in their dash too: the colour is never the only sign
GRID = {"left": 8, "right": 16, "top": 36, "bottom": 8, "containLabel": True}


def curves(
    series: Mapping[str, Sequence[tuple[int, float]]],
    *,
    key: str,
    alt: str,
    x: str = "step",
    height: int = 280,
    logarithmic: bool = False,
    digits: int = 4,
) -> None:
    """Draw named series of (step, value) over one axis. Pass at most 2,000 points each (``storage.events.curve`` thins)."""
    names = list(series)
    longest = max((len(points) for points in series.values()), default=0)
    spec: dict[str, Any] = {
        "animation": False,
        "grid": GRID,
        "tooltip": {"trigger": "axis", "valueFormatter": f"%.{digits}g"},
        "legend": {"show": len(names) > 1, "top": 0, "left": 0, "type": "scroll"},
        "xAxis": {
            "type": "value",
            "name": x,
            "nameLocation": "end",
            "nameGap": 4,
            "min": "dataMin",
            "max": "dataMax",
            "minInterval": 1,
        },
        "yAxis": {"type": "log" if logarithmic else "value", "scale": True},
        "dataset": [{"source": _frame(points, name)} for name, points in series.items()],
        "series": [
            {
                "type": "line",
                "name": name,
                "datasetIndex": i,
                "encode": {"x": "step", "y": name, "tooltip": [name]},
                "showSymbol": longest <= 30,
                "symbolSize": 5,
                "lineStyle": {"width": 2, "type": DASHES[i % len(DASHES)]},
            }
            for i, name in enumerate(names)
        ],
    }
    st.echarts_chart(spec, key=key, height=height, alt=alt)


def _frame(points: Sequence[tuple[int, float]], name: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"step": [s for s, _ in points], name: [v for _, v in points]}, schema={"step": pl.Int64, name: pl.Float64}
    )


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
    fits = [limit is None or high <= limit for high in edges[1:]]
    bars = pl.DataFrame(
        {
            unit: [f"{low:,.0f} to {high:,.0f}" for low, high in pairwise(edges)],
            "within": [n if fit else 0 for n, fit in zip(counts, fits, strict=True)],
            "beyond": [0 if fit else n for n, fit in zip(counts, fits, strict=True)],
        }
    )
    hatched = {"decal": {"symbol": "rect", "dashArrayX": [1, 0], "dashArrayY": [2, 4], "rotation": -0.7}}
    spec = {
        "animation": False,
        "grid": {**GRID, "top": 36 if limit is not None else 12},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": "%,d"},
        "legend": {"show": limit is not None, "top": 0, "left": 0},
        "dataset": {"source": bars},
        "xAxis": {"type": "category", "name": unit, "nameLocation": "middle", "nameGap": 28, "axisTick": {"show": False}},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {
                "type": "bar",
                "stack": "all",
                "name": f"within {limit_name}",
                "encode": {"x": unit, "y": "within"},
                "barCategoryGap": "12%",
            },
            {
                "type": "bar",
                "stack": "all",
                "name": f"beyond {limit_name}",
                "encode": {"x": unit, "y": "beyond"},
                "itemStyle": hatched,
            },
        ],
    }
    st.echarts_chart(spec, key=key, height=height, alt=alt)

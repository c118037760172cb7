"""A run's curves: read thinned, named in the field's words, drawn live in one look, told in a sentence to who cannot see them.

They are drawn by ECharts, which updates in place: a zoomed or hovered curve stays so while values arrive. Other figures are
Plotly's, see charts.py and the decisions.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import streamlit as st

from storage import events
from storage.home import Home
from storage.records import Run

DASHES = ("solid", "dashed", "dotted")  # lines differ in their dash too: the colour is never the only sign
GRID = {"left": 8, "right": 16, "top": 36, "bottom": 8, "containLabel": True}
PART = "reward_part_"
POINTS = 2000  # most points of one series that are sent to a browser
DENSE = 30  # points from which a line is smoothed, and its points are no longer marked one by one
SLOW_FROM = 20_000  # from so many steps on, reading a curve takes long enough to do it less often than every second
Points = list[tuple[int, float | None]]


@dataclass(frozen=True)
class Panel:
    """What one chart shows: series on one scale, and what they tell."""

    title: str
    series: tuple[str, ...]
    tells: str
    noisy: bool = True  # worth smoothing


PANELS = (
    Panel(
        "Reward",
        ("reward", "eval_reward"),
        "What answers are worth: those drawn while training, and greedy ones to held-out prompts. Both should rise. Reward that "
        "rises in training alone, or answers that read badly, mean that the reward has been fooled.",
    ),
    Panel(
        "Loss",
        ("loss", "eval_loss"),
        "How surprised the model is by the wanted answers. Both lines should fall. When the held-out loss turns up while the "
        "training loss still falls, the model learns rows by heart: stop there, or use fewer epochs.",
    ),
    Panel(
        "Token accuracy",
        ("token_accuracy", "eval_token_accuracy", "eval_mean_token_accuracy"),
        "Share of the wanted tokens that the model would have chosen itself. It rises as the loss falls.",
    ),
    Panel(
        "Pairs told apart",
        ("preference_accuracy", "eval_preference_accuracy"),
        "Share of pairs in which the chosen answer is ahead. A half is guessing.",
    ),
    Panel(
        "Lead of the chosen answer",
        ("reward_margin", "eval_reward_margin"),
        "By how much the chosen answer is ahead of the other one.",
    ),
    Panel(
        "Rewards of both answers",
        ("reward_chosen", "reward_rejected"),
        "How much likelier than at the start each answer has become. When both fall, the chosen answers are unlearnt as well: "
        "raise beta, or add the loss on the chosen answers.",
    ),
    Panel("Log-probability of both answers", ("logp_chosen", "logp_rejected"), "Of the whole answer, in nats."),
    Panel(
        "Divergence from the start",
        ("kl", "kl_answer"),
        "How far the model has moved from where it began. A rise without more reward is drift: raise beta.",
    ),
    Panel(
        "Where the time of a step goes",
        ("seconds_generation", "seconds_scoring", "seconds_update", "seconds_reward"),
        "Drawing answers, reading their log-probabilities, the update, and the reward.",
    ),
    Panel("Tokens of an answer", ("answer_tokens",), "Mean length. A steady rise may mean that the reward pays for length."),
    Panel("Answers cut off", ("answers_cut",), "Share that did not end by themselves within max_answer tokens."),
    Panel("Calls of tools", ("tool_calls", "tool_failures"), "How many an answer makes, and the share of them that fail."),
    Panel("Groups alike", ("groups_alike",), "Share of prompts whose answers all earned the same: nothing is learnt from them."),
    Panel("Clipped", ("clipped",), "Share of tokens whose update was held back."),
    Panel("Spread of the rewards", ("reward_spread",), "Among the answers to a prompt. Without any there is nothing to compare."),
    Panel("Value", ("value",), "What the value head expects of an answer, on average. It should come near the reward."),
    Panel("Explained by the value", ("explained",), "Share of the returns' variance that the values explain: 1 is all, 0 none."),
    Panel("Losses of policy and value", ("policy_loss", "value_loss"), "Both parts of PPO's loss; the value's should fall."),
    Panel(
        "Divergence within an update",
        ("kl_update",),
        "Per token, how far the passes over one batch have moved the model. kl_stop bounds it.",
    ),
    Panel("Passes left out", ("skipped",), "1 where a batch had moved the model too far for another pass."),
    Panel("Weight of the divergence", ("kl_coefficient",), "Beta as it is now, where kl_target moves it."),
    Panel("Mean reward", ("eval_mean_reward", "mean_reward"), "What the reward model gives, over both answers of a pair."),
    Panel("Least and greatest reward", ("min_reward", "max_reward", "eval_min_reward", "eval_max_reward"), "Within a batch."),
    Panel(
        "Gradient norm",
        ("gradient_norm",),
        "How strongly a step pulls at the weights. Rare spikes are harmless; a steady rise means that "
        "the learning rate is too high.",
    ),
    Panel(
        "Learning rate", ("learning_rate",), "The size of a step: it rises in the warm-up and falls by the schedule.", noisy=False
    ),
    Panel(
        "Seconds per step",
        ("seconds_per_step",),
        "How long a step took. It should be level; a drift up means that the machine is short of memory or busy elsewhere.",
    ),
    Panel(
        "Entropy", ("entropy", "eval_entropy"), "How undecided the model is about the next token. It falls as it becomes sure."
    ),
)
NAMES = {
    "reward": "drawn in training",
    "eval_reward": "held-out, greedy",
    "preference_accuracy": "training",
    "eval_preference_accuracy": "held-out",
    "reward_margin": "training",
    "eval_reward_margin": "held-out",
    "reward_chosen": "chosen",
    "reward_rejected": "rejected",
    "logp_chosen": "chosen",
    "logp_rejected": "rejected",
    "tool_calls": "calls an answer",
    "tool_failures": "share that fail",
    "kl": "per token",
    "kl_answer": "per answer",
    "seconds_generation": "generation",
    "seconds_scoring": "scoring",
    "seconds_update": "update",
    "seconds_reward": "reward",
    "policy_loss": "policy",
    "value_loss": "value",
    "mean_reward": "training",
    "eval_mean_reward": "held-out",
    "min_reward": "least, training",
    "max_reward": "greatest, training",
    "eval_min_reward": "least, held-out",
    "eval_max_reward": "greatest, held-out",
    "loss": "training",
    "eval_loss": "held-out",
    "token_accuracy": "training",
    "eval_token_accuracy": "held-out",
    "eval_mean_token_accuracy": "held-out",
    "entropy": "training",
    "eval_entropy": "held-out",
}
# figures about the run, not curves
NOT_CURVES = {
    "planned_steps", "tokens", "training_seconds",
    "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_num_tokens", "eval_tokens",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of a chart. A faint one is the measured series behind its smoothed self."""

    name: str
    points: Points
    dash: str = "solid"
    faint: bool = False


def panels(home: Home, run: Run) -> list[Panel]:
    """The charts for which this run has values: the known ones in their order, then a chart each for every other series."""
    there = set(events.latest(home, run.id)) - NOT_CURVES
    known = [panel for panel in PANELS if there & set(panel.series)]
    parts = tuple(sorted(name for name in there if name.startswith(PART)))
    if parts:
        known.insert(1, Panel("Parts of the reward", parts, "What each term of the sum gives, before its weight."))
    rest = sorted(there - {name for panel in PANELS for name in panel.series} - set(parts))
    return known + [Panel(name.replace("_", " "), (name,), "") for name in rest]


def title_of(panel: Panel, series: str) -> str:
    """What one series of a chart is called where it stands alone."""
    return f"{NAMES[series].capitalize()} {panel.title.lower()}" if series in NAMES else panel.title


@st.cache_data(max_entries=2000, show_spinner=False)
def _kept(root: str, run_id: int, series: str, points: int, version: str) -> Points:
    return list(events.curve(Home.resolve(root), run_id, series, points))


def read(home: Home, run: Run, series: str, points: int = POINTS) -> Points:
    """(step, value) of one series of a run, thinned with least and greatest kept.

    What has ended is read once. A live run is read anew each time, but a very long one no more often than its reading is worth.
    """
    if run.ended_at is not None:
        return _kept(str(home.root), run.id, series, points, run.ended_at)
    last = events.latest(home, run.id).get(series, (0, 0.0))[0]
    if last < SLOW_FROM:
        return list(events.curve(home, run.id, series, points))
    return _kept(str(home.root), run.id, series, points, f"live {int(time.time() / (last / SLOW_FROM))}")


def smooth(points: Points, weight: float) -> Points:
    """The exponential moving average, corrected for its start; values that are not numbers are left out."""
    held, mass, told = 0.0, 0.0, []
    for step, value in points:
        if value is None or not math.isfinite(value):
            continue
        held = weight * held + (1 - weight) * value
        mass = weight * mass + (1 - weight)
        told.append((step, held / mass))
    return told


def lines_of(home: Home, run: Run, panel: Panel, weight: float = 0.0) -> list[Line]:
    """The lines of one run in a chart. With ``weight`` above 0 dense series are smoothed, the measured values faint behind."""
    told = []
    for style, series in zip(DASHES * 2, panel.series, strict=False):
        points, called = (
            read(home, run, series),
            NAMES.get(series, series.removeprefix(PART) if series.startswith(PART) else panel.title),
        )
        if weight and panel.noisy and len(points) > DENSE:
            told.append(Line(called, points, style, faint=True))
            points = smooth(points, weight)
        told.append(Line(called, points, style))
    return [line for line in told if line.points]


def overlay(home: Home, runs: Mapping[str, Run], series: str, weight: float = 0.0) -> list[Line]:
    """One series of several runs, a line each, named by the caller. Measured values are left out where they are smoothed."""
    told = []
    for style, (name, run) in zip(DASHES * len(runs), runs.items(), strict=False):
        points = read(home, run, series)
        told.append(Line(name, smooth(points, weight) if weight and len(points) > DENSE else points, style))
    return [line for line in told if line.points]


def sentence(title: str, lines: Sequence[Line]) -> str:
    """What a chart shows, for a screen reader: where each line began and where it is now."""
    told = []
    for line in lines:
        values = [(step, value) for step, value in line.points if value is not None]
        if line.faint or not values:
            continue
        (first, began), (last, now) = values[0], values[-1]
        told.append(f"{line.name} {began:.4g} at step {first}, {now:.4g} at step {last}")
    return f"{title}: " + "; ".join(told) if told else f"{title}: no values yet"


def draw(
    title: str, lines: Sequence[Line], *, key: str, height: int = 240, logarithmic: bool = False, until: int | None = None
) -> None:
    """Draw lines over steps. ``until`` leaves room up to the last planned step, so that one sees how far a run is."""
    shown = [line for line in lines if line.points]
    names = list(dict.fromkeys(line.name for line in shown))
    spec: dict[str, Any] = {
        "animation": False,
        "grid": {**GRID, "top": 32 if len(names) > 1 else 12},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.4g", "confine": True},
        "legend": {"show": len(names) > 1, "data": names, "top": 0, "left": 0, "type": "scroll"},
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": until or "dataMax",
            "minInterval": 1,
            "splitLine": {"show": False},
            "name": "step" if height >= 260 else "",
            "nameLocation": "middle",
            "nameGap": 24,
        },
        "yAxis": {"type": "log" if logarithmic else "value", "scale": True, "splitNumber": 4},
        "dataset": [{"source": _frame(line, logarithmic)} for line in shown],
        "series": [_series(i, line, names) for i, line in enumerate(shown)],
    }
    st.echarts_chart(spec, key=key, height=height, alt=sentence(title, lines))


def _frame(line: Line, logarithmic: bool) -> pl.DataFrame:
    values = [v if v is None or (math.isfinite(v) and not (logarithmic and v <= 0)) else None for _, v in line.points]
    schema: Mapping[str, Any] = {"step": pl.Int64, line.name: pl.Float64}
    return pl.DataFrame({"step": [s for s, _ in line.points], line.name: values}, schema=schema)


def _series(i: int, line: Line, names: list[str]) -> dict[str, Any]:
    few = len(line.points) <= DENSE
    return {
        "type": "line",
        "name": line.name,  # ECharts colours by name: a faint line has the colour of its smoothed self
        "datasetIndex": i,
        "encode": {"x": "step", "y": line.name, "tooltip": [line.name]},
        "tooltip": {"show": not line.faint},
        "showSymbol": few and not line.faint,
        "symbol": ("circle", "rect", "triangle", "diamond")[names.index(line.name) % 4],
        "symbolSize": 6,
        "silent": line.faint,
        "lineStyle": {"width": 1 if line.faint else 2, "type": line.dash, "opacity": 0.25 if line.faint else 1},
    }

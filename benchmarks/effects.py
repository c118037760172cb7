"""``make effects``: what each method changes in the Pocket model, measured on held-out rows with several seeds.

usage: python -m benchmarks.effects [METHOD ...] [--seeds N] [--first SEED] [--home DIR] [--record]

Everything goes through the command line, as a person would do it; the lines are printed. ``--record`` keeps the figures in the
recipe beside the model, one entry for each method and seed, and writes the table of the README from them.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.lab import ended, lab
from engine.jobs import submit
from engine.samples import pocket
from storage import files, runs
from storage.home import Home
from storage.records import Run

RECIPE = pocket.POCKET / "recipe.json"
README = Path(__file__).resolve().parents[1] / "README.md"
TABLE = re.compile(r"(<!-- effects -->\n).*?(<!-- /effects -->)", re.DOTALL)
FINE_TUNED = "sft"  # what most methods begin with, trained with the same seed


@dataclass(frozen=True)
class Measure:
    """A held-out set, what a share on it means, and whether half a paired difference above a half is a win rate."""

    data: str
    means: str
    wins: bool = False


STYLE = Measure("pocket-style-held-out", "wins by the preferred style", wins=True)
INSTRUCTIONS = Measure("pocket-instructions-held-out", "instructions followed")
SUMS = Measure("pocket-sums-held-out", "sums right")
TOOLS = Measure("pocket-tool-questions-held-out", "questions for tools answered")
ISLE = Measure("pocket-far-isle-questions", "facts of the new domain, closed book")


@dataclass(frozen=True)
class Effect:
    """A method, where it begins, what it learns from, and what is claimed of it on a CPU with two cores."""

    method: str
    data: str
    measures: tuple[Measure, ...]
    claim: str
    start: str = FINE_TUNED
    settings: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.method}{self.variant}"


# a rate that moves a model of this size in a minute, and the loss on the chosen answers, without which they become less likely too
PAIRS = {"learning_rate": 5e-4, "epochs": 2, "beta": 0.5, "sft_weight": 1}
ISLE_SETTINGS = {"epochs": 3, "batch_size": 4, "learning_rate": 6e-4, "replay": "pocket-instructions"}
EFFECTS = (
    Effect("sft", "pocket-instructions", (INSTRUCTIONS,), "at least 80 %", start=pocket.NAME),
    Effect(
        "dpo", "pocket-preferences", (STYLE, INSTRUCTIONS), "at least 75 % wins, at most 5 points of instructions lost",
        settings=PAIRS,
    ),
    Effect("kto", "pocket-preferences", (STYLE, INSTRUCTIONS), "the same direction", settings={"learning_rate": 5e-4}),
    Effect("reward", "pocket-preferences", (), "at least 85 % of held-out pairs"),
    Effect("ppo", "pocket-sums", (SUMS,), "at least 15 points, at most 10 nats"),
    Effect("rloo", "pocket-sums", (SUMS,), "at least 15 points, at most 10 nats"),
    Effect("grpo", "pocket-sums", (SUMS,), "at least 15 points, at most 10 nats"),
    Effect("sft", "pocket-tools", (TOOLS,), "calls tools at all", variant=" with tools"),
    Effect(
        "grpo", "pocket-tool-questions", (TOOLS,), "calls them better", start="sft with tools",
        # a call, what it gave and the answer: with 64 tokens long calls could never earn anything. At temperature 1 most drawn calls
        # fail, and learning from them cost 7 points; at 0.7 the draws lie near the greedy answers that are measured
        settings={"steps": 60, "max_answer": 128, "temperature": 0.7},
        variant=" with tools",
    ),
    Effect("rejection", "pocket-sums", (SUMS,), "at least 8 points"),
    Effect(
        "pretrain", "pocket-far-isle", (ISLE, INSTRUCTIONS), "from at most 10 % to at least 50 %, at most 5 points lost elsewhere",
        settings={**ISLE_SETTINGS, "replay_share": 0.5},
    ),
    Effect(
        "pretrain", "pocket-far-isle", (ISLE, INSTRUCTIONS), "shows what is lost without replay",
        settings={**ISLE_SETTINGS, "replay_share": 0}, variant=" without replay",
    ),
)  # fmt: skip


def command(home: Home, *words: str) -> Any:
    """Run a command of Temper and give back what it prints."""
    print(f"$ python -m engine {shlex.join(words)}", flush=True)
    line = [sys.executable, "-m", "engine", "--home", str(home.root), *words, "--json"]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def seconds(run: Run) -> float:
    """From claim to ending."""
    assert run.started_at and run.ended_at
    return (datetime.fromisoformat(run.ended_at) - datetime.fromisoformat(run.started_at)).total_seconds()


def called(effect: Effect, seed: int) -> str:
    """The name of an effect's run, and of the model it makes."""
    return f"{effect.name.replace(' ', '-')}-{seed}"


def began(effect: Effect, seed: int) -> str:
    """The model that an effect begins with: the base, or what another effect made with the same seed."""
    return effect.start if effect.start == pocket.NAME else f"{effect.start.replace(' ', '-')}-{seed}"


def ran(home: Home, effect: Effect, seed: int) -> Run | None:
    """The run of an effect that is there already."""
    return next((run for run in runs.page(home, 1000) if run.name == called(effect, seed)), None)


def trained(home: Home, effect: Effect, seed: int) -> Run:
    """The run of an effect with one seed; what it begins with is trained first where it is not there yet."""
    first = next((each for each in EFFECTS if each.name == effect.start), None)
    if first and not ran(home, first, seed):
        trained(home, first, seed)
    sets = [word for key, value in effect.settings.items() for word in ("--set", f"{key}={value}")]
    told = command(
        home, "train", "--method", effect.method, "--model", began(effect, seed), "--data", effect.data, "--name",
        called(effect, seed), "--seed", str(seed), *sets, "--wait",
    )  # fmt: skip
    return ended(home, submit.find(home, told["id"]))


def show(home: Home, effect: Effect, seed: int) -> dict[str, Any]:
    """Train with one seed, measure what it changed, print it, and give it back."""
    run = ran(home, effect, seed) or trained(home, effect, seed)
    found: dict[str, Any] = {
        "method": effect.name, "data": effect.data, "seed": seed, "claim": effect.claim, "settings": dict(effect.settings),
        "steps": run.summary["steps"], "seconds": round(seconds(run)), "measured": [],
    }  # fmt: skip
    for key in ("kl_answer", "kl_answer_error", "trust", "forgotten"):
        if key in run.summary:
            found[key] = run.summary[key]
    for measure in effect.measures:
        told = command(home, "measure", f"#{run.summary['model_id']}", "--data", measure.data, "--against", began(effect, seed))
        scores = {
            key: _score(value) for key, value in (("after", told), ("before", told["against"]), ("gain", told["difference"]))
        }
        found["measured"].append({"on": measure.data, "means": measure.means, "wins": measure.wins, **scores})
    print(json.dumps(found), flush=True)
    return found


def _score(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("value", "low", "high", "n")}


def record(found: Sequence[Mapping[str, Any]]) -> None:
    """Keep what was measured beside the model, in its recipe, and write the README's table from all that is kept there."""
    recipe = json.loads(RECIPE.read_text(encoding="utf-8"))
    every = [*recipe.get("measured", []), *found]
    kept = {(each["method"], each["seed"]): each for each in every if "measured" in each}
    order = [effect.name for effect in EFFECTS]
    recipe["measured"] = sorted(kept.values(), key=lambda each: (order.index(each["method"]), each["seed"]))
    files.write_text(RECIPE, json.dumps(recipe, indent=1) + "\n")
    text = README.read_text(encoding="utf-8")
    files.write_text(README, TABLE.sub(lambda marks: f"{marks[1]}{table(recipe['measured'])}{marks[2]}", text))


def table(measured: Sequence[Mapping[str, Any]]) -> str:
    """The figures as a Markdown table: a row for each method and held-out set, the seeds beside each other."""
    lines = [
        "| method | measured | before | after | change | seconds, the quickest seed | claimed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(each["method"] for each in measured):
        seeds = [each for each in measured if each["method"] == name]
        for row in _rows(seeds):
            lines.append(f"| `{name.split()[0]}`{name.removeprefix(name.split()[0])} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _rows(seeds: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The cells of a method's rows, but its name; a change stands with the widest bounds of its seeds."""
    took = f"{min(each['seconds'] for each in seeds)}"  # what else the machine does only adds
    claim, rows = seeds[0]["claim"], []
    for place, first in enumerate(seeds[0]["measured"]):
        those = [each["measured"][place] for each in seeds]
        if first["wins"]:
            change = _span([_win(m["gain"]) for m in those], "{:.0f} % wins", 100)
        else:
            change = _span([m["gain"] for m in those], "{:+.0f}", 100)
        before, after = (", ".join(f"{100 * m[key]['value']:.0f} %" for m in those) for key in ("before", "after"))
        rows.append([f"{first['means']} (n = {first['after']['n']})", before, after, change, took, claim])
    if "trust" in seeds[0]:
        tests = [each["trust"]["accuracy"] for each in seeds]
        longer = ", ".join(f"{100 * each['trust']['longer']['value']:.0f} %" for each in seeds)
        after = _span(tests, "{:.0f} %", 100)
        rows.append([f"pairs held out, told right (n = {tests[0]['n']})", f"{longer} by length", after, "", took, claim])
    if "kl_answer" in seeds[0]:
        moved = ", ".join(f"{each['kl_answer']:.1f}" for each in seeds)
        rows.append(["nats from its start, a whole answer", "0", moved, "", took, claim])
    return rows


def _win(gain: Mapping[str, float]) -> dict[str, float]:
    """A win rate, ties half, from a paired difference of shares."""
    return {key: 0.5 + gain[key] / 2 for key in ("value", "low", "high")}


def _span(scores: Sequence[Mapping[str, float]], shown: str, scale: float) -> str:
    values = ", ".join(shown.format(scale * s["value"]) for s in scores)
    low, high = min(s["low"] for s in scores), max(s["high"] for s in scores)
    return f"{values} ({scale * low:.0f} to {scale * high:.0f})"


def main() -> int:
    """Show the named effects, or all."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("methods", nargs="*", default=[])
    given.add_argument("--seeds", type=int, default=3)
    given.add_argument("--first", type=int, default=0, help="the first seed")
    given.add_argument(
        "--record", action="store_true", help="keep the figures, and write the README's table from all that are kept"
    )
    given.add_argument("--home", help="a folder to keep the home in; what was trained there is not trained again")
    chosen = given.parse_args()
    with lab(chosen.home) as home:
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            for effect in EFFECTS:
                if not chosen.methods or {effect.method, effect.name} & set(chosen.methods):
                    print(f"== {effect.name}, seed {seed}; claimed: {effect.claim}", flush=True)
                    found = show(home, effect, seed)
                    if chosen.record:
                        record([found])
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``make effects``: what each method changes in the Pocket model, with its default recipe, measured on held-out rows.

usage: python -m benchmarks.effects [METHOD ...] [--seeds N] [--record]
"""

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.lab import ended, lab
from engine.jobs import submit
from engine.samples import pocket
from storage import files
from storage.home import Home
from storage.records import Run

SCORE = ("value", "low", "high", "n")


@dataclass(frozen=True)
class Effect:
    """A method, what it is trained and measured on, and what is claimed of it on a CPU with two cores."""

    method: str
    data: str
    held_out: str
    claim: str


EFFECTS = (
    Effect(
        "sft", "pocket-instructions", "pocket-instructions-held-out",
        "the base follows at most 15 %, after SFT at least 80 %, in at most 3 minutes",
    ),
)  # fmt: skip


def seconds(run: Run) -> float:
    """From claim to ending."""
    assert run.started_at and run.ended_at
    return (datetime.fromisoformat(run.ended_at) - datetime.fromisoformat(run.started_at)).total_seconds()


def told(score: dict[str, Any]) -> str:
    return f"{100 * score['value']:.0f} % ({100 * score['low']:.0f} to {100 * score['high']:.0f}, n = {score['n']})"


def show(home: Home, effect: Effect, seed: int) -> dict[str, Any]:
    """Train with one seed, print what it changed, and give it back."""
    trained = ended(home, submit.train(home, method=effect.method, model="pocket", dataset=effect.data, settings={}, seed=seed))
    asked = submit.measure(home, model=f"#{trained.summary['model_id']}", dataset=effect.held_out, against="pocket")
    measured = ended(home, asked).summary
    print(
        f"{effect.method}, seed {seed}: base {told(measured['against'])}, trained {told(measured)}, difference "
        f"{told(measured['difference'])}, {trained.summary['steps']} steps in {seconds(trained):.0f} s",
        flush=True,
    )
    return {
        "method": effect.method, "data": effect.data, "measured_on": effect.held_out, "seed": seed, "base": {key: measured["against"][key] for key in SCORE},
        "trained": {key: measured[key] for key in SCORE}, "steps": trained.summary["steps"], "seconds": round(seconds(trained)),
    }  # fmt: skip


def record(found: list[dict[str, Any]]) -> None:
    """Keep what was measured beside the model, in its recipe."""
    path = pocket.POCKET / "recipe.json"
    files.write_text(path, json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"measured": found}, indent=1) + "\n")


def main() -> int:
    """Show the named effects, or all."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("methods", nargs="*", default=[effect.method for effect in EFFECTS])
    given.add_argument("--seeds", type=int, default=3)
    given.add_argument("--record", action="store_true", help="keep the figures in the recipe beside the model")
    chosen, found = given.parse_args(), []
    with lab() as home:
        for effect in EFFECTS:
            if effect.method in chosen.methods:
                print(f"== {effect.method}: claimed: {effect.claim}")
                for seed in range(chosen.seeds):
                    found.append(show(home, effect, seed))
    if chosen.record:
        record(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``make effects``: what each method changes in the Pocket model, with its default recipe, measured on held-out rows.

usage: python -m benchmarks.effects [METHOD ...] [--seeds N]
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.lab import ended, lab
from engine.jobs import submit
from storage.home import Home
from storage.records import Run


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


def show(home: Home, effect: Effect, seed: int) -> None:
    """Train with one seed and print what it changed."""
    trained = ended(home, submit.train(home, method=effect.method, model="pocket", dataset=effect.data, settings={}, seed=seed))
    asked = submit.measure(home, model=f"#{trained.summary['model_id']}", dataset=effect.held_out, against="pocket")
    measured = ended(home, asked).summary
    print(
        f"{effect.method}, seed {seed}: base {told(measured['against'])}, trained {told(measured)}, difference "
        f"{told(measured['difference'])}, {trained.summary['steps']} steps in {seconds(trained):.0f} s",
        flush=True,
    )


def main() -> int:
    """Show the named effects, or all."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("methods", nargs="*", default=[effect.method for effect in EFFECTS])
    given.add_argument("--seeds", type=int, default=3)
    chosen = given.parse_args()
    with lab() as home:
        for effect in EFFECTS:
            if effect.method in chosen.methods:
                print(f"== {effect.method}: claimed: {effect.claim}")
                for seed in range(chosen.seeds):
                    show(home, effect, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

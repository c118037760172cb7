"""``make bakeoff``: prompting, retrieval and training side by side on the Pocket lab's new domain, with several seeds.

usage: python -m benchmarks.bakeoff [--seeds N] [--first SEED] [--home DIR] [--limit N] [--record]

Facts about Far Isle are asked that the base has never seen. The candidates: the base, alone, with examples and with passages looked
up; a model tuned on instructions about *other* facts, alone, with examples, with passages, and with passages and a guard; one that
went on to read the documents, alone and with passages. Then all are asked about newcomers, before and after documents about these are
in the index. Everything goes through the command line; the training of what is not there yet is told apart. ``--record`` writes the
table of the README.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.effects import EFFECTS, README, called, command, ran, seconds, trained
from benchmarks.lab import lab
from engine.samples import pocket
from storage import files, models
from storage.home import Home

TABLE = re.compile(r"(<!-- bakeoff -->\n).*?(<!-- /bakeoff -->)", re.DOTALL)
INDEX, PROMPT, GUARD = "far-isle", "examples", "supported"
QUESTIONS, LATER = "pocket-far-isle-questions", "pocket-far-isle-later-questions"
ANSWER = 32  # tokens
SFT = next(effect for effect in EFFECTS if effect.name == "sft")
READ = next(effect for effect in EFFECTS if effect.name == "pretrain")
# the questions asked otherwise, of which fewer are needed
SHAKEN = 100


def candidates(seed: int, guards: Path, version: int) -> list[str]:
    """The candidates as the command line takes them, with this version of the index."""
    sft, read = called(SFT, seed), called(READ, seed)
    looked = f"index={INDEX}@{version},passages=2"
    return [
        f"base:model={pocket.NAME}",
        f"base, examples:model={pocket.NAME},prompt={PROMPT}",
        f"base, passages:model={pocket.NAME},{looked}",
        f"tuned on other facts:model={sft}",
        f"tuned, examples:model={sft},prompt={PROMPT}",
        f"tuned, passages:model={sft},{looked}",
        f"tuned, passages, guard:model={sft},{looked},guards={guards}",
        f"read the documents:model={read}",
        f"read, passages:model={read},{looked}",
    ]


def prepare(home: Home, seed: int) -> dict[str, float]:
    """Train what is not there yet, make the prompt and the index; seconds of training, a name each."""
    took = {effect.name: seconds(ran(home, effect, seed) or trained(home, effect, seed)) for effect in (SFT, READ)}
    command(home, "prompts", "save", PROMPT, "--template", "{question}", "--examples", "pocket-instructions", "--count", "3", "--by", "nearest")  # fmt: skip
    there = next((one for one in command(home, "index", "list") if one["name"] == INDEX), None)
    if there is None:
        command(home, "index", "create", INDEX)
    # the newcomers' documents are its second version, so that the first can still be asked
    for name in ("pocket-far-isle", "pocket-far-isle-later")[there["version"] if there is not None else 0 :]:
        command(home, "index", "add", INDEX, "--data", name)
    return took


def shown(home: Home, seed: int, limit: int | None) -> dict[str, Any]:
    """The bake-off of one seed, before and after the newcomers' documents are in the index."""
    trained_in = prepare(home, seed)
    guards = home.root / "guards.json"
    guards.write_text(json.dumps({"checks": [{"kind": GUARD}], "retries": 1, "refusal": "it is not said"}))
    first, second = ([word for text in candidates(seed, guards, n) for word in ("--candidate", text)] for n in (1, 2))
    told: dict[str, Any] = {"seed": seed, "trained": trained_in}
    begun = time.monotonic()
    limited = ("--limit", str(limit)) if limit else ()
    most = ("--max-tokens", str(ANSWER))
    told["facts"] = command(home, "bakeoff", "run", "--data", QUESTIONS, *first, *most, *limited)
    told["seconds"] = time.monotonic() - begun
    told["before"] = command(home, "bakeoff", "run", "--data", LATER, *first, *most, *limited)
    told["after"] = command(home, "bakeoff", "run", "--data", LATER, *second, *most, *limited)
    kinds = [word for kind in ("paraphrase", "distractor", "hostile", "absent") for word in ("--variant", kind)]
    fewer = str(min(limit or SHAKEN, SHAKEN))
    told["otherwise"] = command(home, "bakeoff", "run", "--data", QUESTIONS, *first, *most, "--limit", fewer, *kinds)
    return told


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The figures as a Markdown table, the seeds beside each other, each interval the widest of its seeds."""
    lines = [
        "| candidate | facts right (n = {n}) | paired difference to the base | passages hold it | "
        "about newcomers, before and after their documents came (n = {m}) | tokens read, written | trained, minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    first = found[0]
    lines[0] = lines[0].format(n=first["facts"]["n"], m=first["after"]["n"])
    for place, one in enumerate(first["facts"]["candidates"]):
        rows = [each["facts"]["candidates"][place] for each in found]
        later = [(each["before"]["candidates"][place], each["after"]["candidates"][place]) for each in found]
        to = [row["difference"] for row in rows]
        lines.append(
            f"| {one['name']} | {_span(rows)} | {_span(to, '+') if all(to) else ''} | "
            f"{_span([row['recall'] for row in rows]) if one.get('recall') else ''} | "
            f"{_span([b for b, _ in later])}; {_span([a for _, a in later])} | {one['prompt_tokens']:.0f}, {one['tokens']:.0f} | "
            f"{min(row['training_seconds'] for row in rows) / 60:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _span(values: Sequence[Mapping[str, float]], sign: str = "") -> str:
    shares = ", ".join(f"{100 * value['value']:{sign}.0f}" for value in values)
    low, high = min(value["low"] for value in values), max(value["high"] for value in values)
    return f"{shares} ({100 * low:{sign}.0f} to {100 * high:{sign}.0f})"


def main() -> int:
    """Show the bake-off with each seed."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seeds", type=int, default=3)
    given.add_argument("--first", type=int, default=0, help="the first seed")
    given.add_argument("--home", help="a folder to keep the home in; what was trained there is not trained again")
    given.add_argument("--limit", type=int, help="only this many questions")
    given.add_argument("--figures", help="a file that figures of earlier seeds are read from and kept in")
    given.add_argument("--record", action="store_true", help="write the README's table")
    chosen = given.parse_args()
    kept = Path(chosen.figures) if chosen.figures else None
    found = json.loads(kept.read_text()) if kept is not None and kept.exists() else []
    with lab(chosen.home) as home:
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            made = shown(home, seed, chosen.limit)
            found = sorted([*(each for each in found if each["seed"] != seed), made], key=lambda each: each["seed"])
            if kept is not None:
                files.write_text(kept, json.dumps(found, indent=1))
            assert models.find(home, called(SFT, seed)) is not None
            print(table([made]))
            print(f"seed {seed}: {made['seconds']:.0f} s for the facts; " + " ".join(made["facts"]["sentences"]), flush=True)
    text = table(found)
    print(text)
    if chosen.record:
        readme = README.read_text(encoding="utf-8")
        files.write_text(README, TABLE.sub(lambda marks: f"{marks[1]}{text}{marks[2]}", readme))
    return 0


if __name__ == "__main__":
    sys.exit(main())

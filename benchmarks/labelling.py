"""The whole road of labelling on the Pocket lab: a model writes pairs, somebody with a known taste labels them, DPO learns the taste.

usage: python -m benchmarks.labelling [--home DIR] [--seed 0]

The labeller goes through the app's own verbs, likes answers that end dryly ("There is no more to be said of it."), calls two of a
kind a tie, and errs in one vote of ten. The other way round, somebody who dislikes it labels the same pairs. What DPO makes of either is measured on questions
that were never asked, against the model it began with.
"""

import argparse
import json
import random
import sys
from typing import Any

from benchmarks.effects import EFFECTS, FINE_TUNED, PAIRS, called, command, ran, trained
from benchmarks.lab import lab
from engine.data import curate
from engine.preferences import desk, exchange, projects
from engine.preferences.desk import Given
from engine.samples import tasks
from storage import files, models, preferences
from storage.home import Home
from storage.records import Project

SAMPLED, NOISE, LIMIT = "pocket-questions", 0.1, 200
MEASURED = "dry-held-out"  # the questions of pocket-style-held-out, with a check of this taste
CLAIMED = 0.7
DRAWN = 4  # answers to each of the measured questions
# few pairs, so each is seen more often than in the effects of DPO
SETTINGS = {**PAIRS, "steps": 100}


def taste(answer: str) -> int:
    """1 for an answer with the dry closing, else 0."""
    return int(tasks.DRY in answer)


def label(home: Home, project: Project, likes: int, seed: int) -> dict[str, int]:
    """Label every pair: the answer that is liked (1) or not (-1) more, a tie where they are alike, and anything in one of ten."""
    rng, counts = random.Random(seed), {"left": 0, "right": 0, "tie": 0, "erred": 0}
    while shown := desk.look(home, project, "taster"):
        better = likes * (taste(shown[0].left) - taste(shown[0].right))
        choice = "left" if better > 0 else "right" if better < 0 else "tie"
        if rng.random() < NOISE:
            choice = rng.choice([other for other in ("left", "right", "tie") if other != choice])
            counts["erred"] += 1
        counts[choice] += 1
        desk.vote(home, shown[0].showing.token, Given(choice))
    return counts


def learnt(home: Home, project: Project, name: str, begins: str, seed: int) -> dict[str, Any]:
    """What DPO makes of a project's labels, measured against the model it begins with."""
    frozen = command(home, "labels", "freeze", project.name, "--name", f"{name}-pairs")
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    run = command(
        home, "train", "--method", "dpo", "--model", begins, "--data", f"{name}-pairs", "--name", name, "--seed", str(seed), *sets, "--wait"
    )  # fmt: skip
    told = command(home, "measure", f"#{run['summary']['model_id']}", "--data", MEASURED, "--against", begins)
    gain = told["difference"]
    return {
        "rows": frozen["dataset"]["rows"], "before": told["against"]["value"], "after": told["value"], "n": told["n"],
        "wins": 0.5 + gain["value"] / 2, "low": 0.5 + gain["low"] / 2, "high": 0.5 + gain["high"] / 2,
    }  # fmt: skip


def drawn(home: Home, model: str, seed: int) -> float:
    """The share of a model's drawn answers that have the closing. Its likeliest answers have it all or nothing at all."""
    words = ("--name", f"{model}-drawn", "--answers", str(DRAWN), "--reward", "check", "--seed", str(seed), "--max-tokens", "64")
    return float(command(home, "sample", model, "--data", MEASURED, *words, "--wait")["summary"]["reward"])


def main() -> int:
    """Walk the road both ways; exit code 1 where the taste was not learnt."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--home", help="a folder to keep the home in; a model trained there is not trained again")
    given.add_argument("--seed", type=int, default=0)
    chosen = given.parse_args()
    with lab(chosen.home) as home:
        first = next(effect for effect in EFFECTS if effect.name == FINE_TUNED)
        if not ran(home, first, chosen.seed):
            trained(home, first, chosen.seed)
        begins = called(first, chosen.seed)
        assert models.find(home, begins), begins
        name, wins = f"taste-{chosen.seed}", {}
        if preferences.project(home, name) is None:
            command(home, "labels", "create", name, "--set", "overlap=0", "--set", "repeats=0", "--set", "gold=0")
            how = ("--limit", str(LIMIT), "--temperature", "1.0", "--seed", str(chosen.seed), "--max-tokens", "64", "--wait")
            command(home, "labels", "sample", name, "--model", begins, "--data", SAMPLED, *how)
        _questions(home)
        for way, likes in (("likes", 1), ("dislikes", -1)):
            project = _project(home, name, way)
            print(
                f"{way}: {preferences.counts(home, project.id).pairs} pairs, {label(home, project, likes, chosen.seed)}",
                flush=True,
            )
            wins[way] = learnt(home, project, f"{name}-{way}", begins, chosen.seed)
            w = wins[way]
            print(
                f"{way}: {w['rows']} rows; the dry closing {w['before']:.0%} -> {w['after']:.0%} (n = {w['n']}), wins over {begins} "
                f"{w['wins']:.0%} ({w['low']:.0%} to {w['high']:.0%})",
                flush=True,
            )
        shares = [drawn(home, model, chosen.seed + 1) for model in (begins, f"{name}-likes", f"{name}-dislikes")]
    before, liked, disliked = shares
    print(f"dry closing in drawn answers: {before:.0%} before, {liked:.0%} where it was liked, {disliked:.0%} where it was not")
    print(f"liked: wins {wins['likes']['wins']:.0%} (claimed: >= {CLAIMED:.0%}); disliked: rarer than before (claimed)")
    return int(wins["likes"]["wins"] < CLAIMED or disliked >= before)


def _questions(home: Home) -> None:
    """The held-out questions with a check of the dry closing, as a data set."""
    rows = curate.rows(home, curate.find(home, "pocket-style-held-out"), 0, 1_000)
    check = json.dumps({"kind": "contains", "value": tasks.DRY})
    place = home.uploads / f"{MEASURED}.jsonl"
    files.write_text(place, "".join(json.dumps({"prompt": row["prompt"], "check": check}) + "\n" for row in rows))
    command(home, "datasets", "add", str(place), "--name", MEASURED)


def _project(home: Home, name: str, way: str) -> Project:
    """A project with the pairs that were sampled, for one way of labelling."""
    found = preferences.project(home, f"{name}-{way}")
    if found is not None:
        return found
    place = home.uploads / f"{name}.jsonl"
    exchange.export(home, projects.find(home, name), place)
    made = projects.create(home, f"{name}-{way}", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    exchange.bring(home, made, place)
    return made


if __name__ == "__main__":
    sys.exit(main())

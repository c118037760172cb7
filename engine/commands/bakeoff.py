"""``bakeoff run | show | again``: several ways to the same end, measured on the same questions."""

import argparse
from collections.abc import Mapping
from typing import Any

from engine.commands import output, runs
from engine.commands.deploy import guards_in
from engine.errors import BadInput, TryLater
from engine.evaluation import robustness
from engine.jobs import bakeoffs, submit, supervisor
from storage.home import Home
from storage.records import Run

NUMBERS = ("passages",)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("bakeoff", help="measure prompting, retrieval and training side by side").add_subparsers(
        required=True, metavar="WHAT"
    )
    run = group.add_parser("run", parents=[common], help="measure candidates on the same questions")
    run.add_argument("--data", required=True, help="the questions, each with its check: name, name@version or #id")
    run.add_argument(
        "--candidate", action="append", default=[], metavar="NAME:KEY=VALUE,...",
        help="one way: a name, then model=..., and prompt=, index=, passages=, by=, guards=FILE where there are any; given twice or more",
    )  # fmt: skip
    run.add_argument("--name")
    run.add_argument("--limit", type=int, help="only this many questions, a fixed random choice")
    run.add_argument("--max-tokens", type=int, help="the longest answer in tokens")
    run.add_argument(
        "--variant", action="append", default=[], choices=robustness.KINDS, help="ask all questions this way too; may be repeated"
    )
    run.add_argument("--entailment", default="", metavar="MODEL", help="a cross-encoder that says what passages entail")
    run.add_argument(
        "--judge-address", default="", metavar="URL", help="of a judge that says what passages support, up to and with /v1"
    )
    run.add_argument("--judge", default="", metavar="NAME", help="the judge's name at that address")
    run.add_argument("--no-wait", action="store_true", help="queue it and come back at once")
    run.set_defaults(command=_run)
    show = group.add_parser("show", parents=[common], help="what came of a bake-off")
    show.add_argument("run")
    show.set_defaults(command=_show)
    again = group.add_parser("again", parents=[common], help="queue a bake-off once more, on more or fewer questions")
    again.add_argument("run")
    again.add_argument("--limit", type=int)
    again.add_argument("--no-wait", action="store_true")
    again.set_defaults(command=_again)


def candidate(text: str) -> dict[str, Any]:
    """A candidate written as NAME:KEY=VALUE,KEY=VALUE. BadInput where it is not."""
    name, colon, rest = text.partition(":")
    if not colon or not name.strip():
        raise BadInput(f"--candidate takes NAME:KEY=VALUE,..., like base:model=pocket, not {text!r}.")
    found: dict[str, Any] = dict(runs.pairs("--candidate", [part for part in rest.split(",") if part.strip()]))
    for number in NUMBERS:
        if number in found:
            if not found[number].isdecimal():
                raise BadInput(f"{number} takes a whole number, not {found[number]!r}.")
            found[number] = int(found[number])
    if "index" not in found and (lost := next((what for what in ("passages", "by") if what in found), None)):
        raise BadInput(
            f"{name.strip()}: {lost} says how an index is searched, and none is named. Add index=NAME or leave {lost} out."
        )
    if "guards" in found:
        found["guards"] = guards_in(found["guards"])
    return {"name": name.strip(), **found}


def _run(home: Home, given: argparse.Namespace) -> int:
    run = bakeoffs.bake(
        home, dataset=given.data, candidates=[candidate(text) for text in given.candidate], name=given.name, limit=given.limit,
        max_tokens=given.max_tokens, variants=given.variant, entailment=given.entailment, judge_address=given.judge_address,
        judge=given.judge,
    )  # fmt: skip
    return _ended(home, run, given)


def _again(home: Home, given: argparse.Namespace) -> int:
    changes = {"limit": given.limit} if given.limit else {}
    return _ended(home, bakeoffs.again(home, submit.number(home, given.run), **changes), given)


def _ended(home: Home, run: Run, given: argparse.Namespace) -> int:
    if given.no_wait:
        return runs.queued(home, run, given)
    supervisor.ensure(home)
    ended = runs.wait(home, run.id)
    runs.raise_if_failed(ended)
    _print(ended, given.json)
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    run = submit.find(home, submit.number(home, given.run))
    if run.kind != "bakeoff":
        raise BadInput(f"Run {run.id} is of the kind {run.kind}, not a bake-off.")
    if not run.summary.get("candidates"):
        raise TryLater(f"Run {run.id} is {run.status} and has no result yet. `runs wait {run.id}` waits for it.")
    _print(run, given.json)
    return 0


def _print(run: Run, as_json: bool) -> None:
    if as_json:
        output.as_json(run.summary)
        return
    told = run.summary["candidates"]
    output.table(
        [
            [one["name"], one["kind"], share(one), share(one["difference"], "+") if one["difference"] else "",
             share(one["recall"]) if one.get("recall") else "", f"{one['tokens']:.0f}", f"{one['prompt_tokens']:.0f}",
             f"{one['seconds']:.2f}", f"{one['training_seconds'] / 60:.1f}", str(one["refused"])]
            for one in told
        ],
        ["candidate", "kind", "right", f"to {run.summary['cheapest']}", "passages hold it", "tokens", "prompt", "seconds", "trained min",
         "refused"],
    )  # fmt: skip
    kinds = list(dict.fromkeys(kind for one in told for kind in one["variants"]))
    if kinds:
        print()
        output.table(
            [[one["name"], *(share(one["variants"][k]) if k in one["variants"] else "" for k in kinds)] for one in told],
            ["asked otherwise", *kinds],
        )
    print()
    for sentence in run.summary["sentences"]:
        print(sentence)


def share(value: Mapping[str, Any], sign: str = "") -> str:
    """A share or a difference of shares in per cent, with its interval."""
    return f"{100 * value['value']:{sign}.1f} ({100 * value['low']:{sign}.1f} to {100 * value['high']:{sign}.1f})"

"""``chain begin | gallery | list | show | stop | resume``."""

import argparse
import json
from pathlib import Path
from typing import Any

from engine import gallery
from engine.commands import output, runs
from engine.errors import BadInput, GateFailed, RunFailed, TemperError, UnreadableFile
from engine.jobs import chains, supervisor
from engine.jobs.stages import read
from engine.jobs.standing import standings
from storage import chains as stored
from storage.home import Home
from storage.records import Chain

HELD = {"bar": GateFailed, "input": BadInput}  # what a waiting command ends with, by what holds the chain


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("chain", help="several stages on one road").add_subparsers(required=True, metavar="WHAT")
    begin = group.add_parser("begin", parents=[common], help="walk the stages of a JSON file, one after the other")
    begin.add_argument(
        "road", help="a road of the gallery, or a JSON file: a list of stages with name, method, data, and maybe model, settings, begin, bar, "
        "judge, sample, seed",
    )  # fmt: skip
    begin.add_argument("--model", required=True, help="the model to begin with: name or #id")
    begin.add_argument("--name", required=True)
    begin.add_argument(
        "--data", action="append", default=[], metavar="ROLE=DATASET", help="data for a road of the gallery; may be repeated"
    )
    begin.add_argument("--address", help="of a judge for a road of the gallery; without one a rule takes its place")
    begin.add_argument("--judge", help="the judge's name at that address")
    begin.add_argument("--principles", metavar="FILE", help="what the judge goes by, a line each")
    begin.add_argument("--principle", action="append", default=[], help="one of them; may be repeated")
    begin.add_argument("--rule", help="the reward that takes the place of a judge")
    begin.add_argument(
        "--wait", action="store_true",
        help="wait for the end; exit code 3 when a bar is not met, 4 when a run fails or the road is stopped",
    )  # fmt: skip
    begin.set_defaults(command=_begin)
    group.add_parser("gallery", parents=[common], help="published roads that can be begun by their name").set_defaults(
        command=_gallery
    )
    group.add_parser("list", parents=[common], help="chains, newest first").set_defaults(command=_list)
    show = group.add_parser("show", parents=[common], help="where each stage stands")
    show.add_argument("chain")
    show.set_defaults(command=_show)
    stop = group.add_parser("stop", parents=[common], help="queue nothing more and stop the live run")
    stop.add_argument("chain")
    stop.set_defaults(command=_stop)
    again = group.add_parser("again", parents=[common], help="begin once more with a stage, from what those before it made")
    again.add_argument("chain")
    again.add_argument("--stage", required=True, help="the stage to begin with")
    again.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of that stage; may be repeated")
    again.add_argument("--anyway", action="store_true", help="though a bar before it was not met")
    again.set_defaults(command=_again)
    resume = group.add_parser("resume", parents=[common], help="go on with a stopped or held chain")
    resume.add_argument("chain")
    resume.add_argument("--anyway", action="store_true", help="though a bar was not met")
    resume.set_defaults(command=_resume)


def _begin(home: Home, given: argparse.Namespace) -> int:
    chain = chains.begin(home, given.name, given.model, read(_stages(given)))
    supervisor.ensure(home)
    if given.wait:
        chain = _wait(home, chain)
    _print(home, chain, given.json)
    if given.wait:
        _raise_if_not_done(home, chain)
    return 0


def _stages(given: argparse.Namespace) -> Any:
    """The stages of a road of the gallery or of a file. BadInput for an option that the road would take no notice of."""
    said = [name for name in ("data", "address", "judge", "principles", "principle", "rule") if getattr(given, name)]
    if given.road in gallery.GALLERY:
        return _of_gallery(given, said)
    if not Path(given.road).exists() and not Path(given.road).suffix:
        gallery.find(given.road)
    if said:
        raise BadInput(
            f"{given.road} says all of that itself, so --{said[0]} would do nothing. Write it into the stages of the file."
        )
    try:
        return json.loads(Path(given.road).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UnreadableFile(f"{given.road} cannot be read as JSON ({problem}). Give a list of stages.") from None


def _of_gallery(given: argparse.Namespace, said: list[str]) -> Any:
    road = gallery.find(given.road)
    idle = [name for name in said if name != "data"]
    if idle and not road.judged:
        raise BadInput(f"Nobody compares answers in {road.title}, so --{idle[0]} would do nothing. Leave it out.")
    if bool(given.address) != bool(given.judge):
        raise BadInput("A judge needs its address and its name there. Give both or neither.")
    if (given.principles or given.principle) and not given.judge:
        raise BadInput("Principles are for a judge. Name one with --address and --judge.")
    if given.rule and given.judge:
        raise BadInput("The rule takes the place of a judge, and here is one. Leave out --rule, or --address and --judge.")
    lines = [*output.text(given.principles, "principles, a line each").splitlines(), *given.principle]
    judge = {"address": given.address, "judge": given.judge, "principles": lines} if given.judge else None
    return gallery.stages(road, runs.pairs("--data", given.data), judge, given.rule or gallery.RULE)


def _gallery(home: Home, given: argparse.Namespace) -> int:
    if given.json:
        output.as_json([{**output.plain(road), "roles": road.roles} for road in gallery.GALLERY.values()])
        return 0
    rows = [(r.name, r.title, ", ".join(r.roles), r.source.name) for r in gallery.GALLERY.values()]
    output.table(rows, ("road", "published as", "data", "paper"))
    return 0


def _again(home: Home, given: argparse.Namespace) -> int:
    chain = chains.again(home, chains.find(home, given.chain), given.stage, runs.pairs("--set", given.set), waive=given.anyway)
    supervisor.ensure(home)
    return _print(home, chain, given.json)


def _wait(home: Home, chain: Chain) -> Chain:
    """Wait until a chain does not go on by itself, telling where it stands on the way. Ctrl-C ends the waiting, not the chain."""
    told, patience = "", runs.Patience()
    try:
        while chain.status == "live":
            standing = standings(home, chain)
            text = ", ".join(f"{each.stage.name} {each.word}" for each in standing)
            if text != told:
                output.note(text)
                told = text
            if any(each.word == "ended" for each in standing):
                break
            patience.look(home, f"{chain.name} (chain {chain.id}) is not done: {text}")
            chain = chains.find(home, f"#{chain.id}")
    except KeyboardInterrupt:
        output.note(f"Chain {chain.id} goes on. `chain show {chain.id}` tells where it stands, `chain stop {chain.id}` stops it.")
        raise
    return chain


def _raise_if_not_done(home: Home, chain: Chain) -> None:
    """GateFailed where a bar holds the chain, RunFailed where a run of it ended badly or it was stopped, and the kind of error that
    holds it otherwise."""
    if chain.status == "done":
        return
    ended = next((each for each in standings(home, chain) if each.word == "ended"), None)
    if chain.status == "live" and ended is not None:
        reasons = [run.reason for run in ended.runs if run.reason]
        raise RunFailed(f"{chain.name} waits at {ended.stage.name}: {reasons[-1] if reasons else 'its run ended'}", "killed")
    if chain.status == "stopped":
        raise RunFailed(f"{chain.name} was stopped. `chain resume {chain.id}` goes on with it.", "killed")
    raise HELD.get(chain.held_by or "", TemperError)(chain.reason or f"{chain.name} is {chain.status}.")


def _list(home: Home, given: argparse.Namespace) -> int:
    rows = [{"id": c.id, "name": c.name, "status": c.status, "stages": len(c.request["stages"])} for c in stored.page(home)]
    if given.json:
        output.as_json(rows)
    else:
        output.table([list(row.values()) for row in rows], ["chain", "name", "status", "stages"])
    return 0


def _told(home: Home, chain: Chain) -> dict[str, Any]:
    stages = [
        {
            "stage": each.stage.name, "method": each.stage.method or ("judge" if each.stage.judge else "sample"), "status": each.word,
            "run": each.work.id if each.work else None, "model_id": each.work.summary.get("model_id") if each.work else None,
            "bar": {"least": each.stage.bar.least, "reached": each.bar.summary.get("value") if each.bar else None} if each.stage.bar else None,
        }
        for each in standings(home, chain)
    ]  # fmt: skip
    return {
        "id": chain.id,
        "name": chain.name,
        "status": chain.status,
        "reason": chain.reason,
        "waived": chain.waived,
        "stages": stages,
    }


def _print(home: Home, chain: Chain, as_json: bool) -> int:
    told = _told(home, chain)
    if as_json:
        output.as_json(told)
        return 0
    print(f"{chain.name} (chain {chain.id}): {chain.status}" + (f". {chain.reason}" if chain.reason else ""))
    if chain.waived:
        print(f"  bars that need not be met: {', '.join(chain.waived)}")
    rows = [
        [s["stage"], s["method"], s["status"], s["run"] or "", _bar(s["bar"])]
        for s in told["stages"]
    ]  # fmt: skip
    output.table(rows, ["stage", "method", "status", "run", "bar"])
    return 0


def _bar(bar: dict[str, Any] | None) -> str:
    if bar is None:
        return ""
    return f"{'-' if bar['reached'] is None else format(bar['reached'], '.1%')} of {bar['least']:.1%}"


def _show(home: Home, given: argparse.Namespace) -> int:
    return _print(home, chains.find(home, given.chain), given.json)


def _stop(home: Home, given: argparse.Namespace) -> int:
    chain = chains.find(home, given.chain)
    chains.stop(home, chain)
    return _print(home, chains.find(home, f"#{chain.id}"), given.json)


def _resume(home: Home, given: argparse.Namespace) -> int:
    chain = chains.find(home, given.chain)
    chains.resume(home, chain, given.anyway)
    supervisor.ensure(home)
    return _print(home, chains.find(home, f"#{chain.id}"), given.json)

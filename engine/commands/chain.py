"""``chain begin | list | show | stop | resume``."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from engine.commands import output
from engine.errors import GateFailed, RunFailed, UnreadableFile
from engine.jobs import chains, supervisor
from storage import chains as stored
from storage.home import Home
from storage.records import Chain

LOOK = 0.5  # seconds between two looks


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("chain", help="several stages on one road").add_subparsers(required=True, metavar="WHAT")
    begin = group.add_parser("begin", parents=[common], help="walk the stages of a JSON file, one after the other")
    begin.add_argument(
        "file", help="a list of stages: name, method, data, and maybe model, settings, begin, bar, judge, sample, seed"
    )
    begin.add_argument("--model", required=True, help="the model to begin with: name or #id")
    begin.add_argument("--name", required=True)
    begin.add_argument(
        "--wait", action="store_true", help="wait for the end; exit code 3 when a bar is not met, 4 when a run fails"
    )
    begin.set_defaults(command=_begin)
    group.add_parser("list", parents=[common], help="chains, newest first").set_defaults(command=_list)
    show = group.add_parser("show", parents=[common], help="where each stage stands")
    show.add_argument("chain")
    show.set_defaults(command=_show)
    stop = group.add_parser("stop", parents=[common], help="queue nothing more and stop the live run")
    stop.add_argument("chain")
    stop.set_defaults(command=_stop)
    resume = group.add_parser("resume", parents=[common], help="go on with a stopped or held chain")
    resume.add_argument("chain")
    resume.add_argument("--anyway", action="store_true", help="though a bar was not met")
    resume.set_defaults(command=_resume)


def _begin(home: Home, given: argparse.Namespace) -> int:
    try:
        stages = json.loads(Path(given.file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UnreadableFile(f"{given.file} cannot be read as JSON ({problem}). Give a list of stages.") from None
    chain = chains.begin(home, given.name, given.model, chains.read(stages))
    supervisor.ensure(home)
    if given.wait:
        _wait(home, chain)
    return _print(home, chains.find(home, f"#{chain.id}"), given.json)


def _wait(home: Home, chain: Chain) -> None:
    """Wait until a chain does not go on by itself. GateFailed or RunFailed says why it does not."""
    told = ""
    while chain.status == "live":
        standing = chains.standings(home, chain)
        text = ", ".join(f"{each.stage.name} {each.word}" for each in standing)
        if text != told:
            output.note(text)
            told = text
        ended = next((each for each in standing if each.word == "ended"), None)
        if ended is not None:
            runs = [run for run in (ended.merge, ended.work, ended.bar) if run is not None and run.reason]
            raise RunFailed(f"{chain.name} waits at {ended.stage.name}: {runs[-1].reason if runs else 'its run ended'}", "killed")
        time.sleep(LOOK)
        chain = chains.find(home, f"#{chain.id}")
    if chain.status == "held":
        raise GateFailed(chain.reason or f"{chain.name} is held.")


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
        for each in chains.standings(home, chain)
    ]  # fmt: skip
    return {"id": chain.id, "name": chain.name, "status": chain.status, "reason": chain.reason, "stages": stages}


def _print(home: Home, chain: Chain, as_json: bool) -> int:
    told = _told(home, chain)
    if as_json:
        output.as_json(told)
        return 0
    print(f"{chain.name} (chain {chain.id}): {chain.status}" + (f". {chain.reason}" if chain.reason else ""))
    rows = [
        [s["stage"], s["method"], s["status"], s["run"] or "", f"{s['bar']['reached'] or 0:.1%} of {s['bar']['least']:.1%}" if s["bar"] else ""]
        for s in told["stages"]
    ]  # fmt: skip
    output.table(rows, ["stage", "method", "status", "run", "bar"])
    return 0


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

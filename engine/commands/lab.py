"""``status``, ``serve``, ``stop`` and ``pocket build``: the engine itself and the lab that ships with it."""

import argparse
import os
import shutil

from engine.commands import output
from engine.errors import TryLater
from engine.jobs import health, supervisor
from engine.launch import start
from storage import db, repair, runs
from storage.home import Home


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    status = commands.add_parser("status", parents=[common], help="engine, runs, disk")
    status.set_defaults(command=_status)
    serve = commands.add_parser("serve", parents=[common], help="be the engine, in the foreground")
    serve.set_defaults(command=_serve)
    stop = commands.add_parser("stop", parents=[common], help="end the engine and the model host; live runs keep a checkpoint")
    stop.set_defaults(command=_stop)
    mend = commands.add_parser("repair", parents=[common], help="make a damaged database anew from all that can be read of it")
    mend.set_defaults(command=_repair, unprepared=True)
    pocket = commands.add_parser("pocket", help="the Pocket lab").add_subparsers(required=True, metavar="WHAT")
    build = pocket.add_parser(
        "build", parents=[common], help="remake the sample data and pre-train the Pocket model anew (takes hours)"
    )
    build.add_argument("--tokens", type=float, default=30e6, help="tokens to pre-train on")
    build.add_argument("--samples-only", action="store_true", help="only write the sample data sets")
    build.set_defaults(command=_build)


def _status(home: Home, given: argparse.Namespace) -> int:
    view = health.engine(home)
    disk = shutil.disk_usage(home.root)
    body = {
        "home": str(home.root),
        "engine": output.plain(view),
        "runs": runs.count(home),
        "disk_free": disk.free,
        "sqlite": db.sqlite3.sqlite_version,
        "sqlite_safe": db.library_is_safe(),
    }
    if given.json:
        output.as_json(body)
        return 0
    print(f"home    {home.root}")
    print(
        "engine  "
        + (f"running, process {view.pid}" if view.running else "not running; `python -m engine serve` or `make run` starts it")
    )
    print("runs    " + (", ".join(f"{n} {status}" for status, n in body["runs"].items()) or "none yet"))
    print(f"disk    {disk.free / 1e9:.1f} GB free")
    if not db.library_is_safe():
        print(f"warning SQLite {db.sqlite3.sqlite_version} can damage a database under several writers; 3.51.3 or newer is safe")
    return 0


def _serve(home: Home, given: argparse.Namespace) -> int:
    output.note(f"engine for {home.root}, process {os.getpid()}; Ctrl-C ends it, live runs keep a checkpoint")
    return supervisor.serve(home)


def _stop(home: Home, given: argparse.Namespace) -> int:
    from engine.generation import ask

    ask.shutdown(home)
    print("The engine has ended." if supervisor.stop(home) else "No engine was running.")
    return 0


def _repair(home: Home, given: argparse.Namespace) -> int:
    with start.only_app(home) as alone:
        if not alone or health.engine(home).running:
            raise TryLater(
                "The page or the engine still has the database open. End both first: Ctrl-C, then `python -m engine stop`."
            )
        told = repair.faults(home)
        if not told:
            print("The database is whole; nothing was changed.")
            return 0
        made = repair.repair(home)
    if given.json:
        output.as_json({**output.plain(made), "found": told})
        return 0
    print(f"Found: {told[0]}")
    print(
        f"Copied {sum(made.copied.values())} rows, {made.retold} changes of labels taken from the ledger; kept the old file as {made.aside}"
    )
    for table, count in made.faults.items():
        if count:
            print(f"  {table}: {count} rows could not be read")
    return 0


def _build(home: Home, given: argparse.Namespace) -> int:
    from engine.samples import build

    return build.build(home, int(given.tokens), given.samples_only)

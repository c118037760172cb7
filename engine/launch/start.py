"""One app per home: its lock, its port, its engine, and what is said when it starts and ends. Serves nothing itself."""

import json
import os
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import BadInput, TryLater
from engine.jobs import processes, supervisor
from storage import db
from storage.home import Home

ADDRESS = "127.0.0.1"
PORT = 8501
PORTS_TRIED = 100
STARTING = 20.0  # seconds that an app takes at most from its lock to its address


@contextmanager
def only_app(home: Home) -> Iterator[bool]:
    """Be the only app of ``home`` until the block ends; False at once where another process is it."""
    lock = processes.hold(home.root / "app.lock")
    if lock is None:
        yield False
        return
    place = home.root / "app.json"
    place.unlink(missing_ok=True)  # what an app that was killed left behind
    try:
        yield True
    finally:
        place.unlink(missing_ok=True)
        lock.close()


def listen(first: int = PORT) -> socket.socket:
    """A socket that listens on this machine only, at ``first`` or the next port that is free."""
    if not 0 < first < 65536:
        raise BadInput(f"A port is a number from 1 to 65535, not {first}.")
    last = min(first + PORTS_TRIED - 1, 65535)
    for port in range(first, last + 1):
        listening = socket.socket(socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((ADDRESS, port))
            listening.listen(128)
        except OSError:
            listening.close()
            continue
        if port != first:
            print(f"Port {first} is taken by another program, so Temper uses {port}.", flush=True)
        return listening
    raise TryLater(f"The ports {first} to {last} are all taken. End a program that listens there, then try again.")


def start_engine(home: Home) -> None:
    """The engine runs and the home's tables are those of this version. NewerHome before anything is started or changed."""
    try:
        db.require_migrated(home)
    except db.NotMigrated:
        print("Preparing the home and starting the engine ...", flush=True)
    supervisor.ensure(home)
    try:
        db.require_migrated(home)
    except db.NotMigrated:
        raise TryLater(
            f"The engine of {home.root} was started by an older version of Temper. Stop it with `{engine_stop(home)}` "
            "(live runs keep a checkpoint and can be resumed), then run `make run` again."
        ) from None


def announce(home: Home, port: int) -> None:
    """Say where the app is, on the terminal and to whoever asks the home."""
    processes.write_identity(home.root / "app.json", os.getpid(), port=port)
    print(
        f"\n  Temper is at  http://{ADDRESS}:{port}\n  its data in   {home.root}\n\n  Ctrl-C ends the page; runs go on.\n",
        flush=True,
    )


def running_elsewhere(home: Home) -> str:
    """A sentence that says where the app of ``home`` already runs."""
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        try:
            place = json.loads((home.root / "app.json").read_text())
        except (FileNotFoundError, ValueError):
            time.sleep(0.1)  # it has its lock and is about to write where it is
            continue
        return f"Temper already runs at http://{ADDRESS}:{place['port']} (process {place['pid']})."
    return f"Temper is being started for {home.root} by another process, which has not said yet where."


def farewell(home: Home) -> str:
    """What a person is told when the app ends."""
    return (
        "\nThe page has ended. Runs go on in the background, and `make run` shows them again.\n"
        f"To stop the engine as well: {engine_stop(home)}"
    )


def engine_stop(home: Home) -> str:
    """The command that ends the engine of ``home``, as it can be typed."""
    named = f"--home {shlex.quote(str(home.root))} " if "TEMPER_HOME" in os.environ else ""
    return f".venv/bin/python -m engine {named}stop"

"""A fresh home with an engine, and waiting for what runs in it."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import psutil

from engine import prepare
from engine.jobs import submit, supervisor
from storage.home import Home
from storage.records import LIVE, Run


@contextmanager
def lab(kept: str | None = None) -> Iterator[Home]:
    """A home with an engine: a fresh one that is thrown away, or the one in the folder ``kept``."""
    with nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        home = Home.resolve(folder)
        prepare.prepare(home)
        supervisor.ensure(home)
        try:
            yield home
        finally:
            supervisor.stop(home)
            while processes(home):  # what still writes there would keep the folder from being removed
                time.sleep(0.1)


def processes(home: Home) -> list[psutil.Process]:
    """The engine's processes of this home: those with its folder in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and str(home.root) in process.cmdline():
                found.append(process)
    return found


def ended(home: Home, run: Run) -> Run:
    """The run when it has succeeded."""
    while (now := submit.find(home, run.id)).status in LIVE:
        time.sleep(0.1)
    assert now.status == "succeeded", now.reason
    return now

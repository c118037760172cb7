"""A fresh home with an engine, and waiting for what runs in it."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine import prepare
from engine.jobs import submit, supervisor
from storage.home import Home
from storage.records import LIVE, Run


@contextmanager
def lab() -> Iterator[Home]:
    """A fresh home with an engine."""
    with tempfile.TemporaryDirectory(prefix="temper-bench-", ignore_cleanup_errors=True) as folder:
        home = Home.resolve(folder)
        prepare.prepare(home)
        supervisor.ensure(home)
        try:
            yield home
        finally:
            supervisor.stop(home)


def ended(home: Home, run: Run) -> Run:
    """The run when it has succeeded."""
    while (now := submit.find(home, run.id)).status in LIVE:
        time.sleep(0.1)
    assert now.status == "succeeded", now.reason
    return now

"""From an exception or an exit to one of the failure classes, with a reason in a sentence."""

import errno
import json
import signal
from dataclasses import dataclass
from pathlib import Path

from engine.errors import FAILURES, Damaged, RunFailed, TemperError, Unreachable
from storage import files
from storage.home import Home
from storage.records import Run

CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)  # a process does these to itself
UNWRITTEN = 28  # exit code of a worker whose ending found no room


@dataclass(frozen=True)
class Failure:
    """Why a run ended badly, and what to do next."""

    kind: str  # one of FAILURES
    reason: str

    @property
    def next_step(self) -> str:
        return FAILURES[self.kind]


def of_exception(problem: BaseException) -> Failure:
    """The class of an exception and of what caused it."""
    chain: list[BaseException] = []
    link: BaseException | None = problem
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for link in chain:
        text = str(link)
        if isinstance(link, RunFailed):
            return Failure(link.kind, text)
        if isinstance(link, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text.lower():
            first = text.splitlines()[0] if text else "an allocation failed"
            return Failure("out of memory", f"There was not enough memory: {first}")
        if (
            (isinstance(link, OSError) and link.errno == errno.ENOSPC)
            or "No space left on device" in text
            or "disk is full" in text
        ):
            return Failure("disk full", "The disk is full. Every checkpoint written before is whole.")
        if isinstance(link, Unreachable):
            return Failure("unreachable", text)
        if isinstance(link, Damaged):
            return Failure("damaged", text)
        if isinstance(link, TemperError):
            return Failure("bad data", text)
    name = type(problem).__name__
    return Failure("bug", f"{name}: {str(problem).splitlines()[0] if str(problem) else 'no message'}")


def exit_file(folder: Path, attempt: int) -> Path:
    """Where the keeper of a run's ``attempt`` writes how its worker ended. The next attempt never reads it."""
    return folder / f"exit-{attempt}.json"


def keeper_lock(folder: Path, attempt: int) -> Path:
    """The file whose lock the keeper of a run's ``attempt`` holds until it has written how its worker ended."""
    return folder / f"keeper-{attempt}.lock"


def of_exit(home: Home, run: Run) -> Failure:
    """Why a worker that wrote no ending is gone, from what its keeper saw; ``lost`` where nobody saw it."""
    folder = home.run(run.id)
    path = exit_file(folder, run.attempt)
    if not path.exists():
        return Failure("lost", "The worker is gone and nobody saw it end: the machine or the engine went away.")
    seen = json.loads(path.read_text())
    if seen["code"] == -signal.SIGKILL and seen["out_of_memory_kills"] > 0:
        return Failure("out of memory", "The system ended the worker because the machine ran out of memory.")
    if seen["code"] == UNWRITTEN:
        return Failure("disk full", "The disk was so full that not even the run's ending could be written.")
    if seen["free_disk"] < files.FULL:
        return Failure("disk full", f"The disk was full: the worker ended with {seen['free_disk'] // 1024} kB left.")
    # until a worker has its run, it writes to the log of all workers
    log = folder / "log.txt" if (folder / "worker.json").exists() else home.logs / "worker.log"
    if seen["code"] < 0:
        by = signal.Signals(-seen["code"])
        if by in CRASHES:
            return Failure("bug", f"The worker crashed ({by.name}) and wrote no reason. {log} may say more.")
        return Failure("killed", f"The worker was ended from outside by {by.name}.")
    return Failure("bug", f"The worker ended with exit code {seen['code']} and wrote no reason. {log} may say more.")

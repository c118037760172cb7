"""The process that does one run. It warms up (the heavy imports), waits for the number of a run, does it, and ends.

It writes its own metrics, log and ending: nothing goes through a pipe that somebody else must drain. While it lives it
holds the kernel's lock on its run's folder.
"""

import contextlib
import os
import signal
import sys
import traceback
import warnings

from engine.environment import ONE_GPU, PRIVATE, QUIET
from engine.jobs import checkpoints, failures, processes
from engine.jobs.health import INTERRUPT
from engine.jobs.reporter import RunReporter
from storage import db, runs
from storage.home import Home
from storage.records import Run

ENVIRONMENT = PRIVATE | QUIET | ONE_GPU | {"TRANSFORMERS_VERBOSITY": "error"}
ASKED = "Stopped as asked"
LOCK_WAIT = 20.0  # seconds


def warm_up() -> None:
    """Import what every run needs; no GPU is touched before there is a run."""
    # the libraries warn about each other's old names; the log is for the person who watches the run
    warnings.filterwarnings("ignore", category=FutureWarning)
    import peft  # noqa: F401
    import polars  # noqa: F401

    import engine.methods.preference_trainers
    import engine.methods.rollout_trainers
    import engine.methods.trainer  # noqa: F401


def main(root: str) -> int:
    """Wait for a run's number on standard input, then do that run."""
    os.environ.update(ENVIRONMENT)
    home = Home.resolve(root)
    warm_up()
    (home.logs / "warm").touch()
    line = sys.stdin.readline()
    if not line.strip():
        return 0  # the supervisor is gone before it had a run for this worker
    run_id, attempt = (int(part) for part in line.split())
    return work(home, run_id, attempt)


def work(home: Home, run_id: int, attempt: int) -> int:
    """Do one attempt of a run from claim to ending. Returns 0 when the ending is written, or the run is another's by now."""
    folder = home.run(run_id)
    # the worker of an attempt before this one may still be on its way out
    lock = processes.hold(folder / "alive.lock", wait=LOCK_WAIT)
    if lock is None:
        return 3
    run = runs.get(home, run_id)
    if run is None or (run.status, run.attempt) != ("running", attempt):
        lock.close()
        return 0
    processes.write_identity(folder / "worker.json", os.getpid())
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    reporter = RunReporter(home, run_id)
    # a terminate is the same as a stop that someone asked for: finish the step, keep a checkpoint
    signal.signal(signal.SIGTERM, reporter.terminate)
    try:
        _do(home, run, reporter)
    except (OSError, db.sqlite3.Error):
        return failures.UNWRITTEN  # its keeper waits until there is room, and says so for it
    finally:
        lock.close()
    return 0


def _do(home: Home, run: Run, reporter: RunReporter) -> None:
    """Do the work and write how it ended; OSError or a database error when the ending itself found no room."""
    from engine.jobs.work import WORK

    try:
        outcome = WORK[run.kind](home, run, reporter)
        reporter.close()
    except BaseException as problem:  # whatever it is, the run says why it ended
        failure = failures.of_exception(problem)
        with contextlib.suppress(OSError):  # the log lies on the disk that may be full
            traceback.print_exc()
            sys.stderr.flush()
        with contextlib.suppress(OSError, db.sqlite3.Error):  # the last figures; the ending matters more
            reporter.close()
        runs.end(home, run.id, "failed", reason=failure.reason, failure=failure.kind, next_step=failure.next_step)
        return
    if not outcome.stopped:
        runs.end(home, run.id, "succeeded", summary=outcome.summary)
        return
    status, asked = ("interrupted", "The engine was stopped") if (reporter.folder / INTERRUPT).exists() else ("stopped", ASKED)
    runs.end(home, run.id, status, reason=f"{asked}. {checkpoints.on_resume(home, run)}", summary=outcome.summary)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

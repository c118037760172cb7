"""The background engine: exactly one per home, outlives the app, claims runs and starts their workers.

It keeps one warm worker (the heavy imports done) so that a launch does not wait for them. It never holds a run itself:
when it dies, workers go on, and the next engine finds them by their locks.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import IO

from engine import prepare
from engine.errors import TryLater
from engine.jobs import chains, health, processes
from storage import db, runs
from storage.home import Home
from storage.records import KINDS, Run

TICK = 0.2  # seconds
STOP_GRACE = 10.0  # seconds between a stop that is asked for and one that is made
ORPHAN_GRACE = 20.0  # seconds after its start until an engine gives claimed runs without a worker back to the queue
START_WAIT = 60.0
START_AGAIN = 20.0  # seconds until an engine that was started and is not there is started once more
STOP_WAIT = STOP_GRACE + 20
LOCK_WAIT = 1.0  # a page that looks whether an engine runs holds the lock for a moment
# kinds of runs, one run of each lane at a time: a download waits for the network, and nothing should wait for it
LANES = (tuple(kind for kind in KINDS if kind != "download"), ("download",))


class Supervisor:
    """The loop of one engine process."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.ending = False
        self.leave_runs = False
        self.warm: subprocess.Popen[bytes] | None = None
        self.keepers: dict[int, subprocess.Popen[bytes]] = {}  # by run
        self.began = time.monotonic()
        self.reconciled = 0.0
        self.warm_after = 0.0

    def run(self) -> None:
        """Work until a terminate signal comes, then end in an orderly way."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        while not self.ending:
            try:
                self.tick()
            except (OSError, db.sqlite3.Error) as problem:
                # a full disk or a busy database passes; the engine must not die of it
                with contextlib.suppress(OSError):  # the log lies on the same disk
                    print(f"{db.now()} {type(problem).__name__}: {problem}", flush=True)
                time.sleep(2)
            time.sleep(TICK)
        self.close()

    def _end(self, *_: object) -> None:
        self.ending = True

    def tick(self) -> None:
        """One look at everything."""
        self.keepers = {run_id: keeper for run_id, keeper in self.keepers.items() if keeper.poll() is None}
        if self.warm is not None and self.warm.poll() is not None:
            self.warm, self.warm_after = None, time.monotonic() + 5  # it died idle: not again at once
        running = runs.in_status(self.home, "running")
        for run in running:
            self._enforce_stop(run.id)
        if time.monotonic() - self.reconciled > 1:
            health.reconcile(self.home)
            self._give_back_orphans()
            chains.advance(self.home)
            self.reconciled = time.monotonic()
        queued = runs.in_status(self.home, "queued")
        if self.warm is None and (queued or not running) and time.monotonic() >= self.warm_after:
            self._start_warm()
        for lane in LANES:
            if self.warm is not None and _in(lane, queued) and not _in(lane, running):
                self._hand_over(lane)

    def _start_warm(self) -> None:
        log = (self.home.logs / "worker.log").open("ab")
        self.warm = subprocess.Popen(
            [sys.executable, "-m", "engine.jobs.keeper", str(self.home.root)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd=_project(),
        )  # fmt: skip
        log.close()

    def _hand_over(self, lane: tuple[str, ...]) -> None:
        assert self.warm is not None and self.warm.stdin is not None
        run = runs.claim(self.home, lane)
        if run is None:
            return
        folder = self.home.run(run.id)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("worker.json", "heartbeat", "progress", health.INTERRUPT):
            (folder / name).unlink(missing_ok=True)
        keeper, self.warm = self.warm, None
        try:
            keeper.stdin.write(f"{run.id} {run.attempt}\n".encode())  # type: ignore[union-attr]
            keeper.stdin.close()  # type: ignore[union-attr]
        except BrokenPipeError:
            runs.unclaim(self.home, run.id)
            return
        self.keepers[run.id] = keeper

    def _enforce_stop(self, run_id: int) -> None:
        asked = runs.stop_requested_at(self.home, run_id)
        if asked is None or time.time() - datetime.fromisoformat(asked).timestamp() < STOP_GRACE:
            return
        identity = processes.read_identity(self.home.run(run_id) / "worker.json")
        if identity is not None and health.alive(self.home, run_id):
            processes.end_group(identity)

    def _give_back_orphans(self) -> None:
        """Runs that an engine claimed and died before a worker had them go back to the queue."""
        if time.monotonic() - self.began < ORPHAN_GRACE:
            return
        for run in runs.in_status(self.home, "running"):
            folder = self.home.run(run.id)
            at_work = run.id in self.keepers or health.kept(self.home, run) or health.alive(self.home, run.id)
            if not at_work and not (folder / "worker.json").exists():
                runs.unclaim(self.home, run.id)

    def close(self) -> None:
        """End the warm worker; ask live runs to keep a checkpoint and mark them as interrupted."""
        if self.warm is not None and self.warm.stdin is not None:
            self.warm.stdin.close()
            self.warm.terminate()
        live = runs.in_status(self.home, "running")
        for run in live:
            if not run.stop_requested:
                (self.home.run(run.id) / health.INTERRUPT).touch()
                runs.request_stop(self.home, run.id)
        deadline = time.monotonic() + STOP_GRACE + 5
        while runs.in_status(self.home, "running") and time.monotonic() < deadline:
            for run in live:
                self._enforce_stop(run.id)
            health.reconcile(self.home)
            time.sleep(TICK)


def _in(lane: tuple[str, ...], those: Iterable[Run]) -> bool:
    return any(run.kind in lane for run in those)


def _project() -> Path:
    return Path(__file__).resolve().parents[2]


def serve(home: Home) -> int:
    """Be this home's engine until told to end. TryLater when there is one already."""
    lock: IO[str] | None = processes.hold(home.root / "engine.lock", wait=LOCK_WAIT)
    if lock is None:
        raise TryLater(f"An engine already runs for {home.root}. `python -m engine status` shows it.")
    (home.root / "engine.json").unlink(missing_ok=True)  # of an engine that was killed
    prepare.prepare(home)
    processes.write_identity(home.root / "engine.json", os.getpid())
    try:
        Supervisor(home).run()
    finally:
        (home.root / "engine.json").unlink(missing_ok=True)
        lock.close()
    return 0


def ensure(home: Home) -> health.EngineView:
    """Start the engine in the background where none runs, and wait until it does. TryLater when it does not start."""
    deadline, again = time.monotonic() + START_WAIT, 0.0
    while (now := time.monotonic()) < deadline:
        view = health.engine(home)
        if view.running and view.pid is not None:
            return view
        # looked at each time: an engine that was killed a moment ago may still have seemed to run
        if not view.running and now >= again:
            _start(home)
            again = time.monotonic() + START_AGAIN
        time.sleep(0.05)
    raise TryLater(f"The engine did not start within {START_WAIT:.0f} s. {home.logs / 'engine.log'} says why.")


def _start(home: Home) -> None:
    """Start an engine through a short-lived process, so that it is nobody's child and outlives its starter."""
    with (home.logs / "engine.log").open("ab") as log:
        starter = subprocess.run(
            [sys.executable, "-m", "engine.jobs.supervisor", "--detach", str(home.root)],
            check=False,
            stdout=log,
            stderr=log,
            cwd=_project(),
        )
    if starter.returncode:
        raise TryLater(f"The engine could not be started. {log.name} says why.")


def crashed(home: Home) -> bool:
    """Whether the engine is gone without having been stopped: its file is still there."""
    return (home.root / "engine.json").exists() and not health.engine(home).running


def stop(home: Home) -> bool:
    """End the engine in an orderly way; False when none runs. Live runs keep a checkpoint and can be resumed.

    TryLater when the engine is still there after a while.
    """
    if not health.engine(home).running:
        return False
    deadline = time.monotonic() + STOP_WAIT
    told = None
    while (view := health.engine(home)).running:
        if view.pid is not None and view.pid != told:  # one that is just starting has no pid to tell yet
            os.kill(view.pid, signal.SIGTERM)
            told = view.pid
        if time.monotonic() > deadline:
            raise TryLater(
                f"The engine (process {view.pid}) has not ended within {STOP_WAIT:.0f} s. "
                f"{home.logs / 'engine.log'} may say why; `python -m engine status` shows whether it is still there."
            )
        time.sleep(0.1)
    return True


def main(arguments: list[str]) -> int:
    """``HOME`` serves here; ``--detach HOME`` starts a server that is nobody's child."""
    if arguments[0] == "--detach":
        subprocess.Popen(
            [sys.executable, "-m", "engine.jobs.supervisor", arguments[1]],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=_project(),
        )
        return 0
    return serve(Home.resolve(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

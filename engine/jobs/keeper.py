"""The small parent of a worker: it waits for it, and writes down how it ended, so that the cause is known even when the
engine was down. It imports nothing heavy and does nothing else.

The supervisor starts a keeper with a pipe as its standard input and writes the numbers of a run and its attempt to it. When
the pipe closes before that, the supervisor is gone and the idle worker ends; after that the worker goes on.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.jobs import failures, processes
from storage import files
from storage.home import Home

LOCK_WAIT = 5.0  # seconds: who looks whether a keeper lives holds its lock for a moment
AGAIN = 1.0  # seconds between two tries to write on a full disk


@dataclass(frozen=True)
class Claim:
    """The attempt of a run that this keeper's worker was given: the memory kills counted by then, and the keeper's lock."""

    folder: Path
    attempt: int
    kills: int
    lock: IO[str]


def main(root: str) -> int:
    """Keep one worker of the home ``root``; returns its exit code."""
    home = Home.resolve(root)
    with (home.logs / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "engine.jobs.worker", root],
            stdin=subprocess.PIPE, stdout=log, stderr=log, process_group=0,
        )  # fmt: skip
    claimed: list[Claim] = []
    threading.Thread(target=_pass_on, args=(home, worker, claimed), daemon=True).start()
    code = worker.wait()
    for claim in claimed:
        seen = {
            "code": code,
            "out_of_memory_kills": processes.out_of_memory_kills() - claim.kills,
            "free_disk": shutil.disk_usage(home.root).free,
        }
        _write(failures.exit_file(claim.folder, claim.attempt), json.dumps(seen))
        failures.keeper_lock(claim.folder, claim.attempt).unlink(missing_ok=True)
    return 0


def _write(path: Path, text: str) -> None:
    """Write down an ending; on a full disk, as soon as there is room. Without its run's folder it is of no use any more."""
    while path.parent.exists():
        try:
            files.write_text(path, text)
            return
        except OSError:
            time.sleep(AGAIN)


def _pass_on(home: Home, worker: subprocess.Popen[bytes], claimed: list[Claim]) -> None:
    """Hand the run's number from the supervisor to the worker; without one, let the worker end."""
    line = sys.stdin.buffer.readline()
    assert worker.stdin is not None
    # a worker that has ended meanwhile is seen by the wait above; a disk too full for a lock leaves the run to another keeper
    with contextlib.suppress(OSError):
        if line.strip():
            run_id, attempt = (int(part) for part in line.split())
            folder = home.run(run_id)
            lock = processes.hold(failures.keeper_lock(folder, attempt), wait=LOCK_WAIT)
            if lock is not None:
                claimed.append(Claim(folder, attempt, processes.out_of_memory_kills(), lock))
                worker.stdin.write(line)
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

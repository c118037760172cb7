"""The small parent of a worker: it waits for it, and writes down how it ended, so that the cause is known even when the
engine was down. It imports nothing heavy and does nothing else.

The supervisor starts a keeper with a pipe as its standard input and writes the numbers of a run and its attempt to it. When
the pipe closes before that, the supervisor is gone and the idle worker ends; after that the worker goes on.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from engine.environment import POLITE
from engine.jobs import failures, processes
from storage import files
from storage.home import Home

AGAIN = 1.0  # seconds between two tries to write on a full disk


def main(root: str) -> int:
    """Keep one worker of the home ``root``; returns its exit code."""
    home = Home.resolve(root)
    kills = processes.out_of_memory_kills()
    with (home.logs / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "engine.jobs.worker", root],
            stdin=subprocess.PIPE, stdout=log, stderr=log, process_group=0, env={**os.environ, **POLITE},
        )  # fmt: skip
    claimed: list[tuple[int, int]] = []
    threading.Thread(target=_pass_on, args=(worker, claimed), daemon=True).start()
    code = worker.wait()
    if claimed:
        seen = {
            "code": code,
            "out_of_memory_kills": processes.out_of_memory_kills() - kills,
            "free_disk": shutil.disk_usage(home.root).free,
        }
        _write(failures.exit_file(home.run(claimed[0][0]), claimed[0][1]), json.dumps(seen))
    return 0


def _write(path: Path, text: str) -> None:
    """Write down an ending; on a full disk, as soon as there is room. Without its run's folder it is of no use any more."""
    while path.parent.exists():
        try:
            files.write_text(path, text)
            return
        except OSError:
            time.sleep(AGAIN)


def _pass_on(worker: subprocess.Popen[bytes], claimed: list[tuple[int, int]]) -> None:
    """Hand the run's number from the supervisor to the worker; without one, let the worker end."""
    line = sys.stdin.buffer.readline()
    assert worker.stdin is not None
    if line.strip():
        run_id, attempt = line.split()
        claimed.append((int(run_id), int(attempt)))
        try:
            worker.stdin.write(line)
        except BrokenPipeError:  # the worker has ended meanwhile; the wait above sees how
            return
    try:
        worker.stdin.close()
    except BrokenPipeError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Processes and the kernel's locks that prove them alive. A pid alone is reused, so it is never believed by itself."""

import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

from storage import files


@dataclass(frozen=True)
class Identity:
    """Names one process for ever: its pid, when it started, and in which boot of the machine."""

    pid: int
    started: float
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Identity":
        return cls(pid, psutil.Process(pid).create_time(), _boot())

    def alive(self) -> bool:
        """Whether this very process is there and not a zombie."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1 and self.boot == _boot()
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def _boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(int(psutil.boot_time()))


def write_identity(path: Path, pid: int, **more: object) -> None:
    """Write who a process is, and more about it, to ``path``."""
    files.write_text(path, json.dumps({**asdict(Identity.of(pid)), **more}))


def read_identity(path: Path) -> Identity | None:
    """Who wrote ``path``, or None where nobody did."""
    try:
        body = json.loads(path.read_text())
        return Identity(body["pid"], body["started"], body["boot"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def hold(path: Path, wait: float = 0.0) -> IO[str] | None:
    """Take the kernel's lock on ``path`` and keep it while the returned file is open; None when another process has it
    for longer than ``wait`` seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() >= deadline:
                file.close()
                return None
            time.sleep(0.05)


def is_held(path: Path) -> bool:
    """Whether a living process has the lock on ``path``."""
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            # shared, so that two readers who look at once do not take each other for the worker
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def end_group(identity: Identity, with_signal: int = signal.SIGKILL) -> None:
    """Send a signal to a process and all of its group, if it is still that process."""
    if identity.alive():
        try:
            os.killpg(os.getpgid(identity.pid), with_signal)
        except ProcessLookupError:
            return


def out_of_memory_kills() -> int:
    """How often the kernel has ended a process of this machine or container for want of memory; 0 where it is not told."""
    total = 0
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")):
        if path.exists():
            for line in path.read_text().splitlines():
                name, _, value = line.partition(" ")
                total += int(value) if name == "oom_kill" else 0
    return total

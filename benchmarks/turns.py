"""Two programs that both live all along, of which only one may run at a time, in short turns: what the machine's mood
of a minute does to one it does to the other."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

SETTLE, TURN = 6.0, 15.0  # seconds until a woken program has its caches and its timers again, and seconds of a turn with that


@dataclass(frozen=True)
class Program:
    """A program's name, what it has measured so far, and the processes it is made of."""

    name: str
    measured: Callable[[], list[float]]
    processes: Callable[[], list[psutil.Process]]

    def signal(self, number: int) -> None:
        """Send a signal to each of its processes that is still there."""
        for process in self.processes():
            with suppress(psutil.Error, ProcessLookupError):
                os.kill(process.pid, number)

    def turn(self) -> list[float]:
        """Wake it, let it settle, and give what it measured until it was put to sleep again."""
        self.signal(signal.SIGCONT)
        time.sleep(SETTLE)
        before = len(self.measured())
        time.sleep(TURN - SETTLE)
        told = self.measured()[before:]
        self.signal(signal.SIGSTOP)
        return told


@contextmanager
def asleep(*programs: Program) -> Iterator[None]:
    """All of them put to sleep, and woken at the end, whatever happens."""
    try:
        for program in programs:
            program.signal(signal.SIGSTOP)
        yield
    finally:
        for program in programs:
            program.signal(signal.SIGCONT)

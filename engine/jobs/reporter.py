"""Where a worker writes what happens. The training thread only appends to a list: a thread of its own writes to the
database twice a second, shows a heartbeat, and reads the stop flag, so that no step waits for a disk."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from engine.jobs import checkpoints
from storage import db, events, files, runs
from storage.home import Home

INTERVAL = 0.5  # seconds between two writes


class RunReporter:
    """Implements engine.methods.method.Reporter for one run."""

    def __init__(self, home: Home, run_id: int) -> None:
        self.home, self.run_id = home, run_id
        self.folder = home.run(run_id)
        self._terminated = False
        self._held: list[tuple[str, int, float]] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="reporter", daemon=True)
        self._thread.start()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of a step; they are in the database within half a second, or with the next checkpoint."""
        with self._lock:
            self._held += [(series, step, float(value)) for series, value in values.items()]

    def phase(self, name: str, done: float | None = None) -> None:
        """Say what the run is at; ``done`` is a share from 0 to 1 where it can be told."""
        self.flush()
        events.add(self.home, self.run_id, "phase", {"name": name, "done": done})
        self._progress()

    def log(self, text: str) -> None:
        """A line for the person who watches."""
        events.add(self.home, self.run_id, "log", {"text": text})
        print(text, flush=True)

    def sample(self, step: int, prompt: str, text: str) -> None:
        """What the model says to a fixed prompt at this step."""
        events.add(self.home, self.run_id, "sample", {"prompt": prompt, "text": text}, step)

    def checkpoint(self, step: int, folder: Path, keep: int = 0) -> None:
        """Record a whole checkpoint; every metric up to its step is written first, since a resume repeats only what follows."""
        self.flush()
        events.add_checkpoint(self.home, self.run_id, step, str(folder), files.size(folder))
        if keep:
            checkpoints.clear(self.home, self.run_id, keep)
        self._progress()

    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def terminate(self, *_: object) -> None:
        """For a signal's handler, which may touch no lock: the next beat asks for the stop."""
        self._terminated = True

    def flush(self) -> None:
        """Write what is held."""
        with self._writing:
            with self._lock:
                held, self._held = self._held, []
            if held:
                try:
                    events.add_metrics(self.home, self.run_id, held)
                except BaseException:
                    with self._lock:
                        self._held = held + self._held
                    raise
                self._progress()

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._closed.set()
        self._thread.join()
        self.flush()

    def _progress(self) -> None:
        (self.folder / "progress").touch()

    def _beat(self) -> None:
        beat = self.folder / "heartbeat"
        while not self._closed.wait(INTERVAL):
            try:
                beat.touch()
                self.flush()
                if self._terminated and not self._stop.is_set():
                    runs.request_stop(self.home, self.run_id)
                if runs.stop_requested_at(self.home, self.run_id):
                    self._stop.set()
            except (OSError, db.sqlite3.Error) as problem:
                # a full disk or a busy database: the values stay held and the next beat tries again
                os.write(2, f"The reporter could not write: {problem}\n".encode())

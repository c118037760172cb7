"""The data home: the one folder that Temper writes to, and the place of everything in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The paths below ``TEMPER_HOME`` (default ``~/.temper``)."""

    root: Path

    @classmethod
    def resolve(cls, root: str | Path | None = None) -> "Home":
        """The home named by ``root``, else by ``TEMPER_HOME``, else ``~/.temper``; made when it is not there."""
        home = cls(Path(root or os.environ.get("TEMPER_HOME") or "~/.temper").expanduser().resolve())
        for folder in (home.root, home.datasets, home.runs, home.models, home.uploads, home.labels, home.indexes, home.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return home

    @property
    def database(self) -> Path:
        return self.root / "temper.db"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def labels(self) -> Path:
        return self.root / "labels"

    @property
    def indexes(self) -> Path:
        return self.root / "indexes"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def run(self, run_id: int) -> Path:
        """The folder of one run: lock, heartbeat, log, checkpoints, result."""
        return self.runs / str(run_id)

    @contextmanager
    def locked(self, name: str, wait: bool = True) -> Iterator[bool]:
        """Hold the kernel's lock ``name`` of this home; yields False at once when another process holds it and not ``wait``."""
        with (self.root / f"{name}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

"""A home with the Pocket lab in it and a real engine over it."""

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine import prepare
from engine.jobs import health, processes, submit, supervisor
from storage import events, models, runs
from storage.home import Home
from storage.records import LIVE, Run

STEPS = 40  # what is done to a run on its way reaches the worker within half a second: far fewer steps than these
QUICK = {"steps": STEPS, "batch_size": 4, "checkpoints": 4, "evaluations": 0, "evaluate_share": 0.0, "max_length": 96}


@dataclass(frozen=True)
class Lab:
    """Verbs on a home whose engine runs."""

    home: Home

    def launch(self, name: str = "quick", data: str = "pocket-instructions", **settings: object) -> Run:
        return submit.train(
            self.home, method="sft", model="pocket", dataset=data, settings={**QUICK, **settings}, name=name, seed=3
        )

    def until(self, told: Callable[[], object], seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not told():
            assert time.monotonic() < deadline, self.state()
            time.sleep(0.05)

    def ended(self, run: Run, seconds: float = 240) -> Run:
        self.until(lambda: submit.find(self.home, run.id).status not in LIVE, seconds)
        return submit.find(self.home, run.id)

    def at_step(self, run: Run, step: int) -> None:
        self.until(lambda: events.latest(self.home, run.id).get("loss", (0, 0))[0] >= step)

    def losses(self, run: Run) -> list[tuple[int, float]]:
        return events.curve(self.home, run.id, "loss")

    def weights(self, run: Run) -> str:
        made = models.of_run(self.home, run.id)
        assert made is not None
        return hashlib.sha256((Path(made.path) / "adapter_model.safetensors").read_bytes()).hexdigest()

    def kill_worker(self, run: Run) -> None:
        identity = processes.read_identity(self.home.run(run.id) / "worker.json")
        assert identity is not None
        os.kill(identity.pid, signal.SIGKILL)

    def kill_engine(self) -> None:
        identity = processes.read_identity(self.home.root / "engine.json")
        assert identity is not None
        os.kill(identity.pid, signal.SIGKILL)
        self.until(lambda: not health.engine(self.home).running, 10)

    def state(self) -> str:
        """Everything a reader of a failed test wants to know."""
        logs = "\n".join(
            path.read_text(errors="replace")[-2000:] for path in sorted(self.home.root.glob("**/*log*")) if path.is_file()
        )
        return f"{runs.page(self.home)}\n{logs}"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One engine for all tests of this folder; it ends with them."""
    home = Home.resolve(tmp_path_factory.mktemp("lab"))
    prepare.prepare(home)
    supervisor.ensure(home)
    yield Lab(home)
    supervisor.stop(home)


@pytest.fixture(scope="session")
def undisturbed(lab: Lab) -> Run:
    """A run that nothing happened to: what the disturbed ones are compared with."""
    run = lab.ended(lab.launch("undisturbed"))
    assert run.status == "succeeded", lab.state()
    return run

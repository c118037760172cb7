"""`make run` as a person meets it: the real app and a real engine, started, found again, ended."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from engine.errors import BadInput
from engine.jobs import health, processes, supervisor
from engine.launch import start
from storage import db
from storage.home import Home

ROOT = Path(__file__).resolve().parents[3]
START = 90.0  # seconds


@dataclass
class Terminal:
    """Someone who types `make run` for one home, again and again."""

    home: Home
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pages.parts.serve", *arguments],
            cwd=ROOT, env=os.environ | {"TEMPER_HOME": str(self.home.root)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def ends(self, *arguments: str) -> tuple[int, str]:
        """The exit code and the words of a command that ends by itself."""
        process = self.command(*arguments)
        said, _ = process.communicate(timeout=START)
        return process.returncode, said

    def serves(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        """A running app and its address."""
        process = self.command(*arguments)
        deadline = time.monotonic() + START
        while (place := self.place()).get("pid") != process.pid:
            assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=10)
            time.sleep(0.05)
        return process, f"http://{start.ADDRESS}:{place['port']}"

    def place(self) -> dict[str, int]:
        """Where an app says that it is, be it true or not."""
        file = self.home.root / "app.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def interrupted(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """What Ctrl-C does: the whole group of the terminal gets the signal."""
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        return process.returncode, said


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """One home for all, so that one engine is started."""
    home = Home.resolve(tmp_path_factory.mktemp("launch") / "home")
    terminal = Terminal(home)
    yield terminal
    for process in terminal.started:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=10)
    supervisor.stop(home)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens at."""
    with socket.socket() as other:
        other.bind((start.ADDRESS, 0))
        other.listen()
        yield other.getsockname()[1]


def test_an_app_starts_its_engine_is_found_by_a_second_run_and_leaves_the_engine_when_it_ends(
    terminal: Terminal, taken: int
) -> None:
    app, address = terminal.serves("--port", str(taken))
    assert httpx.get(f"{address}/_stcore/health").text == "ok"
    assert address != f"http://{start.ADDRESS}:{taken}"
    engine = health.engine(terminal.home)
    assert engine.running

    code, said = terminal.ends()
    assert (code, said) == (0, f"Temper already runs at {address} (process {app.pid}).\n")

    code, said = terminal.interrupted(app)
    assert code == 0, said
    assert f"Port {taken} is taken" in said
    assert f"Temper is at  {address}" in said
    assert "Runs go on" in said
    assert f"-m engine --home {terminal.home.root} stop" in said
    assert "Traceback" not in said
    assert health.engine(terminal.home).pid == engine.pid
    assert not (terminal.home.root / "app.json").exists()


def test_an_app_that_was_killed_leaves_nothing_that_stops_the_next(terminal: Terminal) -> None:
    killed, _ = terminal.serves("--port", "8700")
    killed.kill()
    killed.communicate(timeout=10)
    assert terminal.place()["pid"] == killed.pid
    app, address = terminal.serves("--port", "8700")
    assert httpx.get(f"{address}/_stcore/health").text == "ok"
    app.terminate()
    said, _ = app.communicate(timeout=30)
    assert app.returncode == 0 and "Runs go on" in said


def test_a_home_of_a_newer_version_is_left_alone(home: Home) -> None:
    terminal = Terminal(home)
    with contextlib.closing(db._open(home)) as connection:
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('temper', '9999_later', '')")
    code, said = terminal.ends()
    assert code == 2
    assert "newer version" in said and "9999_later" in said and "TEMPER_HOME" in said
    assert "Traceback" not in said
    assert not health.engine(home).running


def test_an_engine_of_an_older_version_is_named_as_what_is_in_the_way(home: Home) -> None:
    (home.root / "temper.db").unlink()
    lock = processes.hold(home.root / "engine.lock")
    assert lock is not None
    processes.write_identity(home.root / "engine.json", os.getpid())
    with lock, pytest.raises(start.TryLater, match="older version"):
        start.start_engine(home)


def test_two_homes_have_an_app_each(terminal: Terminal, tmp_path: Path) -> None:
    other = Home.resolve(tmp_path / "other")
    with start.only_app(terminal.home) as here, start.only_app(other) as there, start.only_app(other) as again:
        assert (here, there, again) == (True, True, False)


def test_when_no_port_is_free_the_range_is_named(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr(start, "PORTS_TRIED", 1)
    with pytest.raises(start.TryLater, match=str(taken)):
        start.listen(taken)


def test_a_port_that_is_none_is_told_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="from 1 to 65535, not 99999"):
        start.listen(99999)

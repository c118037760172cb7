"""The host's life as a process."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from engine import registry
from engine.errors import NotFound
from engine.generation import ask
from engine.generation.answers import Address
from engine.jobs import processes
from storage import db
from storage.home import Home
from tests.engine.generation.asking import ENDLESS, complete
from tests.engine.generation.small_models import make_endless


def test_two_hosts_started_at_once_end_as_one(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    db.migrate(home)
    found: list[Address] = []
    threads = [threading.Thread(target=lambda: found.append(ask.ensure(home))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    second = subprocess.run(
        [sys.executable, "-m", "engine.generation.host", "--home", str(home.root)], capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 0 and "Another host" in second.stdout
    assert ask.ensure(home) == found[0]
    identity = processes.read_identity(home.root / "host.json")
    assert identity is not None
    assert ask.shutdown(home)
    assert not identity.alive() and not (home.root / "host.json").exists()
    assert not ask.shutdown(home)
    end = time.monotonic() + 5
    while any(child.pid == identity.pid for child in psutil.Process().children()):  # a zombie is still a child
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_host_that_was_ended_is_started_anew(tmp_path: Path, how: signal.Signals) -> None:
    home = Home.resolve(tmp_path / "home")
    db.migrate(home)
    first = ask.ensure(home)
    identity = processes.read_identity(home.root / "host.json")
    assert identity is not None
    os.kill(identity.pid, how)
    while identity.alive():
        time.sleep(0.02)
    assert (home.root / "host.json").exists() == (how is signal.SIGKILL)
    with pytest.raises(NotFound, match="has ended"):
        ask.look(home, "anything")
    assert ask.health(home) is None
    assert ask.ensure(home) != first
    ask.shutdown(home)


@pytest.mark.parametrize("how", ["asked", "signal"])
def test_who_is_being_answered_when_a_host_ends_is_told_so(tmp_path: Path, how: str) -> None:
    home = Home.resolve(tmp_path / "home")
    db.migrate(home)
    registry.register_folder(home, make_endless(tmp_path / "endless"), "endless", "made in a test")
    address = ask.ensure(home)
    told: dict[bool, httpx.Response] = {}
    threads = [
        threading.Thread(
            target=lambda stream=stream: told.update({stream: complete(address, "endless", stream=stream, **ENDLESS)})
        )
        for stream in (False, True)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    while (seen := ask.health(home)) is None or seen["live"] < 2:
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    if how == "asked":
        assert ask.shutdown(home)
    else:
        identity = processes.read_identity(home.root / "host.json")
        assert identity is not None
        os.kill(identity.pid, signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert told[False].status_code == 503 and told[False].json()["error"]["code"] == "try_later"
    assert "is ending" in told[False].json()["error"]["message"]
    *_, error, done = [line for line in told[True].text.splitlines() if line]
    assert "is ending" in error and done == "data: [DONE]"


def test_a_host_whose_home_is_deleted_ends(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    db.migrate(home)
    ask.ensure(home)
    identity = processes.read_identity(home.root / "host.json")
    assert identity is not None
    shutil.rmtree(home.root)
    end = time.monotonic() + 30
    while identity.alive():
        assert time.monotonic() < end
        time.sleep(0.1)

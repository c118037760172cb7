"""A disk that fills up under a run, on a small disk of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import prepare
from engine.jobs import checkpoints, health, submit, supervisor
from storage import events, runs
from storage.home import Home
from tests.engine.jobs.conftest import Lab

pytestmark = pytest.mark.slow
SIZE = 700  # MB: a launch asks for some room first


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Lab]:
    """A home on a small disk, with an engine."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("only root may mount the small disk that this fills")
    home = Home.resolve(disk / "home")
    try:
        prepare.prepare(home)
        supervisor.ensure(home)
        yield Lab(home)
    finally:
        supervisor.stop(home)
        subprocess.run(["umount", "-l", disk], check=True)


def fill(lab: Lab, left: int) -> Path:
    """A file that leaves so many bytes of the disk."""
    ballast, piece = lab.home.root / "ballast", 64 * 1024
    with ballast.open("wb", buffering=0) as out:
        while (seen := os.statvfs(lab.home.root)).f_bavail * seen.f_frsize > left + piece:
            os.posix_fallocate(out.fileno(), out.seek(0, os.SEEK_END), piece)
        while not left:
            try:
                out.write(b"0" * 4096)
            except OSError:
                break
    return ballast


@pytest.mark.parametrize("left", [2_000_000, 0])
def test_a_full_disk_fails_the_run_in_words_and_the_run_goes_on_once_there_is_room(small: Lab, left: int) -> None:
    undisturbed = small.ended(small.launch("undisturbed"))
    before = [(c.run_id, c.step) for c in events.checkpoints(small.home)]
    run = small.launch("filled")
    small.at_step(run, 5)
    ballast = fill(small, left)
    small.until(lambda: not health.alive(small.home, run.id), 60)
    if left:
        small.ended(run, 20)
    ballast.unlink()
    failed = small.ended(run, 30)
    assert (failed.status, failed.failure) == ("failed", "disk full"), small.state()
    assert "disk" in (failed.reason or "").lower()
    assert [(c.run_id, c.step) for c in events.checkpoints(small.home, undisturbed.id)] == before, "nothing else was touched"
    assert checkpoints.newest_whole(small.home, run.id).damaged == ()
    submit.resume(small.home, run.id)
    assert small.ended(run).status == "succeeded", small.state()
    assert small.losses(run) == small.losses(undisturbed) and small.weights(run) == small.weights(undisturbed)
    assert [h["after"] for h in runs.history(small.home, run.id)][-1] == "succeeded"

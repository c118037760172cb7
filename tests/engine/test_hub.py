"""The hub, as the command line and the engine use it: facts first, a download that can be stopped and goes on, refusals in words."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import machine, offers, prepare
from engine.errors import BadInput
from engine.hub import PARTS, check_id, read_token, save_token, token_file
from engine.jobs import submit, supervisor
from engine.samples import pocket
from storage import models, runs
from storage.home import Home
from storage.records import LIVE
from tests.hub_server import Hub, serving

Command = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    whole, pickled = tmp_path / "repos" / "whole", tmp_path / "repos" / "pickled"
    shutil.copytree(pocket.POCKET, whole)
    pickled.mkdir()
    shutil.copy(pocket.POCKET / "config.json", pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"not weights")
    (whole / "modeling_evil.py").write_text("raise SystemExit('code from the hub ran')")
    with serving(Hub({"lab/whole": whole, "lab/gated": whole, "lab/pickled": pickled}, gated={"lab/gated"})) as served:
        yield served


@pytest.fixture
def command(home: Home, hub: Hub) -> Iterator[Command]:
    """The command line, with this hub as its hub."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")} | {"HF_ENDPOINT": hub.address}

    def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "engine", "--home", str(home.root), *words],
            input=said, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=180,
        )  # fmt: skip

    yield run
    supervisor.stop(home)


def test_a_model_is_told_before_anything_large_is_fetched(command: Command, hub: Hub) -> None:
    told = command("models", "offers", "lab/whole", "--json")
    assert told.returncode == 0, told.stderr
    offer = json.loads(told.stdout)[0]
    assert (offer["license"], offer["context"], offer["parameters"]) == ("mit", 1024, 70_000)
    assert offer["bytes"] > 6_000_000
    assert offer["fits"] == {"chat": "fits", "lora": "fits", "full": "fits"}
    assert hub.sent < 100_000, "only the configuration was fetched"


def test_a_model_comes_whole_without_the_code_beside_it(command: Command, home: Home) -> None:
    replaced = home.models / "lab--whole" / PARTS / "0ld-model.safetensors"  # begun before the hub's file changed
    replaced.parent.mkdir(parents=True)
    replaced.write_bytes(b"half")
    got = command("models", "get", "lab/whole", "--wait")
    assert got.returncode == 0, got.stderr
    made = models.find(home, "whole")
    assert made is not None and made.license == "mit" and made.source == "lab/whole"
    assert (Path(made.path) / "model.safetensors").read_bytes() == (pocket.POCKET / "model.safetensors").read_bytes()
    assert not (Path(made.path) / "modeling_evil.py").exists()
    assert not replaced.exists()


def test_a_stopped_download_goes_on_where_it_ended(command: Command, home: Home, hub: Hub) -> None:
    weights = hub.repos["lab/whole"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"\0" * 60_000_000)
    hub.slow = 0.02
    assert command("models", "get", "lab/whole").returncode == 0
    run = runs.page(home)[0]
    until(lambda: hub.sent > 12_000_000)
    submit.stop(home, run.id)
    until(lambda: runs.get(home, run.id).status == "stopped")  # type: ignore[union-attr]
    hub.slow, before = 0.0, hub.sent
    submit.resume(home, run.id)
    until(lambda: runs.get(home, run.id).status not in LIVE)  # type: ignore[union-attr]
    assert any(asked.startswith("model.safetensors bytes=") for asked in hub.ranges), "the rest alone was asked for"
    assert hub.sent - before < weights.stat().st_size - 5_000_000
    assert (home.models / "lab--whole" / "model.safetensors").read_bytes() == weights.read_bytes()


def test_a_download_does_not_wait_behind_a_training(command: Command, home: Home) -> None:
    prepare.prepare(home)
    train = submit.train(
        home, method="sft", model="pocket", dataset="pocket-instructions", settings={"steps": 100_000, "checkpoints": 0}
    )
    assert command("models", "get", "lab/whole").returncode == 0
    download = runs.page(home)[0]
    until(lambda: runs.get(home, download.id).status == "succeeded")  # type: ignore[union-attr]
    assert runs.get(home, train.id).status == "running"  # type: ignore[union-attr]
    submit.stop(home, train.id)


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("lab/nothing", "knows no model lab/nothing"),
        ("lab/gated", "accept its terms"),
        ("lab/pickled", "no safetensors weights"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(command: Command, id: str, said: str) -> None:
    told = command("models", "offers", id)
    assert told.returncode == 2
    assert said in told.stderr and "Traceback" not in told.stderr


def test_a_gated_model_comes_with_a_token_that_only_its_owner_can_read(command: Command, home: Home, hub: Hub) -> None:
    assert command("models", "token", said=hub.token + "\n").returncode == 0
    assert stat.S_IMODE(token_file(home).stat().st_mode) == 0o600
    assert command("models", "get", "lab/gated", "--wait").returncode == 0
    for path in home.root.glob("temper.db*"):
        assert hub.token.encode() not in path.read_bytes()
    command("models", "token", "--remove")
    assert not token_file(home).exists()


def test_a_hub_that_does_not_answer_is_unreachable_and_the_run_can_be_resumed(
    home: Home, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    run = submit.download(home, "lab/whole")
    supervisor.ensure(home)
    until(lambda: runs.get(home, run.id).status not in LIVE)  # type: ignore[union-attr]
    ended: Any = runs.get(home, run.id)
    assert (ended.status, ended.failure) == ("failed", "unreachable")
    assert "Check the network" in ended.next_step


def test_weights_that_a_repository_holds_twice_are_fetched_once(command: Command, hub: Hub) -> None:
    repo = hub.repos["lab/whole"]
    once = json.loads(command("models", "offers", "lab/whole", "--json").stdout)[0]["bytes"]
    shutil.copy(repo / "model.safetensors", repo / "consolidated.safetensors")
    assert json.loads(command("models", "offers", "lab/whole", "--json").stdout)[0]["bytes"] == once
    (repo / "model.safetensors").rename(repo / "model-00001-of-00001.safetensors")
    index = json.dumps({"weight_map": {"any": "model-00001-of-00001.safetensors"}})
    (repo / "model.safetensors.index.json").write_text(index)
    assert json.loads(command("models", "offers", "lab/whole", "--json").stdout)[0]["bytes"] == once + len(index)


def test_an_id_that_only_the_hub_s_own_rules_refuse_is_bad_input(command: Command) -> None:
    told = command("models", "offers", "foo/bar--baz")
    assert told.returncode == 2 and "no model id" in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize("id", ["", "a/b/c", "../../etc/passwd", "owner/na me", "-x/y"])
def test_what_is_no_id_is_refused_before_the_network_is_asked(id: str) -> None:
    with pytest.raises(BadInput, match="owner/name"):
        check_id(id)


def test_an_empty_token_removes_the_one_that_was_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    save_token(home, " secret ")
    assert read_token(home) == "secret"
    save_token(home, "")
    assert read_token(home) is None


def test_labels_follow_the_memory_that_is_free() -> None:
    def here(free: float) -> machine.Machine:
        return machine.Machine("a GPU", True, int(80e9), int(free), 0, 0)

    assert offers.fits(600_000_000, here(79e9)) == {"chat": "fits", "lora": "fits", "full": "fits"}
    assert offers.fits(8_000_000_000, here(79e9))["full"] == "exceeds"
    assert offers.fits(8_000_000_000, here(18e9))["chat"] == "tight"
    assert offers.fits(8_000_000_000, here(10e9)) == {"chat": "exceeds", "lora": "exceeds", "full": "exceeds"}


def until(told: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.05)

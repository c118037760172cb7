"""The host in front of vLLM, which a stand-in plays: the same contract, the same proof, and back to our own loop where it fails."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import registry
from engine.generation import ask, vllm
from engine.generation.answers import Asked, Sampling
from engine.jobs import processes
from storage import db
from storage.home import Home
from tests.engine.generation.asking import client, complete
from tests.engine.generation.small_models import QUESTION, World, make_base


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home whose host finds the stand-in for vLLM, with a base, two adapters, and a model that vLLM cannot start with."""
    patch = pytest.MonkeyPatch()
    patch.setenv(vllm.VARIABLE, f"{sys.executable} {Path(__file__).with_name('vllm_stand_in.py')}")
    folder, home = tmp_path_factory.mktemp("weights"), Home.resolve(tmp_path_factory.mktemp("home"))
    db.migrate(home)
    world = World(home, folder)
    registry.register_folder(home, make_base(folder / "base"), "base", "made in a test")
    registry.register_folder(home, make_base(folder / "full", seed=9), "full", "made in a test")
    world.adapter("left", 1)
    world.adapter("right", 2, r=16)
    world.adapter("dora", 3, use_dora=True)
    yield world
    identity = processes.read_identity(home.root / vllm.IDENTITY)
    assert ask.shutdown(home)
    assert identity is None or not identity.alive(), "it ends with the host"
    patch.undo()


def test_base_and_adapters_are_asked_of_vllm_and_each_answer_proves_its_weights(fronted: World) -> None:
    base, left, right = ask.answers(fronted.home, ["base", "left", "right"], QUESTION)
    assert [answer.text.strip() for answer in (base, left, right)] == ["base says own", "left says own", "right says own"]
    assert [answer.fingerprint for answer in (base, left, right)] == [
        fronted.model(n).fingerprint for n in ("base", "left", "right")
    ]
    assert (left.adapter, left.base, left.dtype, left.outside, left.cached_tokens) == ("left", "base", "vLLM", "", 0)
    asked = [Asked("left", QUESTION, Sampling(), "plain")]
    assert "{% for" in ask.wait_for(fronted.home, ask.start_each(fronted.home, asked))[0].text


def test_openais_own_requests_are_passed_on_under_the_name_that_was_asked(fronted: World) -> None:
    address = ask.ensure(fronted.home)
    with client(address) as asking:
        told = asking.post(
            "/v1/completions", json={"model": "left", "prompt": "x", "echo": True, "logprobs": 1, "max_tokens": 1}
        ).json()
    assert (told["model"], told["system_fingerprint"]) == ("left", fronted.model("left").fingerprint)
    assert told["choices"][0]["logprobs"]["tokens"] == ["left says own"]
    assert complete(address, "right").json()["choices"][0]["text"] == "right says own"


def test_adapters_that_it_cannot_take_and_bases_that_it_does_not_start_with_are_answered_by_our_own_loop(fronted: World) -> None:
    dora = ask.answers(fronted.home, ["dora"], QUESTION, max_tokens=4)[0]
    assert dora.status == "done" and dora.dtype == "float32"
    first = ask.answers(fronted.home, ["full"], QUESTION, max_tokens=4)[0]
    assert first.status == "failed" and "vLLM did not start: no kernel for this model" in (first.error or "")
    again = ask.answers(fronted.home, ["full"], QUESTION, max_tokens=4)[0]
    assert again.status == "done" and again.fingerprint == fronted.model("full").fingerprint


def test_its_memory_is_given_back_when_asked_and_it_comes_back_by_itself(fronted: World) -> None:
    ask.answers(fronted.home, ["left"], QUESTION)
    before = processes.read_identity(fronted.home.root / vllm.IDENTITY)
    assert before is not None and before.alive()
    ask.release(fronted.home)
    assert not before.alive()
    assert ask.answers(fronted.home, ["left"], QUESTION)[0].text.strip() == "left says own"


def test_it_is_not_used_where_it_is_switched_off_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(vllm.VARIABLE, "off")
    assert vllm.command() == []
    monkeypatch.delenv(vllm.VARIABLE)
    assert vllm.command() == []

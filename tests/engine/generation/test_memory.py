"""Whose weights are in memory: adapters that come and go, models that give way, memory that is asked back."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.generation import shelf, weights
from engine.generation.speaker import Speaker
from engine.generation.weights import Weights
from tests.engine.generation.small_models import World
from tests.engine.generation.test_speaker import ask, bytes_of, speaker, texts, ticket, wait

__all__ = ["speaker"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MOST_ADAPTERS", 2)


def held(speaker: Speaker, name: str = "base") -> Any:
    return next(w for w in speaker.shelf.held() if w.name == name)


def test_the_adapters_that_rested_longest_give_way_and_each_still_says_its_own(speaker: Speaker, world: World, few: None) -> None:
    names = ["left", "right", *(world.adapter(f"more{n}", 60 + n).name for n in range(2))]
    alone = [ask(speaker, world, name)[0].answer.text for name in names]
    assert [Path(place).name for place in held(speaker).adapters] == ["more0", "more1"]
    assert len(held(speaker)._peft.peft_config) == 2
    assert texts(ask(speaker, world, *names, "base")) == [*alone, ask(speaker, world, "base")[0].answer.text]
    ask(speaker, world, "left")
    assert [ask(speaker, world, name)[0].answer.text for name in names] == alone
    assert len(held(speaker)._peft.peft_config) == 2


def test_an_adapter_that_speaks_stays_however_many_are_asked(speaker: Speaker, world: World, few: None) -> None:
    voices = [world.adapter(f"over{n}", 70 + n, base="endless").name for n in range(4)]
    long = ticket(world, voices[0], 90_000)
    speaker.submit([long])
    for name in voices[1:]:
        assert ask(speaker, world, name, tokens=3)[0].answer.status == "done"
    said = long.answer.tokens
    while long.answer.tokens == said:
        time.sleep(0.01)
    long.cancel()
    wait([long])
    assert long.answer.status == "stopped"
    assert len(held(speaker, "endless")._peft.peft_config) == 2


def test_bytes_count_the_adapters_and_a_replaced_one_leaves(speaker: Speaker, world: World) -> None:
    model, others = world.adapter("replaced", 81), [world.adapter(f"replacing{n}", 82 + n) for n in range(2)]
    ask(speaker, world, "base")
    alone = held(speaker).bytes
    said = texts(ask(speaker, world, "replaced"))
    grown = held(speaker).bytes
    assert alone == bytes_of(world, "base") < grown
    for other in others:
        os.replace(Path(other.path) / "adapter_model.safetensors", Path(model.path) / "adapter_model.safetensors")
        said += texts(ask(speaker, world, "replaced"))
    assert len(set(said)) == 3
    assert held(speaker).bytes == grown and len(held(speaker)._peft.peft_config) == 1
    assert speaker.release().result(60).freed == grown


def test_weights_about_to_speak_do_not_give_way_to_those_asked_beside_them(world: World) -> None:
    speaker = Speaker(budget=int(bytes_of(world, "base") * 1.2))
    try:
        before = ask(speaker, world, "base")[0].answer.text
        answers = [t.answer for t in ask(speaker, world, "base", "full")]
        assert [(a.status, a.error) for a in answers] == [("done", None)] * 2
        assert answers[0].text == before
    finally:
        speaker.close()


class Slow:
    """Loading that takes until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        load = shelf._load

        def slowly(voice: Any) -> Weights:
            self.begun.set()
            assert self.go.wait(60)
            return load(voice)

        monkeypatch.setattr(shelf, "_load", slowly)


@pytest.mark.parametrize("stopped", [False, True])
def test_memory_asked_back_while_a_base_loads_follows(
    speaker: Speaker, world: World, stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, asked = Slow(monkeypatch), ticket(world, "full", 5)
    speaker.submit([asked])
    assert slow.begun.wait(60)
    if stopped:
        asked.cancel()
        wait([asked])
    assert speaker.release().result(60).later == ("full",)
    slow.go.set()
    wait([asked])
    assert asked.answer.status == ("stopped" if stopped else "done")
    end = time.monotonic() + 30
    while speaker.shelf.loading or speaker.shelf.held():
        assert time.monotonic() < end, speaker.shelf.held()
        time.sleep(0.01)


def test_a_release_that_fails_is_told_and_ends_no_answer(speaker: Speaker, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    long = ticket(world, "endless", 90_000)
    speaker.submit([long])
    while not long.answer.tokens:
        time.sleep(0.01)

    def broken(busy: Any) -> Any:
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(speaker.shelf, "release", broken)
    with pytest.raises(RuntimeError, match="driver"):
        speaker.release().result(60)
    assert long.answer.status == "running"
    long.cancel()
    wait([long])

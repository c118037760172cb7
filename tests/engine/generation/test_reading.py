"""Prompts on their way to tokens: templates that never end, prompts of 100,000 tokens, and what goes on meanwhile."""

import threading
import time
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.generation import ask, reading
from engine.generation.answers import Address, Prompt, Sampling
from engine.generation.speaker import Speaker
from engine.generation.tickets import Ticket
from engine.generation.weights import Voice
from tests.engine.generation.asking import text_of
from tests.engine.generation.small_models import QUESTION, World
from tests.engine.generation.test_speaker import speaker, ticket, wait

__all__ = ["speaker"]
LOOPS = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}"


def test_what_takes_too_long_is_broken_off_and_the_thread_goes_on() -> None:
    def forever() -> int:
        count = 0
        while True:
            count += 1

    began = time.monotonic()
    with pytest.raises(BadInput, match="too slow"):
        reading.within(0.2, forever, "too slow")
    assert time.monotonic() - began < 5
    assert [reading.within(0.05, lambda: 7, "too slow") for _ in range(200)] == [7] * 200
    time.sleep(0.1)  # no clock that is left over strikes later


def test_a_template_that_never_ends_is_told_and_holds_nobody_up(
    speaker: Speaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST", 8.0)
    folder = Path(world.adapter("looping", 61).path)
    from engine.samples import tokenizer
    from tests.engine.generation.small_models import SENTENCES

    tokenizer.train(SENTENCES * 3, folder, vocabulary=400)
    (folder / "chat_template.jinja").write_text(LOOPS)
    usual = ticket(world, "left")
    speaker.submit([usual])
    wait([usual])
    looping, beside = ticket(world, "looping"), ticket(world, "left")
    speaker.submit([looping, beside])
    wait([beside], 7)
    assert not looping.answer.ended and looping.answer.waiting_for == "its prompt to be read"
    wait([looping])
    assert looping.answer.status == "failed" and "chat template did not come to an end within 8 s" in (looping.answer.error or "")
    after = ticket(world, "left")
    speaker.submit([after])
    wait([after])
    assert after.answer.text == beside.answer.text == usual.answer.text
    assert not [t for t in threading.enumerate() if t.name.startswith("reading") and not t.is_alive()]


def test_a_template_that_never_ends_can_be_stopped_while_it_is_read(speaker: Speaker, world: World) -> None:
    slow = Ticket(Voice.find(world.home, "left"), Prompt(QUESTION), Sampling(max_tokens=3))
    slow.cancel()
    speaker.submit([slow])
    wait([slow], 5)
    assert slow.answer.status == "stopped"


@pytest.mark.parametrize("model", ["base", "endless"])
def test_a_prompt_of_100_000_tokens_is_told_its_length_while_others_speak(world: World, address: Address, model: str) -> None:
    before = text_of(address, "left")
    long = [{"role": "user", "content": "q x " * 50_100}]
    name = ask.start(world.home, [model], long, max_tokens=4)
    assert text_of(address, "left") == before
    answer = ask.wait_for(world.home, name)[0]
    assert answer.status == "failed" and "Shorten the prompt" in (answer.error or "") and "tokens" in (answer.error or "")
    assert text_of(address, "left") == before


def test_a_template_can_be_chosen_and_names_that_are_none_are_refused(world: World, address: Address) -> None:
    from engine.generation.answers import Asked

    asked = [Asked("left", QUESTION, Sampling(max_tokens=4), template) for template in ("", "standard", "plain")]
    own, standard, plain = ask.wait_for(world.home, ask.start_each(world.home, asked))
    assert len({own.prompt_tokens, standard.prompt_tokens, plain.prompt_tokens}) == 3
    assert own.fingerprint == standard.fingerprint == plain.fingerprint, "the fingerprint is that of the weights"
    with pytest.raises(BadInput, match="template takes nothing, for the model's own, or standard or plain, not 'mine'"):
        ask.start_each(world.home, [Asked("left", QUESTION, Sampling(), "mine")])

"""Conversations: asked once, written down when they end, each model with its own side, found again as they were."""

import dataclasses
import errno
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput, NotFound, TemperError, TryLater
from engine.generation import ask, conversations
from engine.generation.answers import Address, Answer, Sampling
from engine.generation.turns import Conversation, Side
from engine.jobs import processes
from storage import documents, files
from storage.home import Home
from tests.engine.generation.small_models import World, make_adapter

SHORT = Sampling(max_tokens=6)
PROMPT = "When does the ferry to Oster leave?"


def answered(world: World, talk: Conversation) -> Conversation:
    """The conversation once its last turn has ended."""
    conversations.send(world.home, talk.id)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        seen = conversations.look(world.home, talk.id)
        if seen.ended:
            return seen
        time.sleep(0.02)
    raise AssertionError(f"not ended: {conversations.read(world.home, talk.id)}")


def test_what_was_answered_is_written_down(world: World, address: Address) -> None:
    talk = conversations.add(world.home, conversations.begin(["base", "left"]), PROMPT, SHORT)
    assert not talk.ended
    seen = answered(world, talk)
    assert [answer.model for answer in seen.turns[0].answers] == ["base", "left"]
    assert conversations.read(world.home, talk.id) == seen
    assert conversations.recent(world.home)[0] == seen


def test_a_turn_that_is_sent_twice_is_asked_once(world: World, address: Address) -> None:
    talk = conversations.add(world.home, conversations.begin(["base"]), PROMPT, SHORT)
    first = conversations.send(world.home, talk.id)
    assert conversations.send(world.home, talk.id) == first
    conversations._write(world.home, talk)  # as if the first sender had died before it wrote down the answer set
    assert conversations.send(world.home, talk.id).turns[0].answer_set == first.turns[0].answer_set
    answered(world, talk)


def test_a_prompt_in_another_tab_is_kept_when_this_one_has_not_seen_it(world: World, address: Address) -> None:
    talk = answered(world, conversations.add(world.home, conversations.begin(["base"]), PROMPT, SHORT))
    seen = answered(world, conversations.add(world.home, talk, "From tab A", SHORT))
    with pytest.raises(TryLater, match="meanwhile"):
        conversations.add(world.home, talk, "From tab B", SHORT)
    assert conversations.read(world.home, talk.id) == seen


def test_each_prompt_gets_answers_of_its_own_also_in_the_place_of_one_that_was_lost(world: World, address: Address) -> None:
    talk = conversations.begin(["base"])
    first = conversations.send(world.home, conversations.add(world.home, talk, PROMPT, SHORT).id)
    conversations.delete(world.home, talk.id)
    second = conversations.send(world.home, conversations.add(world.home, talk, "Another", SHORT).id)
    assert second.turns[0].answer_set != first.turns[0].answer_set


def test_the_same_token_asks_once(world: World) -> None:
    talk = conversations.begin(["base"], token="t1")
    first = conversations.add(world.home, talk, PROMPT, SHORT, "t1")
    assert conversations.add(world.home, talk, PROMPT, SHORT, "t1") == first
    conversations.delete(world.home, talk.id)


def test_a_full_disk_is_told_in_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_text", full)
    with pytest.raises(TemperError, match="No space left on device. Free some space"):
        conversations.add(world.home, conversations.begin(["base"]), PROMPT, SHORT)


def test_answers_of_a_host_that_is_only_busy_are_not_written_down_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.resolve(tmp_path / "home")
    monkeypatch.setattr(ask, "REPLY", 0.1)
    talk = conversations.add(home, conversations.begin(["base"]), PROMPT, SHORT)
    conversations._write(home, replace(talk, every=(replace(talk.every[0], answer_set="one"),)))
    with socket.create_server(("127.0.0.1", 0)) as busy:  # it takes the question and says nothing
        address = f"http://127.0.0.1:{busy.getsockname()[1]}"
        processes.write_identity(home.root / ask.PLACE, os.getpid(), url=address, token="x")
        with pytest.raises(TryLater, match="what it says is kept"):
            conversations.look(home, talk.id)
    assert not conversations.read(home, talk.id).ended
    (home.root / ask.PLACE).unlink()
    assert conversations.look(home, talk.id).turns[0].answers[0].status == "failed", "nothing answers any more"


def test_each_model_goes_on_with_its_own_answers(world: World, address: Address) -> None:
    talk = answered(
        world,
        conversations.add(world.home, conversations.begin([Side("base", "Be brief."), Side("left", "Be brief.")]), PROMPT, SHORT),
    )
    seen = answered(world, conversations.add(world.home, talk, "And back?", SHORT))
    for place in (0, 1):
        said = [turn["content"] for turn in seen.messages(place, "x")]
        assert said == [
            "Be brief.", PROMPT, seen.turns[0].answers[place].text, "And back?", seen.turns[1].answers[place].text, "x",
        ]  # fmt: skip


def test_a_prompt_waits_for_the_end_of_the_one_before(world: World, address: Address) -> None:
    talk = conversations.add(world.home, conversations.begin(["base"]), PROMPT, SHORT)
    with pytest.raises(BadInput, match="still being answered"):
        conversations.add(world.home, talk, "Another", SHORT)
    answered(world, talk)


def test_a_model_that_is_not_there_fails_beside_one_that_answers(world: World, address: Address) -> None:
    seen = answered(world, conversations.add(world.home, conversations.begin(["base", "gone"]), PROMPT, SHORT))
    assert [answer.status for answer in seen.turns[0].answers] == ["done", "failed"]
    assert "gone" in (seen.turns[0].answers[1].error or "")
    assert len(seen.messages(1, "x")) == 1, "what failed is not part of what the model is told later"


def test_asking_again_is_a_branch_where_the_sides_are_the_same_and_another_conversation_where_not(
    world: World, address: Address
) -> None:
    talk = answered(world, conversations.add(world.home, conversations.begin(["base"]), PROMPT, SHORT))
    talk = answered(world, conversations.add(world.home, talk, "And back?", SHORT))
    same = conversations.again(world.home, talk, [Side("base")], Sampling(seed=4, max_tokens=6))
    other = conversations.again(world.home, talk, [Side("left")], SHORT)
    assert same.id == talk.id and [turn.prompt for turn in same.turns] == [PROMPT, "And back?"]
    assert [turn.samplings[0].seed for turn in same.beside(same.turns[1])] == [0, 4]
    assert other.id != talk.id and [turn.prompt for turn in other.turns] == ["And back?"]
    assert answered(world, same).turns[1].samplings[0].seed == 4
    answered(world, other)


def test_a_changed_prompt_is_a_branch_and_what_was_said_before_stays(world: World, address: Address) -> None:
    talk = answered(world, conversations.add(world.home, conversations.begin(["base", "left"]), PROMPT, SHORT))
    talk = answered(world, conversations.add(world.home, talk, "And back?", SHORT))
    first = talk.turns[0]
    changed = conversations.add(world.home, talk.before(first), "What is 2 plus 2?", SHORT, aside=True)
    changed = answered(world, changed)
    assert [turn.prompt for turn in changed.turns] == ["What is 2 plus 2?"]
    assert [turn.prompt for turn in changed.beside(changed.turns[0])] == [PROMPT, "What is 2 plus 2?"]
    old = conversations.read(world.home, talk.id, first.id)
    assert [turn.prompt for turn in old.turns] == [PROMPT, "And back?"], "a branch is seen to its newest end"
    assert old.turns == talk.turns
    gone_on = answered(world, conversations.add(world.home, old, "And tomorrow?", SHORT))
    assert [turn["content"] for turn in gone_on.messages(0, "x")][::2] == [PROMPT, "And back?", "And tomorrow?", "x"]


def test_sides_have_their_own_prompt_system_prompt_decoding_and_template(world: World, address: Address) -> None:
    sides = [Side("base"), Side("base", "Be brief.", temperature=0.9, seed=7), Side("base", template="plain")]
    talk = conversations.add(world.home, conversations.begin(sides), ["One?", "Two?", "Three?"], SHORT)
    turn = answered(world, talk).turns[0]
    assert not turn.shared and turn.prompts == ("One?", "Two?", "Three?")
    assert [(s.temperature, s.seed) for s in turn.samplings] == [(0.0, 0), (0.9, 7), (0.0, 0)]
    assert [answer.template for answer in turn.answers] == ["", "", "plain"]
    told, briefed, plain = (answer.prompt_tokens for answer in turn.answers)
    assert briefed > told > plain, "the system prompt is read, and the plain template adds no roles"
    with pytest.raises(BadInput, match="2 prompts were given for 3 sides"):
        conversations.add(world.home, conversations.begin(sides), ["One?", "Two?"], SHORT)


def test_one_of_two_answers_is_stopped_and_the_other_goes_on(world: World, address: Address) -> None:
    talk = conversations.add(world.home, conversations.begin(["endless", "full"]), PROMPT, Sampling(max_tokens=90_000))
    conversations.send(world.home, talk.id)
    end = time.monotonic() + 60
    while conversations.look(world.home, talk.id).turns[0].answers[0].tokens < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    conversations.stop(world.home, talk.id, talk.turns[0].id, 1)
    time.sleep(0.5)
    first, second = conversations.look(world.home, talk.id).turns[0].answers
    assert first.status == "running" and second.ended
    conversations.stop(world.home, talk.id)
    assert answered(world, talk).turns[0].answers[0].status == "stopped"


def test_a_conversation_of_an_earlier_version_is_read_as_it_was(world: World) -> None:
    sampling = {"seed": 3, "temperature": 0.0, "top_p": 1.0, "max_tokens": 6, "stop": []}
    said = dataclasses.asdict(Answer("base", status="done", text="At nine."))
    body = {
        "id": "old", "models": ["base"], "system": "Be brief.", "created_at": "2026-11-01T10:00:00.000Z", "blind": False, "order": [],
        "turns": [
            {"prompt": text, "sampling": sampling, "at": "", "answer_set": "a", "answers": [said], "problem": None, "id": name, "expected": []}
            for text, name in ((PROMPT, ""), ("And back?", "t2"))
        ],
    }  # fmt: skip
    documents.write(world.home, conversations.KIND, "old", body)
    found = conversations.read(world.home, "old")
    assert [turn["content"] for turn in found.messages(0, "x")] == ["Be brief.", PROMPT, "At nine.", "And back?", "At nine.", "x"]
    conversations._write(world.home, found)
    assert conversations.read(world.home, "old") == found
    conversations.delete(world.home, "old")


@pytest.mark.parametrize("models", [[], ["base", "base"], ["a", "b", "c", "d", "e"]])
def test_a_conversation_takes_one_to_four_different_sides(models: list[str], world: World) -> None:
    with pytest.raises(BadInput, match="1 to 4 different sides"):
        conversations.begin(models)


@pytest.mark.parametrize("name", ["../host", "..", "a/b", "", "x" * 41, "gone"])
def test_a_name_from_an_address_reaches_conversations_only(name: str, world: World) -> None:
    for verb in (conversations.read, conversations.look, conversations.stop):
        with pytest.raises(NotFound):
            verb(world.home, name)


@pytest.mark.parametrize("prompt", ["", "  \n", "x" * 100_001])
def test_a_prompt_has_a_length(prompt: str, world: World) -> None:
    with pytest.raises(BadInput, match="characters"):
        conversations.add(world.home, conversations.begin(["base"]), prompt, SHORT)


def test_an_answer_of_other_weights_than_were_asked_is_withheld(world: World, address: Address) -> None:
    model = world.adapter("swapped", 21)
    make_adapter(Path(world.model("base").path), Path(model.path), 22)  # another one takes its place on the disk
    seen = answered(world, conversations.add(world.home, conversations.begin(["base", "swapped"]), PROMPT, SHORT))
    right, wrong = seen.turns[0].answers
    assert (right.status, right.fingerprint) == ("done", world.model("base").fingerprint) and right.text
    assert (wrong.status, wrong.text) == ("failed", "") and wrong.error is not None
    assert "withheld" in wrong.error and model.fingerprint[:12] in wrong.error and wrong.fingerprint[:12] in wrong.error
    assert conversations.read(world.home, seen.id) == seen

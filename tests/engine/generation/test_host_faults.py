"""What goes wrong at the host is told to the one it concerns, and the next answer is right."""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine import registry
from engine.errors import BadInput, NotFound
from engine.generation import ask
from engine.generation.answers import Address
from engine.samples import tokenizer
from storage import db
from tests.engine.generation.asking import ENDLESS, client, complete, text_of, until, wait_for_rest
from tests.engine.generation.small_models import CONTEXT, QUESTION, SENTENCES, World, make_base


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_p": 2}, "top_p"),
        ({"seed": "x"}, "seed"),
        ({"messages": []}, "nothing to answer"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "wizard"),
        ({"messages": [{"role": "user", "content": None}]}, "no text"),
        ({"n": 2}, "n is not supported"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": 5}, "tools takes a list of functions"),
        ({"tools": [1]}, "tools takes a list of functions"),
        ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools takes a list of functions"),
        ({"stop": 5}, "stop takes up to 16 texts"),
        ({"stop": {"a": 1}}, "stop takes up to 16 texts"),
        ({"stream_options": "x"}, "stream_options takes an object"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "half of a character"),
        ({"model": "\ud800"}, "half of a character"),
        ({"model": 3}, "model"),
    ],
)
def test_a_request_that_cannot_be_done_is_told_so(address: Address, body: dict[str, Any], said: str) -> None:
    reply = complete(address, **{"model": "base", **body})
    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]


def test_a_request_that_is_not_json_is_told_so(address: Address) -> None:
    with client(address) as asking:
        for content in (b"{", b"[]", b"\xff", b"[" * 100_000):
            reply = asking.post("/v1/chat/completions", content=content)
            assert reply.status_code == 400 and "JSON" in reply.json()["error"]["message"]


def test_a_prompt_longer_than_the_context_fails_alone(world: World, address: Address) -> None:
    long = [{"role": "user", "content": "ferry " * CONTEXT}]
    reply = complete(address, "base", messages=long)
    assert reply.status_code == 400 and reply.json()["error"]["code"] == "context_length_exceeded"
    assert f"takes {CONTEXT}" in reply.json()["error"]["message"]
    assert complete(address, "base", max_tokens=10_000).json()["usage"]["total_tokens"] <= CONTEXT


def test_an_unknown_model_fails_alone(world: World, address: Address) -> None:
    assert complete(address, "nobody").status_code == 404
    answers = ask.answers(world.home, ["base", "nobody"], QUESTION, max_tokens=3)
    assert [a.status for a in answers] == ["done", "failed"]
    assert "nobody" in str(answers[1].error) and "left" in str(answers[1].error)


def test_an_adapter_that_is_gone_fails_alone_and_speaks_again_when_it_is_back(world: World, address: Address) -> None:
    model = world.adapter("moved", 21)
    before = text_of(address, "moved")
    place, away = Path(model.path), Path(model.path).with_name("away")
    place.rename(away)
    answers = ask.answers(world.home, ["moved", "left"], QUESTION, max_tokens=5)
    assert [a.status for a in answers] == ["failed", "done"]
    assert str(place) in str(answers[0].error)
    away.rename(place)
    (place / "adapter_model.safetensors").rename(place / "kept")
    assert "gone" in str(ask.answers(world.home, ["moved"], QUESTION)[0].error)
    (place / "kept").rename(place / "adapter_model.safetensors")
    assert text_of(address, "moved") == before


@pytest.mark.parametrize("dora", [False, True])
def test_an_adapter_that_was_swapped_on_the_disk_is_noticed(world: World, address: Address, dora: bool) -> None:
    name = f"swapped-{dora}"
    model, other = world.adapter(name, 31, use_dora=dora), world.adapter(f"donor-{dora}", 32, use_dora=dora)
    first = ask.answers(world.home, [name], QUESTION, max_tokens=20)[0]
    os.replace(Path(other.path) / "adapter_model.safetensors", Path(model.path) / "adapter_model.safetensors")
    second = ask.answers(world.home, [name], QUESTION, max_tokens=20)[0]
    assert first.fingerprint == model.fingerprint != second.fingerprint
    assert first.text != second.text


def test_an_adapter_of_another_base_is_refused_and_harms_no_other(world: World, address: Address) -> None:
    before = [text_of(address, name) for name in ("base", "left")]
    foreign = registry.register_folder(world.home, make_base(world.folder / "wide", hidden_size=96), "wide", "made in a test")
    misplaced = world.adapter("misplaced", 5, base="wide")
    with db.transaction(world.home) as connection:
        connection.execute("UPDATE model SET base_id = ? WHERE id = ?", (world.model("base").id, misplaced.id))
    answers = ask.answers(world.home, ["misplaced", "base", "left"], QUESTION, max_tokens=12)
    assert answers[0].status == "failed" and "cannot be put on base" in str(answers[0].error)
    assert [a.text for a in answers[1:]] == before
    assert [text_of(address, name) for name in ("base", "left")] == before
    assert foreign.kind == "model"


def test_weights_that_are_no_numbers_fail_alone(world: World, address: Address) -> None:
    from safetensors.torch import load_file, save_file

    path = Path(world.adapter("broken", 41).path) / "adapter_model.safetensors"
    save_file({name: tensor * float("nan") for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    answers = ask.answers(world.home, ["broken", "left"], QUESTION, max_tokens=12)
    assert answers[0].status == "failed" and "NaN" in str(answers[0].error)
    assert answers[1].text == text_of(address, "left")


def test_a_tokenizer_that_is_not_the_weights_own_is_refused_alone(world: World, address: Address) -> None:
    before = text_of(address, "left")
    folder = Path(world.adapter("stranger", 51).path)
    tokenizer.train(SENTENCES, folder, vocabulary=300)
    said = json.loads((folder / "tokenizer.json").read_text())
    said["model"]["vocab"] = {piece: place + (5000 if len(piece) == 1 else 0) for piece, place in said["model"]["vocab"].items()}
    said["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(said))
    answers = ask.answers(world.home, ["stranger", "left"], QUESTION, max_tokens=12)
    assert answers[0].status == "failed" and "do not belong together" in str(answers[0].error)
    assert answers[1].text == before


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_its_answer_and_harms_no_other(world: World, address: Address, stream: bool) -> None:
    before = text_of(address, "left")
    body = {"model": "endless", "messages": QUESTION, "stream": stream, **ENDLESS}
    asking = client(address)
    if stream:
        with asking.stream("POST", "/v1/chat/completions", json=body) as reply:
            next(reply.iter_lines())
    else:
        with pytest.raises(httpx.ReadTimeout):
            asking.post("/v1/chat/completions", json=body, timeout=httpx.Timeout(10, read=0.5))
    asking.close()
    wait_for_rest(world)
    assert text_of(address, "left") == before


def test_answers_of_an_unknown_set_are_told_to_be_gone(world: World, address: Address) -> None:
    with pytest.raises(NotFound, match="Ask again"):
        ask.look(world.home, "nothing")


def test_wrong_sampling_is_refused_before_anything_is_asked(world: World, address: Address) -> None:
    with pytest.raises(BadInput, match="temperature takes a number from 0 to 10, not -1"):
        ask.start(world.home, ["base"], QUESTION, temperature=-1)


def test_two_hundred_stops_at_any_moment_leave_the_next_answer_right(world: World, address: Address) -> None:
    before = [text_of(address, name) for name in ("base", "left", "right", "full")]
    drawn = random.Random(7)
    for _ in range(200):
        names = drawn.sample(["base", "left", "right", "dora", "full", "endless"], drawn.randint(1, 4))
        name = ask.start(
            world.home, names, QUESTION, max_tokens=200, temperature=drawn.choice([0.0, 1.0]), seed=drawn.randrange(99)
        )
        time.sleep(drawn.random() ** 3 * 0.15)
        ask.stop(world.home, name, drawn.choice([None, *range(len(names))]))
        ask.stop(world.home, name)
        if drawn.random() < 0.1:
            assert all(answer.status in ("done", "stopped") for answer in ask.wait_for(world.home, name))
    wait_for_rest(world)
    assert [text_of(address, name) for name in ("base", "left", "right", "full")] == before


def test_an_adapter_that_is_swapped_while_it_speaks_ends_as_it_began_and_is_noticed_after(world: World, address: Address) -> None:
    model, other = world.adapter("midway", 81, base="endless"), world.adapter("midway-donor", 82, base="endless")
    name = ask.start(world.home, ["midway"], QUESTION, max_tokens=400)
    first = until(world, name, lambda found: found[0].tokens > 5 or found[0].ended)[0]
    os.replace(Path(other.path) / "adapter_model.safetensors", Path(model.path) / "adapter_model.safetensors")
    ended = ask.wait_for(world.home, name)[0]
    assert ended.fingerprint == first.fingerprint == model.fingerprint and ended.text.startswith(first.text)
    assert ask.answers(world.home, ["midway"], QUESTION, max_tokens=5)[0].fingerprint != model.fingerprint

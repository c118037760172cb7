"""The host as a process: who may ask and what it answers."""

import json
import stat
import threading
import time

import httpx
import pytest

from engine.errors import BadInput
from engine.generation import ask
from engine.generation.answers import Address, Asked, Sampling
from tests.engine.generation.asking import ENDLESS, client, complete, text_of, until, wait_for_rest
from tests.engine.generation.small_models import QUESTION, World


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_nobody_is_answered_without_the_token(address: Address, header: dict[str, str]) -> None:
    for path in ("/health", "/v1/models", "/answers/x"):
        assert httpx.get(address.url + path, headers=header, trust_env=False).status_code == 401


def test_nobody_is_answered_under_another_name(address: Address) -> None:
    with client(address) as asking:
        for name in ("evil.example", "127.0.0.1", "localhost:1", ""):
            assert asking.get("/health", headers={"Host": name}).status_code == 400
        assert asking.get("/health", headers={"Host": f"localhost:{address.url.rsplit(':')[-1]}"}).status_code == 200


def test_its_address_is_written_for_its_owner_alone(world: World, address: Address) -> None:
    place = world.home.root / "host.json"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert json.loads(place.read_text())["url"] == address.url
    assert address.token not in repr(address)


def test_models_that_share_a_base_load_it_once_and_each_answer_names_its_weights(world: World, address: Address) -> None:
    wait_for_rest(world)
    ask.release(world.home)
    before = (ask.health(world.home) or {})["loads"].get("base", 0)
    answers = ask.answers(world.home, ["base", "left", "right"], QUESTION, max_tokens=20)
    assert [(a.model, a.base, a.adapter) for a in answers] == [
        ("base", "base", None),
        ("left", "base", "left"),
        ("right", "base", "right"),
    ]
    assert [a.fingerprint for a in answers] == [world.model(a.model).fingerprint for a in answers]
    assert all(a.status == "done" and a.tokens and a.seconds > 0 and a.first_token_seconds for a in answers)
    assert len({a.text for a in answers}) == 3
    seen = ask.health(world.home)
    assert seen is not None and seen["loads"]["base"] == before + 1
    assert [(held["name"], len(held["adapters"])) for held in seen["memory"]] == [("base", 2)]


def test_answers_side_by_side_are_those_of_each_model_by_itself(world: World, address: Address) -> None:
    names = ["base", "left", "right", "dora", "full"]
    together = ask.answers(world.home, names, QUESTION, max_tokens=30)
    assert [a.text for a in together] == [ask.answers(world.home, [name], QUESTION, max_tokens=30)[0].text for name in names]


def test_each_model_can_be_told_its_own_conversation(world: World, address: Address) -> None:
    other = [{"role": "user", "content": "What is 12 plus 30?"}]
    apart = [ask.answers(world.home, ["left"], said, max_tokens=10)[0].text for said in (QUESTION, other)]
    asked = [Asked("left", said, Sampling(max_tokens=10)) for said in (QUESTION, other)]
    assert [a.text for a in ask.wait_for(world.home, ask.start_each(world.home, asked))] == apart
    with pytest.raises(BadInput, match="1 to 2,000"):
        ask.start_each(world.home, [])


def test_a_long_answer_holds_up_no_other(world: World, address: Address) -> None:
    name = ask.start(world.home, ["endless", "full"], QUESTION, **ENDLESS)
    until(world, name, lambda answers: answers[0].tokens > 3)
    other = ask.start(world.home, ["endless"], QUESTION, **ENDLESS)
    until(world, other, lambda answers: answers[0].tokens > 3)
    assert text_of(address, "left")
    assert ask.look(world.home, name)[0].status == ask.look(world.home, other)[0].status == "running"
    for started in (name, other):
        ask.stop(world.home, started)
        until(world, started, lambda answers: all(a.ended for a in answers))


def test_a_seed_gives_the_same_answer_again_and_another_seed_another(world: World, address: Address) -> None:
    warm = {"temperature": 1.0, "max_tokens": 40}
    first, again, other = (ask.answers(world.home, ["left"], QUESTION, seed=seed, **warm)[0].text for seed in (5, 5, 6))
    beside = ask.answers(world.home, ["base", "left", "right"], QUESTION, seed=5, **warm)[1].text
    assert first == again == beside != other


def test_a_stop_keeps_what_was_said_and_leaves_the_next_answer_unharmed(world: World, address: Address) -> None:
    before = text_of(address, "left")
    for _ in range(3):
        name = ask.start(world.home, ["endless", "left"], QUESTION, **ENDLESS)
        said = until(world, name, lambda answers: answers[0].tokens > 1)[0].text
        ask.stop(world.home, name)
        ended = until(world, name, lambda answers: all(a.ended for a in answers))
        assert ended[0].status == "stopped" and ended[0].text.startswith(said) and ended[0].error is None
        assert text_of(address, "left") == before


def test_the_text_of_an_answer_only_grows_and_is_found_again(world: World, address: Address) -> None:
    name = ask.start(world.home, ["left"], QUESTION, seed=1, max_tokens=60, temperature=1.0)
    seen = [""]
    while not (answer := ask.look(world.home, name)[0]).ended:
        assert answer.text.startswith(seen[-1])
        seen.append(answer.text)
    assert answer.text.startswith(seen[-1])
    assert ask.look(world.home, name) == ask.look(world.home, name)


def test_the_same_token_asks_once(world: World, address: Address) -> None:
    first = ask.start(world.home, ["base"], QUESTION, max_tokens=2, token="one")
    assert ask.start(world.home, ["base"], QUESTION, max_tokens=2, token="one") == first
    assert ask.start(world.home, ["base"], QUESTION, max_tokens=2, token="two") != first


def test_a_stream_says_what_a_whole_completion_says(address: Address) -> None:
    asked = {"temperature": 0.8, "seed": 11, "max_tokens": 30}
    whole = complete(address, "left", **asked).json()
    body = {"model": "left", "messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}, **asked}
    with client(address) as asking, asking.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    pieces = [json.loads(line) for line in lines[:-1]]
    said = "".join(p["choices"][0]["delta"].get("content", "") for p in pieces if p["choices"])
    assert said == whole["choices"][0]["message"]["content"]
    assert pieces[-1]["usage"] == whole["usage"] and whole["usage"]["completion_tokens"] > 0
    assert pieces[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert {p["system_fingerprint"] for p in pieces} == {whole["system_fingerprint"]}
    assert whole["temper"]["adapter"] == "left" and whole["temper"]["base"] == "base"


def test_an_answer_ends_before_its_stop_string_and_at_its_length(address: Address) -> None:
    whole = text_of(address, "left", max_tokens=40)
    stop = whole[8:11]
    reply = complete(address, "left", max_tokens=40, stop=[stop, "never said"]).json()["choices"][0]
    assert reply["message"]["content"] == whole[: whole.index(stop)]
    assert reply["finish_reason"] == "stop"
    short = complete(address, "left", max_tokens=3).json()
    assert short["usage"]["completion_tokens"] == 3 and short["choices"][0]["finish_reason"] == "length"


def test_the_list_of_models_names_their_fingerprints(world: World, address: Address) -> None:
    with client(address) as asking:
        models = asking.get("/v1/models").json()["data"]
        one, none = asking.get("/v1/models/left"), asking.get("/v1/models/who/else")
    listed = {m["id"]: m["fingerprint"] for m in models}
    assert listed["left"] == world.model("left").fingerprint
    assert one.json() in models and one.json()["id"] == "left"
    assert none.status_code == 404 and "'who/else'" in none.json()["error"]["message"]
    assert {"base", "left", "right", "full"} <= set(listed)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)])
def test_a_path_that_is_none_is_told_with_those_that_are(address: Address, method: str, path: str, status: int) -> None:
    with client(address) as asking:
        said = asking.request(method, path)
    assert said.status_code == status
    assert f"{method} {path}" in said.json()["error"]["message"] and "/v1/completions" in said.json()["error"]["message"]


def test_many_clients_at_once_are_each_answered_right(world: World, address: Address) -> None:
    names = ["base", "left", "right", "full"] * 3
    alone = {name: text_of(address, name, max_tokens=20) for name in set(names)}
    said: dict[int, str] = {}

    def one(place: int) -> None:
        said[place] = text_of(address, names[place], max_tokens=20)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said[i] for i in range(len(names))] == [alone[name] for name in names]


def test_released_memory_comes_back_by_itself(world: World, address: Address) -> None:
    before = text_of(address, "left")
    wait_for_rest(world)
    released = ask.release(world.home)
    assert released.freed > 0 and released.later == ()
    seen = ask.health(world.home)
    assert seen is not None and seen["memory"] == []
    assert text_of(address, "left") == before


def test_memory_asked_for_in_mid_answer_follows_when_the_answer_ends(world: World, address: Address) -> None:
    name = ask.start(world.home, ["endless"], QUESTION, **ENDLESS)
    before = until(world, name, lambda answers: answers[0].tokens > 0)[0]
    assert ask.release(world.home).later == ("endless",)
    until(world, name, lambda answers: answers[0].tokens > before.tokens)
    ask.stop(world.home, name)
    answer = until(world, name, lambda answers: answers[0].ended)[0]
    assert answer.status == "stopped" and answer.error is None
    wait_for_rest(world)
    end = time.monotonic() + 30
    while (ask.health(world.home) or {})["memory"]:
        assert time.monotonic() < end
        time.sleep(0.02)

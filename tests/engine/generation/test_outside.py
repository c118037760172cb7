"""Models behind other addresses: asked only where a person has allowed it, and what they do wrong is told in words."""

import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.errors import BadInput, NotFound, Unreachable
from engine.generation import ask, outside
from engine.generation.answers import Address, Answer, Asked, Sampling
from storage import db
from storage.home import Home
from tests.engine.generation.asking import until
from tests.engine.generation.small_models import QUESTION, World

KEY = "sk-very-secret-42"


class Service(BaseHTTPRequestHandler):
    """A server of somebody else, which does what its class says."""

    way = "stream"
    bodies: ClassVar[list[dict[str, Any]]] = []
    gone = threading.Event()

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self.reply(200, {"data": [{"id": "big"}, {"id": "maker/small"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Service.bodies.append({**body, "path": self.path, "authorization": self.headers.get("Authorization")})
        getattr(self, f"do_{Service.way}")(body)

    def reply(self, status: int, body: Any, **headers: str) -> None:
        told = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(told)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(told)

    def events(self, *events: Any) -> None:
        self.send_response(200)
        self.end_headers()
        for event in events:
            self.wfile.write(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode())
            self.wfile.flush()

    def piece(self, text: str, **more: Any) -> dict[str, Any]:
        return {"model": "big-2026", "choices": [{"delta": {"content": text}, **more}]}

    def do_stream(self, body: Any) -> None:
        usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}
        self.events(self.piece("At "), self.piece("nine."), self.piece("", finish_reason="stop"), usage, "[DONE]")

    def do_picky(self, body: Any) -> None:
        for name in ("seed", "max_tokens", "stream_options"):
            if name in body:
                return self.reply(400, {"error": {"message": f"Unsupported parameter: '{name}'."}})
        return self.do_stream(body)

    def do_whole(self, body: Any) -> None:
        self.reply(200, {"model": "big-2026", "choices": [{"message": {"content": "At nine."}, "finish_reason": "length"}]})

    def do_refuse(self, body: Any) -> None:
        self.reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}."}})

    def do_ill(self, body: Any) -> None:
        self.reply(500, {"error": {"message": f"broken, {KEY}"}})

    def do_elsewhere(self, body: Any) -> None:
        self.reply(307, {}, Location="http://127.0.0.1:9/stolen")

    def do_halfway(self, body: Any) -> None:
        self.events(self.piece("At "), {"error": {"message": "out of cards"}})

    def do_page(self, body: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def do_endless(self, body: Any) -> None:
        try:
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(f"data: {json.dumps(self.piece('on and on '))}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.01)
        except OSError:
            Service.gone.set()


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Service.way, Service.bodies = "stream", []
    Service.gone.clear()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def away(world: World, address: Address, service: str) -> Iterator[outside.Place]:
    yield outside.allow(world.home, "away", service, KEY, ["big"])
    outside.forget(world.home, "away")


def asked(world: World, **sampling: Any) -> Answer:
    name = ask.start_each(world.home, [Asked("big@away", QUESTION, Sampling(**sampling))])
    return ask.wait_for(world.home, name)[0]


def test_a_model_outside_answers_beside_ours_and_says_that_nothing_proves_it(world: World, away: outside.Place) -> None:
    name = ask.start(world.home, ["left", "big@away"], QUESTION, max_tokens=8, seed=3)
    ours, theirs = ask.wait_for(world.home, name)
    assert (theirs.status, theirs.text, theirs.finish) == ("done", "At nine.", "stop")
    assert (theirs.outside, theirs.base, theirs.fingerprint) == (away.address, "big-2026", "")
    assert (theirs.tokens, theirs.prompt_tokens) == (5, 9) and theirs.first_token_seconds is not None
    assert ours.status == "done" and ours.fingerprint
    sent = Service.bodies[0]
    assert sent["path"] == "/v1/chat/completions" and sent["authorization"] == f"Bearer {KEY}"
    assert (sent["model"], sent["seed"], sent["max_tokens"], sent["messages"]) == ("big", 3, 8, QUESTION)


def test_what_a_server_does_not_take_is_left_out_and_said(world: World, away: outside.Place) -> None:
    Service.way = "picky"
    answer = asked(world, seed=3)
    assert (answer.text, answer.unheeded) == ("At nine.", ("seed",))
    assert Service.bodies[-1]["max_completion_tokens"] == 256 and "max_tokens" not in Service.bodies[-1]


def test_a_server_that_does_not_stream_answers_too(world: World, away: outside.Place) -> None:
    Service.way = "whole"
    answer = asked(world)
    assert (answer.status, answer.text, answer.finish) == ("done", "At nine.", "length")


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("refuse", "refuses the key"),
        ("ill", "busy or ill (HTTP 500)"),
        ("elsewhere", "HTTP 307"),
        ("halfway", "out of cards"),
        ("page", "does not speak OpenAI's chat completions"),
    ],
)
def test_what_goes_wrong_there_is_told_without_the_key(world: World, away: outside.Place, way: str, said: str) -> None:
    Service.way = way
    answer = asked(world)
    assert answer.status == "failed" and said in (answer.error or "")
    assert KEY not in str(answer)
    assert answer.text == ("At " if way == "halfway" else "")
    Service.way = "stream"
    assert asked(world).text == "At nine.", "the next one is right"


def test_a_stop_closes_the_connection(world: World, away: outside.Place) -> None:
    Service.way = "endless"
    name = ask.start(world.home, ["big@away"], QUESTION)
    until(world, name, lambda found: len(found[0].text) > 20)
    ask.stop(world.home, name)
    answer = ask.wait_for(world.home, name)[0]
    assert answer.status == "stopped" and answer.text.startswith("on and on")
    assert Service.gone.wait(10)


def test_nothing_is_sent_to_an_address_that_is_not_on_the_list(world: World, address: Address, service: str) -> None:
    answer = ask.answers(world.home, ["big@away"], QUESTION)[0]
    assert answer.status == "failed" and "not on the list" in (answer.error or "")
    assert not Service.bodies


def test_an_address_that_does_not_answer_is_told(world: World, address: Address) -> None:
    outside.allow(world.home, "nobody", "http://127.0.0.1:9/v1", models=["x"])
    assert "does not answer" in (ask.answers(world.home, ["x@nobody"], QUESTION)[0].error or "")
    with pytest.raises(Unreachable, match="does not answer"):
        outside.listed(world.home, outside.place(world.home, "nobody"))
    outside.forget(world.home, "nobody")
    with pytest.raises(NotFound, match="'nobody' is not on the list"):
        outside.find(world.home, "x@nobody")


def test_a_key_lies_in_a_file_of_its_own_that_only_its_owner_reads(tmp_path: Path, service: str) -> None:
    home = Home.resolve(tmp_path)
    db.migrate(home)
    outside.allow(home, "away", service, KEY, ["big"])
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert [path.name for path in holding] == ["address-key-away"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    assert KEY not in repr(outside.places(home))
    outside.forget(home, "away")
    assert not holding[0].exists()


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("a b", "http://localhost/v1", "cannot name an address"),
        ("42", "http://localhost/v1", "cannot name an address"),
        ("x", "localhost:11434", "is no address"),
        ("x", "file:///etc/passwd", "is no address"),
        ("x", "http://user:pw@localhost/v1", "is no address"),
        ("x", "http://localhost:port/v1", "is no address"),
        ("x", "http://api.example.com/v1", "not encrypted"),
    ],
)
def test_an_address_that_cannot_be_is_refused(tmp_path: Path, name: str, address: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        outside.allow(Home.resolve(tmp_path), name, address)


def test_addresses_in_the_own_network_may_be_plain_and_what_they_have_is_listed(tmp_path: Path, service: str) -> None:
    home = Home.resolve(tmp_path)
    for there in ("http://192.168.1.7:8000/v1/", "http://box.local/v1", "http://[::1]:8000/v1", "https://api.example.com/v1"):
        assert outside.allow(home, "one", there).address == there.rstrip("/")
    found = outside.allow(home, "away", service)
    assert outside.listed(home, found) == ["big", "maker/small"]
    assert outside.offer(home, found, ["maker/small"]).references == ["maker/small@away"]
    assert outside.find(home, "maker/small@away") == (outside.place(home, "away"), "maker/small")
    assert outside.find(home, "sft@40") is None and outside.find(home, "plain") is None


def test_a_host_of_another_home_is_a_model_outside_like_any_other(world: World, address: Address, tmp_path: Path) -> None:
    other = Home.resolve(tmp_path)
    db.migrate(other)
    outside.allow(other, "lab", f"{address.url}/v1", address.token, ["left"])
    try:
        there = ask.answers(other, ["left@lab"], QUESTION, max_tokens=12)[0]
        here = ask.answers(world.home, ["left"], QUESTION, max_tokens=12)[0]
        assert there.status == "done" and (there.text, there.tokens) == (here.text, here.tokens)
    finally:
        ask.shutdown(other)

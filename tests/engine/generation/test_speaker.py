"""The generating thread: faults in the middle of a batch, memory that is too small, models that give way to others."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import httpx
import pytest
from starlette.requests import ClientDisconnect

from engine.generation import completions
from engine.generation import speaker as speaking
from engine.generation.answers import Answer, Prompt, Sampling
from engine.generation.decoding import Batch
from engine.generation.replies import Streamed
from engine.generation.server import application
from engine.generation.speaker import Speaker
from engine.generation.tickets import Ticket, changes
from engine.generation.weights import Voice
from storage import models
from tests.engine.generation.small_models import QUESTION, World


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    made = Speaker()
    yield made
    made.close()


def ticket(world: World, name: str, tokens: int = 25, **sampling: Any) -> Ticket:
    return Ticket(Voice.find(world.home, name), Prompt(QUESTION), Sampling(max_tokens=tokens, **sampling))


def wait(tickets: list[Ticket], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not all(t.answer.ended for t in tickets):
        assert time.monotonic() < end, [t.answer for t in tickets]
        time.sleep(0.01)


def ask(speaker: Speaker, world: World, *names: str, **more: Any) -> list[Ticket]:
    """These, asked together, ended."""
    tickets = [ticket(world, name, **more) for name in names]
    speaker.submit(tickets)
    wait(tickets)
    return tickets


def texts(tickets: list[Ticket]) -> list[str]:
    return [t.answer.text for t in tickets]


class Fault:
    """Makes the model's forward pass fail from the n-th one on, whenever a row of that adapter is in it."""

    def __init__(self, speaker: Speaker, adapter: str, nth: int, problem: Exception) -> None:
        self.weights = next(w for w in speaker.shelf.held() if w.name == "base")
        self.row, self.nth, self.problem, self.calls = self.name_of(adapter), nth, problem, 0
        self.handle = self.weights.model.register_forward_pre_hook(self.strike)

    def name_of(self, adapter: str) -> str:
        return next(a.name for place, a in self.weights._attached.items() if place.endswith(f"/{adapter}"))

    def strike(self, module: Any, inputs: Any) -> None:
        self.calls += 1
        if self.calls >= self.nth and self.row in self.weights._speaking:
            raise self.problem


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (RuntimeError("a kernel failed"), "a kernel failed"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
    ],
)
def test_a_batch_that_fails_in_the_middle_ends_only_the_answer_to_blame(
    speaker: Speaker, world: World, problem: Exception, said: str
) -> None:
    warm = {"temperature": 1.0, "seed": 4}
    right = texts(ask(speaker, world, "base", "left", "right", **warm))
    fault = Fault(speaker, "left", 8, problem)
    struck = ask(speaker, world, "base", "left", "right", **warm)
    assert [t.answer.status for t in struck] == ["done", "failed", "done"]
    assert said in str(struck[1].answer.error)
    assert struck[1].answer.text and right[1].startswith(struck[1].answer.text)
    assert [struck[0].answer.text, struck[2].answer.text] == [right[0], right[2]]
    fault.handle.remove()
    assert texts(ask(speaker, world, "base", "left", "right", **warm)) == right


def test_a_failure_that_passes_ends_no_answer(speaker: Speaker, world: World) -> None:
    right = texts(ask(speaker, world, "base", "left"))
    fault = Fault(speaker, "left", 5, RuntimeError("once"))
    tickets = [ticket(world, name) for name in ("base", "left")]
    speaker.submit(tickets)
    while fault.calls < 5:
        time.sleep(0.001)
    fault.handle.remove()
    wait(tickets)
    assert texts(tickets) == right


def test_no_hook_is_left_by_answers_that_were_cancelled_or_failed(speaker: Speaker, world: World) -> None:
    ask(speaker, world, "base", "left")
    weights = speaker.shelf.held()[0]

    def hooks() -> int:
        return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in weights.model.modules())

    before = hooks()
    for _ in range(3):
        tickets = [ticket(world, name, 200) for name in ("base", "left")]
        speaker.submit(tickets)
        while not tickets[1].answer.tokens:
            time.sleep(0.001)
        tickets[1].cancel()
        tickets[0].cancel()
        wait(tickets)
    Fault(speaker, "left", 1, RuntimeError("x")).handle.remove()
    assert hooks() == before


def test_what_waits_can_be_stopped(speaker: Speaker, world: World) -> None:
    asked = ticket(world, "base")
    asked.cancel()
    speaker.submit([asked])
    wait([asked])
    assert asked.answer.status == "stopped" and asked.answer.tokens == 0


def test_a_stop_that_comes_while_the_others_are_looked_at_is_not_lost(speaker: Speaker, world: World) -> None:
    class Late(Ticket):
        """Is stopped right after a look at it while it speaks."""

        @property
        def cancelled(self) -> bool:
            stopped, self.stop = self.stop, self.stop or self.answer.tokens > 2
            return stopped

        @cancelled.setter
        def cancelled(self, value: bool) -> None:
            self.stop = value

    asked = Late(Voice.find(world.home, "endless"), Prompt(QUESTION), Sampling(max_tokens=90_000))
    speaker.submit([asked])
    wait([asked], 30)
    assert asked.answer.status == "stopped"


def test_a_fault_while_answers_are_admitted_is_told_to_each(
    speaker: Speaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(speaker, world, "base", tokens=2)

    def broken() -> int:
        raise RuntimeError("no figures")

    with monkeypatch.context() as patched:
        patched.setattr(speaking, "free_memory", broken)
        answers = [t.answer for t in ask(speaker, world, "base", "left")]
    assert [a.status for a in answers] == ["failed"] * 2 and "no figures" in str(answers[0].error)
    assert ask(speaker, world, "base", tokens=2)[0].answer.status == "done"


def test_a_client_gone_before_the_first_event_ends_its_answer(world: World) -> None:
    asked = ticket(world, "endless", 90_000)
    request = completions.Request.checked({"model": "endless", "messages": QUESTION, "stream": True})
    completion = completions.Completion(request, asked)

    async def leave() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise OSError("gone")

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        with contextlib.suppress(OSError, ClientDisconnect):
            await Streamed(asked, changes(asked), completion)(scope, receive, send)

    # in a thread of its own: a browser of other tests keeps a loop in this one
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, leave()).result()
    assert asked.cancelled


def test_a_client_that_leaves_many_texts_ends_them_without_a_fault(speaker: Speaker, world: World) -> None:
    app = application(world.home, speaker, "token", 80, lambda: None)
    body = json.dumps({"model": "endless", "prompt": ["Who keeps the bakery?"] * 100, "max_tokens": 90_000}).encode()
    heard = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def leave() -> None:
        async def receive() -> Any:
            await asyncio.sleep(0.1)  # some of them have begun by then, and some wait
            return next(heard)

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", b"Bearer token"), (b"host", b"127.0.0.1:80")]
        await app(
            {"type": "http", "method": "POST", "path": "/v1/completions", "query_string": b"", "headers": headers}, receive, send
        )

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, leave()).result()
    assert [message["status"] for message in sent if "status" in message] == [400]
    assert ask(speaker, world, "base", tokens=2)[0].answer.status == "done"


async def post(app: Any, path: str, body: Any) -> httpx.Response:
    through = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=through, base_url="http://127.0.0.1:80", timeout=60) as client:
        return await client.post(path, json=body, headers={"Authorization": "Bearer token", "Host": "127.0.0.1:80"})


def test_a_host_that_ends_tells_all_at_once_however_long_a_step_takes(
    speaker: Speaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, step, go = application(world.home, speaker, "token", 80, lambda: None), Batch.step, threading.Event()
    body = {"model": "endless", "messages": QUESTION, "max_tokens": 90_000}

    def held(batch: Batch) -> Any:
        assert go.wait(60)
        return step(batch)

    async def ended() -> tuple[list[httpx.Response], httpx.Response]:
        monkeypatch.setattr(Batch, "step", held)
        asked = [asyncio.create_task(post(app, "/v1/chat/completions", {**body, "stream": stream})) for stream in (False, True)]
        while speaker.count()["live"] < 2:
            await asyncio.sleep(0.02)
        app.state.close()
        replies = await asyncio.wait_for(asyncio.gather(*asked), 10)
        return replies, await post(app, "/release", {})

    try:
        with ThreadPoolExecutor(1) as thread:
            replies, release = thread.submit(asyncio.run, ended()).result()
    finally:
        go.set()
    assert [reply.status_code for reply in replies] == [503, 200] and "is ending" in replies[0].json()["error"]["message"]
    assert "is ending" in replies[1].text and replies[1].text.rstrip().endswith("data: [DONE]")
    assert release.status_code == 503


def test_the_first_of_many_texts_that_fails_ends_the_others(speaker: Speaker, world: World) -> None:
    app = application(world.home, speaker, "token", 80, lambda: None)
    body = {"model": "endless", "prompt": ["Who keeps the bakery?", [5] * 100_000], "max_tokens": 90_000}
    with ThreadPoolExecutor(1) as thread:
        reply = thread.submit(asyncio.run, asyncio.wait_for(post(app, "/v1/completions", body), 60)).result()
    assert reply.status_code == 400 and reply.json()["error"]["code"] == "context_length_exceeded"
    end = time.monotonic() + 30
    while speaker.count() != {"live": 0, "waiting": 0}:
        assert time.monotonic() < end, speaker.count()
        time.sleep(0.02)


def test_who_wants_a_whole_answer_is_not_woken_for_every_token(speaker: Speaker, world: World) -> None:
    asked = ticket(world, "endless", 40)

    async def listen() -> tuple[list[Answer], int]:
        loop = asyncio.get_running_loop()
        with mock.patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as woken:
            speaker.submit([asked])
            told = [answer async for answer in changes(asked, last=True)]
        return told, woken.call_count

    with ThreadPoolExecutor(1) as thread:
        told, woken = thread.submit(asyncio.run, listen()).result()
    assert [(answer.status, answer.tokens) for answer in told] == [("done", 40)] and woken == 1


def test_what_nobody_foresaw_is_told_in_words_and_its_connection_is_not_used_again(
    speaker: Speaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("an odd thing")

    monkeypatch.setattr(models, "all", broken)
    app = application(world.home, speaker, "token", 80, lambda: None)

    async def asked() -> httpx.Response:
        through = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=through, base_url="http://127.0.0.1:80") as client:
            return await client.get("/v1/models", headers={"Authorization": "Bearer token", "Host": "127.0.0.1:80"})

    with ThreadPoolExecutor(1) as thread:
        reply = thread.submit(asyncio.run, asked()).result()
    assert reply.status_code == 500 and reply.headers["connection"] == "close"
    assert "RuntimeError: an odd thing" in reply.json()["error"]["message"]


def test_the_model_that_rested_longest_gives_way_to_another(world: World) -> None:
    speaker = Speaker(budget=int(bytes_of(world, "base") * 2.2))
    try:
        for name in ("base", "full", "base", "endless"):
            assert ask(speaker, world, name, tokens=2)[0].answer.status == "done"
        assert {w.name for w in speaker.shelf.held()} == {"base", "endless"}
        assert speaker.shelf.loads == {"base": 1, "full": 1, "endless": 1}
        assert ask(speaker, world, "full", tokens=2)[0].answer.status == "done"
        assert {w.name for w in speaker.shelf.held()} == {"endless", "full"}
    finally:
        speaker.close()


def test_a_model_that_speaks_is_not_taken_away_and_the_other_waits(world: World) -> None:
    speaker = Speaker(budget=int(bytes_of(world, "endless") * 1.2))
    try:
        long, other = ticket(world, "endless", 90_000), ticket(world, "full", 3)
        speaker.submit([long])
        while not long.answer.tokens:
            time.sleep(0.01)
        speaker.submit([other])
        while not other.answer.waiting_for.startswith("memory"):
            time.sleep(0.01)
        assert long.answer.status == "running"
        long.cancel()
        wait([long, other])
        assert other.answer.status == "done" and long.answer.error is None
    finally:
        speaker.close()


def test_a_model_that_does_not_fit_is_told_with_its_size_and_harms_no_other(world: World) -> None:
    speaker = Speaker(budget=bytes_of(world, "full") - 1)
    try:
        answer = ask(speaker, world, "full")[0].answer
        assert answer.status == "failed" and "GB as float32" in str(answer.error) and "smaller model" in str(answer.error)
    finally:
        speaker.close()


def test_more_answers_than_speak_at_once_wait_for_their_turn(speaker: Speaker, world: World) -> None:
    one = ask(speaker, world, "left", tokens=5)[0].answer.text
    assert texts(ask(speaker, world, *["left"] * 40, tokens=5)) == [one] * 40


def test_who_waits_for_memory_is_not_passed_by_others_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "PATIENCE", 0.5)
    speaker = Speaker(budget=int(bytes_of(world, "endless") * 1.2))
    asked = [ticket(world, "endless", 200)]
    try:
        speaker.submit(asked)
        while not asked[0].answer.tokens:
            time.sleep(0.01)
        other = ticket(world, "full", 3)
        speaker.submit([other])
        end = time.monotonic() + 60
        while not other.answer.ended:  # there is always one that began before the last one ended
            assert time.monotonic() < end, other.answer
            if asked[-1].answer.tokens > 100:
                asked.append(ticket(world, "endless", 200))
                speaker.submit([asked[-1]])
            time.sleep(0.01)
        assert other.answer.status == "done" and len(asked) > 1
        wait(asked)
        assert {each.answer.status for each in asked} == {"done"}
    finally:
        speaker.close()


def test_closing_ends_what_speaks(world: World) -> None:
    speaker = Speaker()
    asked = ticket(world, "endless", 90_000)
    heard = threading.Event()
    asked.listen(lambda: heard.set() if asked.answer.tokens else None)
    speaker.submit([asked])
    assert heard.wait(60)
    speaker.close()
    assert asked.answer.status == "failed" and asked.answer.text and "is ending" in (asked.answer.error or "")


def bytes_of(world: World, name: str) -> int:
    return 4 * world.model(name).parameters

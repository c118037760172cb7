"""How answers go out: whole, as server-sent events, or as another server sends them. A client that leaves ends what it asked for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from engine.generation import completions, texts
from engine.generation.answers import Answer
from engine.generation.problems import Problem, worded
from engine.generation.tickets import Growing, changes


async def streamed(request: Request, ticket: Growing, completion: completions.Completion | texts.Completion) -> Response:
    """A stream, opened once the model speaks: until then an error can still have a status of its own."""
    answers = changes(ticket)
    async with _watched(request, ticket):
        async for answer in answers:
            if answer.status == "running":
                return Streamed(ticket, answers, completion)
    if ticket.problem is not None:
        return JSONResponse(completions.error(ticket.problem), ticket.problem.status)
    return Streamed(ticket, changes(ticket), completion)


async def ended(request: Request, tickets: Sequence[Growing]) -> Problem | None:
    """Wait until all of these have ended. The first that fails ends the others and says why; ClientDisconnect when nobody waits
    any more."""

    async def over(ticket: Growing) -> None:
        async for _ in changes(ticket, last=True):
            continue

    async with _watched(request, *tickets):
        waiting = {asyncio.create_task(over(ticket)) for ticket in tickets}
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if (failed := next((t.problem for t in tickets if t.problem is not None), None)) is not None:
                for ticket in tickets:
                    ticket.cancel()
                return failed
    if any(ticket.cancelled for ticket in tickets):
        raise ClientDisconnect
    return None


@asynccontextmanager
async def _watched(request: Request, *tickets: Growing) -> AsyncIterator[None]:
    """Ends the answers when the client leaves meanwhile."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue
        for ticket in tickets:
            ticket.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


class Streamed(StreamingResponse):
    """The answer as server-sent events. Left by a client that is gone, even before the first, it ends the answer."""

    def __init__(
        self, ticket: Growing, answers: AsyncIterator[Answer], completion: completions.Completion | texts.Completion
    ) -> None:
        pieces = _stream(ticket, answers, completion)
        super().__init__(pieces, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._ticket = ticket

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ticket.cancel()


class Passed(StreamingResponse):
    """Another server's events as they come; ``ends`` closes what they come through, also where the client has left."""

    def __init__(self, pieces: AsyncIterator[bytes], ends: AsyncExitStack) -> None:
        super().__init__(pieces, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._ends = ends

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._ends.aclose()


async def _stream(
    ticket: Growing, answers: AsyncIterator[Answer], completion: completions.Completion | texts.Completion
) -> AsyncIterator[str]:
    sent, answer = 0, ticket.answer
    yield completion.piece(answer, "", first=True)
    while True:
        if len(answer.text) > sent:
            yield completion.piece(answer, answer.text[sent:])
            sent = len(answer.text)
        if answer.ended:
            break
        answer = await anext(answers)
    failed, last = ticket.problem, ""
    if failed is None:
        try:
            last = await run_in_threadpool(completion.piece, answer, None)
        except Exception as problem:  # with a stream that has begun there is no other status any more
            failed = worded(problem)
    yield last if failed is None else completions.event(completions.error(failed))
    yield completion.ending(answer)

"""What the host answers over HTTP: OpenAI's chat completions, and the answer sets, previews and orders of our own pages."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.deployments import freeze
from engine.deployments import setup as setups
from engine.errors import BadInput, NotFound, TemperError, TryLater, Unreachable
from engine.generation import completions, heat, outside, replies, texts
from engine.generation.answer_sets import AnswerSets
from engine.generation.answers import Answer, Asked, Prompt
from engine.generation.deployed import Deployed
from engine.generation.guard import LARGEST_BODY, Guard, refusal
from engine.generation.letters import FromOutside, FromVllm, Letter
from engine.generation.preview import Previews
from engine.generation.problems import worded
from engine.generation.speaker import ENDING, Speaker
from engine.generation.tickets import Growing, Ticket
from engine.generation.vllm import Front
from engine.generation.weights import Voice, warm
from engine.retrieval import search
from storage import db, deployments, models
from storage.home import Home

MANY = 16  # answers, beyond which a set lets others go first
MOST_ASKED = 2_000  # answers of a set: prompts times models


class Routes:
    """The host's endpoints over one speaker."""

    def __init__(self, home: Home, speaker: Speaker, end: Callable[[], None]) -> None:
        self._home = home
        self._speaker = speaker
        self._end = end
        self._sets = AnswerSets()
        self._previews = Previews(home)
        self._letters: WeakSet[Letter] = WeakSet()
        self.front = Front(home)

    def table(self) -> list[Route]:
        """Which path is what."""
        return [
            Route("/health", self.health),
            Route("/v1/models", self.list_models),
            Route("/v1/models/{name:path}", self.one_model),
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
            Route("/v1/completions", self.go_on, methods=["POST"]),
            Route("/answers", self.start, methods=["POST"]),
            Route("/answers/{name}", self.look),
            Route("/answers/{name}/stop", self.stop, methods=["POST"]),
            Route("/heat", self.heat, methods=["POST"]),
            Route("/search", self.search, methods=["POST"]),
            Route("/preview", self.preview, methods=["POST"]),
            Route("/release", self.release, methods=["POST"]),
            Route("/shutdown", self.shutdown, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """That the host is there, for which home, what is in memory and how often each base was loaded."""
        shelf = self._speaker.shelf
        held = [{"name": w.name, "bytes": w.bytes, "dtype": w.dtype, "adapters": w.adapters} for w in shelf.held()]
        return JSONResponse({"home": str(self._home.root), "memory": held, "loads": shelf.loads, **self._speaker.count()})

    async def list_models(self, request: Request) -> Response:
        """Every registered model and every deployment, in OpenAI's form."""
        return JSONResponse({"object": "list", "data": self._listed()})

    async def one_model(self, request: Request) -> Response:
        """One of them by its name."""
        name = request.path_params["name"]
        found = next((each for each in self._listed() if each["id"] == name), None)
        if found is None:
            raise NotFound(f"There is no model {name!r}. GET /v1/models lists them.")
        return JSONResponse(found)

    def _listed(self) -> list[dict[str, Any]]:
        about = {"object": "model", "created": 0, "owned_by": "temper"}
        found = [(m.name, m.kind, m.fingerprint) for m in models.all(self._home, "language")]
        found += [(one.title, "deployment", one.fingerprint) for one in deployments.all(self._home)]
        return [{"id": name, **about, "kind": kind, "fingerprint": fingerprint} for name, kind, fingerprint in found]

    async def complete(self, request: Request) -> Response:
        """A chat completion, whole or as a stream of server-sent events. A client that leaves ends its answer."""
        body = await _body(request)
        if (voice := self._fronted(body)) is not None:
            return await self._forwarded("/chat/completions", body, voice)
        asked = completions.Request.checked(body)
        ticket = self._made(Asked(asked.model, asked.prompt.messages, asked.sampling), asked.prompt)
        self._send([ticket])
        completion = completions.Completion(asked, ticket)
        if asked.stream:
            return await replies.streamed(request, ticket, completion)
        failed = await replies.ended(request, [ticket])
        if failed is not None:
            return JSONResponse(completions.error(failed), failed.status)
        return JSONResponse(await run_in_threadpool(completion.whole, ticket.answer))  # reading calls of tools takes libraries

    async def go_on(self, request: Request) -> Response:
        """Completions of texts or tokens, with the scores of what is read and said where these are asked for."""
        body = await _body(request)
        if (voice := self._fronted(body)) is not None:
            return await self._forwarded("/completions", body, voice)
        asked = texts.Request.checked(body)
        voice = Voice.find(self._home, asked.model)
        tickets = [Ticket(voice, prompt, asked.sampling) for prompt in asked.prompts]
        for ticket in tickets:
            ticket.one_of_many = len(tickets) > MANY
        self._speaker.submit(tickets)
        completion = texts.Completion(asked, tickets)
        if asked.stream:
            return await replies.streamed(request, tickets[0], completion)
        failed = await replies.ended(request, tickets)
        if failed is not None:
            return JSONResponse(completions.error(failed), failed.status)
        return JSONResponse(await run_in_threadpool(completion.whole))

    async def start(self, request: Request) -> Response:
        """Ask several models, each its own; one that cannot be asked is a failed answer."""
        body = await _body(request)
        token, given = body.get("token"), body.get("asked")
        known = self._sets.known(token)
        if known is not None:
            return JSONResponse({"id": known})
        if not isinstance(given, list) or not 0 < len(given) <= MOST_ASKED or not all(isinstance(one, dict) for one in given):
            count = len(given) if isinstance(given, list) else given
            raise BadInput(f"asked takes a list of what 1 to {MOST_ASKED:,} answers are to be, not {count!r}.")
        entries = [self._entry(asked) for asked in [Asked.parse(one) for one in given]]
        for entry in entries:
            if isinstance(entry, Ticket):
                entry.one_of_many = len(entries) > MANY
        name = self._sets.add(entries, token)
        self._send([entry for entry in entries if isinstance(entry, Growing)])
        return JSONResponse({"id": name})

    def _entry(self, asked: Asked) -> Growing | Answer:
        try:
            return self._made(asked)
        except TemperError as problem:
            return Answer(asked.model, status="failed", error=str(problem), sampling=asked.sampling)

    def _fronted(self, body: dict[str, Any]) -> Voice | None:
        """Who is asked, where vLLM speaks for it: what that can do is for it to say."""
        model = body.get("model")
        if not isinstance(model, str) or self._around(model):
            return None
        voice = Voice.find(self._home, model)
        return voice if self.front.takes(voice) else None

    def _around(self, model: str) -> bool:
        """Whether a name means more than weights of this home: a model outside, or a deployment."""
        return outside.find(self._home, model) is not None or deployments.find(self._home, model) is not None

    def _made(self, asked: Asked, prompt: Prompt | None = None) -> Growing:
        """An answer to be given by weights of this home with what stands around them, or by a model behind an address on its list."""
        if asked.index or deployments.find(self._home, asked.model) is not None:
            return Deployed(self._home, freeze.around(self._home, asked.model, asked.index), asked, prompt, self._within)
        found = outside.find(self._home, asked.model)
        if found is not None:
            return FromOutside(self._home, *found, asked, prompt)
        voice = Voice.find(self._home, asked.model)
        if self.front.takes(voice):
            return FromVllm(self.front, voice, asked, prompt)
        return Ticket(voice, prompt or Prompt(asked.messages, template=asked.template), asked.sampling)

    def _within(self, asked: Asked, prompt: Prompt) -> Growing:
        """A try of a deployment, begun."""
        made = self._made(asked, prompt)
        self._send([made])
        return made

    async def _forwarded(self, path: str, body: dict[str, Any], voice: Voice) -> Response:
        """vLLM's own reply, with the name that was asked and the fingerprint of what spoke; a stream as it comes."""
        ends, reply, there = await self.front.forward(path, body, voice)
        if body.get("stream") and reply.status_code == 200:
            return replies.Passed(reply.aiter_raw(), ends)
        try:
            told = json.loads(await reply.aread())
        except ValueError:
            raise Unreachable(f"vLLM's reply cannot be read (HTTP {reply.status_code}). Its log says more.") from None
        finally:
            await ends.aclose()
        if reply.status_code == 200:
            told |= {"model": voice.model.name, "system_fingerprint": there.fingerprint}
        return JSONResponse(told, reply.status_code)

    def _send(self, answers: list[Growing]) -> None:
        self._speaker.submit([answer for answer in answers if isinstance(answer, Ticket)])
        for answer in answers:
            if isinstance(answer, Letter):
                self._letters.add(answer)
                answer.send()

    async def look(self, request: Request) -> Response:
        """The answers of a set as they stand."""
        return JSONResponse([dataclasses.asdict(a) for a in self._sets.look(request.path_params["name"])])

    async def stop(self, request: Request) -> Response:
        """Ask the answers of a set to end, or the one at a place."""
        place = (await _body(request)).get("place")
        if place is not None and (isinstance(place, bool) or not isinstance(place, int)):
            raise BadInput(f"place takes a whole number from 0, not {place!r}.")
        self._sets.stop(request.path_params["name"], place)
        return JSONResponse({})

    async def heat(self, request: Request) -> Response:
        """How likely each token of an answer is under two models."""
        asked = heat.Request.checked(await _body(request))
        reading = await run_in_threadpool(heat.Reading, self._home, asked)
        self._speaker.submit(reading.tickets)
        failed = await replies.ended(request, reading.tickets)
        if failed is not None:
            return refusal(failed.status, failed.code, failed.message)
        return JSONResponse(dataclasses.asdict(reading.told()))

    async def preview(self, request: Request) -> Response:
        """A data set as a model's tokens."""
        body = await _body(request)
        model, dataset_id, max_length = body.get("model"), body.get("dataset_id"), body.get("max_length")
        if not isinstance(model, str) or not isinstance(dataset_id, int) or not isinstance(max_length, int):
            raise BadInput("A preview takes model (a name), dataset_id and max_length (whole numbers).")
        seen = await run_in_threadpool(self._previews.look, model, dataset_id, max_length)
        return JSONResponse(dataclasses.asdict(seen))

    async def search(self, request: Request) -> Response:
        """The passages of an index that fit a question."""
        body = await _body(request)
        index, query, k = body.get("index"), body.get("query"), body.get("k")
        if not isinstance(index, str) or not isinstance(query, str) or not isinstance(k, int):
            raise BadInput("A search takes index (a name), query (a text) and k (a whole number).")
        found, version = setups.index(self._home, index)
        by = str(body.get("by") or "both")
        await run_in_threadpool(warm)
        hits = await run_in_threadpool(search.search, self._home, found, [query], k, version=version, by=by)
        return JSONResponse([dataclasses.asdict(hit) for hit in hits[0]])

    async def release(self, request: Request) -> Response:
        """Give the models' memory back."""
        self.front.release()
        return JSONResponse(dataclasses.asdict(await asyncio.wrap_future(self._speaker.release())))

    async def shutdown(self, request: Request) -> Response:
        """End the host."""
        self._end()
        return JSONResponse({})

    def close(self) -> None:
        """Tell all who are being answered that the host ends."""
        self._speaker.end()
        for letter in list(self._letters):
            if not letter.answer.ended:
                letter.fail(ENDING)
        self.front.end()


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. BadInput where it is none or too large."""
    held = bytearray()
    async for part in request.stream():
        held += part
        if len(held) > LARGEST_BODY:
            raise BadInput(f"A request takes at most {LARGEST_BODY // 1024**2} MB.")
    try:
        text = held.decode()
        body = json.loads(text)
        if "\\u" in text:  # of what JSON may name, halves of characters are no text: no tokenizer and no file takes them
            json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadInput("The request holds half of a character (a lone surrogate), which is no text. Leave it out.") from None
    except (ValueError, RecursionError):
        raise BadInput("The request is not JSON.") from None
    if not isinstance(body, dict):
        raise BadInput("The request is not a JSON object.")
    return body


def application(home: Home, speaker: Speaker, token: str, port: int, end: Callable[[], None]) -> Starlette:
    """The host's ASGI application; ``end`` is called when it is asked to shut down, and ``state.close`` is to be when it does."""

    async def told(request: Request, problem: Exception) -> Response:
        known = TryLater(str(problem)) if isinstance(problem, db.NotMigrated | db.NewerHome) else problem
        said = worded(known)
        body = completions.error(said)
        body["error"]["kind"] = type(known).__name__
        # after what nobody foresaw the server closes the connection, so that nothing more may be sent through it
        return JSONResponse(body, said.status, {} if isinstance(known, TemperError) else {"Connection": "close"})

    async def gone(request: Request, problem: Exception) -> Response:
        return refusal(400, "client_left", "The client left.")

    async def nowhere(request: Request, problem: Exception) -> Response:
        paths = ", ".join(sorted(route.path for route in table if route.path.startswith("/v1/") and "{" not in route.path))
        status = problem.status_code if isinstance(problem, HTTPException) else 500
        return refusal(status, "not_found", f"{request.method} {request.url.path} is nothing here. There are {paths}.")

    routes = Routes(home, speaker, end)
    table = routes.table()
    known = {
        TemperError: told,
        db.NotMigrated: told,
        db.NewerHome: told,
        ClientDisconnect: gone,
        HTTPException: nowhere,
        Exception: told,
    }
    app = Starlette(routes=table, middleware=[Middleware(Guard, token=token, port=port)], exception_handlers=known)
    app.state.close = routes.close
    return app

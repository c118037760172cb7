"""Models behind other addresses that speak OpenAI's chat completions: Ollama, llama.cpp, vLLM, or a service.

Nothing is ever sent to an address that is not on the home's list, and only a person puts one there. Its key lies in a file of its
own (engine/keys.py). Such a model is called ``model@name``; what speaks there proves nothing of itself, and its answers say so.
"""

import ipaddress
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from engine import keys
from engine.errors import BadInput, NotFound, Unreachable
from engine.generation.answers import Answer, Asked
from storage import files
from storage.home import Home

if TYPE_CHECKING:
    import httpx

LIST = "addresses.json"
NAME = re.compile(r"(?=.*[a-z])[a-z0-9][a-z0-9-]{0,39}")  # never a number alone, which names a checkpoint
CONNECTING, SILENT, LISTING = 10.0, 300.0, 15.0  # seconds
LONGEST_LINE = 4 * 1024**2  # characters of one event
# what some servers do not take: left out, under another name, or none
OTHER_NAMES = {"max_tokens": "max_completion_tokens"}
OPTIONAL = ("seed", "temperature", "top_p", "stop", "stream_options", "max_tokens", "max_completion_tokens")


@dataclass(frozen=True)
class Place:
    """An address on the list, up to and with ``/v1``, and the models there that are offered."""

    name: str
    address: str
    models: tuple[str, ...] = ()

    @property
    def references(self) -> list[str]:
        """What its models are called here."""
        return [f"{model}@{self.name}" for model in self.models]

    @property
    def here(self) -> bool:
        """Whether it is this machine or its network, to which nothing need be encrypted."""
        host = urlsplit(self.address).hostname or ""
        try:
            found = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or "." not in host or host.endswith((".local", ".internal"))
        return found.is_loopback or found.is_private


def places(home: Home) -> list[Place]:
    """The addresses on the list, by name."""
    path = home.root / LIST
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return [Place(name, kept["address"], tuple(kept["models"])) for name, kept in sorted(stored.items())]


def allow(home: Home, name: str, address: str, key: str = "", models: Sequence[str] = ()) -> Place:
    """Put an address on the list, with the key that it wants, if any, and the models to offer.

    BadInput says what is wrong with name or address.
    """
    name, parts = name.strip().lower(), _parts(address)
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot name an address. Use small letters, digits and -, at least one letter, at most 40.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadInput(f"{address!r} is no address. Give it whole, up to and with /v1, as in http://localhost:11434/v1.")
    offered = tuple(dict.fromkeys(model.strip() for model in models if model.strip()))
    made = Place(name, f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", offered)
    if parts.scheme == "http" and not made.here:
        raise BadInput(
            f"{made.address} is not encrypted and not in your own network, so prompts and key could be read. Use https."
        )
    if any(ord(sign) < 33 or ord(sign) > 126 for sign in key.strip()):
        raise BadInput("The key holds signs that no key has. Copy it once more.")
    with home.locked("addresses"):
        _write(home, [*(each for each in places(home) if each.name != name), made])
        keys.save(home, _key_file(name), key)
    return made


def _parts(address: str) -> SplitResult:
    """An address in its parts, which have a port that is a number."""
    try:
        parts = urlsplit(address.strip())
        _ = parts.port
        return parts
    except ValueError as problem:
        raise BadInput(f"{address!r} is no address ({problem}). Give it whole, as in http://localhost:11434/v1.") from None


def offer(home: Home, there: Place, models: Sequence[str]) -> Place:
    """Offer these models of an address from now on."""
    with home.locked("addresses"):
        made = replace(place(home, there.name), models=tuple(models))
        _write(home, [*(each for each in places(home) if each.name != made.name), made])
    return made


def place(home: Home, name: str) -> Place:
    """The address of that name; NotFound says which there are."""
    there = places(home)
    found = next((each for each in there if each.name == name), None)
    if found is None:
        raise NotFound(
            f"{name!r} is not on the list of addresses, so nothing is sent there. On it: {', '.join(p.name for p in there) or 'none yet'}."
        )
    return found


def forget(home: Home, name: str) -> None:
    """Take an address off the list, and its key off the disk."""
    with home.locked("addresses"):
        gone = place(home, name)
        _write(home, [each for each in places(home) if each != gone])
        keys.save(home, _key_file(name), "")


def find(home: Home, reference: str) -> tuple[Place, str] | None:
    """The address that ``model@name`` means, and the model there; None where it is no such reference, NotFound where the address is
    not on the list."""
    model, at, name = reference.rpartition("@")
    if not at or not model or not NAME.fullmatch(name):
        return None
    return place(home, name), model


def listed(home: Home, there: Place) -> list[str]:
    """The models that an address says it has, by name. Unreachable or BadInput where it does not say."""
    import httpx

    try:
        with httpx.Client(headers=_headers(key_of(home, there)), timeout=LISTING, trust_env=not there.here) as client:
            reply = client.get(f"{there.address}/models")
        if reply.status_code != 200:
            raise _refused(key_of(home, there), there, reply.status_code, reply.text)
        return sorted(str(each["id"]) for each in reply.json()["data"])
    except httpx.HTTPError as problem:
        raise _silent(there, problem) from None
    except (ValueError, LookupError, TypeError):
        raise BadInput(
            f"What answers at {there.address} does not list models as OpenAI's interface does. Check the address."
        ) from None


def key_of(home: Home, place: Place) -> str:
    """The key of an address; "" where it has none."""
    return keys.read(home, _key_file(place.name), variable(place.name)) or ""


async def answer(
    place: Place, key: str, model: str, asked: Asked, more: Mapping[str, Any] | None = None
) -> AsyncIterator[Answer]:
    """The answer of a model behind an address as it grows; the last one has ended. Raises what made it fail. ``more`` goes into the
    request as it stands."""
    import httpx

    told = Answer(asked.model, base=model, status="running", sampling=asked.sampling, outside=place.address)
    body, unheeded, began = {**_body(model, asked), **(more or {})}, [], time.monotonic()
    timeout = httpx.Timeout(SILENT, connect=CONNECTING)
    async with httpx.AsyncClient(headers=_headers(key), timeout=timeout, trust_env=not place.here) as client:
        try:
            while True:
                async with client.stream("POST", f"{place.address}/chat/completions", json=body) as reply:
                    if reply.status_code == 200:
                        async for grown in _told(reply, replace(told, unheeded=tuple(unheeded)), began):
                            yield grown
                        return
                    said = (await reply.aread()).decode(errors="replace")
                off = _not_taken(body, said) if reply.status_code == 400 else None
                if off is None:
                    raise _refused(key, place, reply.status_code, said)
                value = body.pop(off)
                if off in OTHER_NAMES:
                    body[OTHER_NAMES[off]] = value
                elif off != "stream_options":
                    unheeded.append("max_tokens" if off == "max_completion_tokens" else off)
        except httpx.HTTPError as problem:
            raise _silent(place, problem) from None


async def _told(reply: "httpx.Response", told: Answer, began: float) -> AsyncIterator[Answer]:
    """The answer after each event of a stream."""
    pieces, counted = 0, False
    async for event in _events(reply):
        if event.get("error"):
            raise BadInput(f"The model broke off: {str(event['error'])[:300]}")
        passed = time.monotonic() - began
        usage, choice = event.get("usage") or {}, (event.get("choices") or [{}])[0]
        text = (choice.get("delta") or {}).get("content") or ""
        if text:
            pieces += 1
            first = passed if told.first_token_seconds is None else told.first_token_seconds
            told = replace(told, text=told.text + text, first_token_seconds=first)
        if usage.get("completion_tokens"):
            counted = True
            told = replace(told, tokens=int(usage["completion_tokens"]), prompt_tokens=int(usage.get("prompt_tokens") or 0))
        told = replace(
            told, seconds=passed, base=str(event.get("model") or told.base), finish=choice.get("finish_reason") or told.finish,
            tokens=told.tokens if counted else pieces,
        )  # fmt: skip
        if len(told.text) > LONGEST_LINE:
            told = replace(told, finish="length")
            break
        yield told
    yield replace(told, status="done", finish=told.finish or "stop")


async def _events(reply: "httpx.Response") -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, or the one reply of a server that does not stream. BadInput where it is neither."""
    other = ""
    async for line in reply.aiter_lines():
        if len(line) > LONGEST_LINE or len(other) > LONGEST_LINE:
            raise BadInput("The model's reply holds a line without end, so it was broken off.")
        if not line.startswith("data:"):
            other += line if not line.startswith((":", "event:", "id:", "retry:")) else ""
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        yield _object(data)
    if other.strip():
        whole = _object(other)
        choices = [{**choice, "delta": choice.get("message")} for choice in whole.get("choices") or []]
        yield {**whole, "choices": choices}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput(f"What answers there does not speak OpenAI's chat completions: {text[:200]!r}. Check the address.")
    return found


def _body(model: str, asked: Asked) -> dict[str, Any]:
    sampling = asked.sampling
    body: dict[str, Any] = {
        "model": model, "messages": [dict(turn) for turn in asked.messages], "stream": True, "stream_options": {"include_usage": True},
        "temperature": sampling.temperature, "seed": sampling.seed, "max_tokens": sampling.max_tokens,
    }  # fmt: skip
    if sampling.top_p < 1:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    return body


def _not_taken(body: Mapping[str, Any], said: str) -> str | None:
    """The part of a request that a server names as what it does not take."""
    return next((name for name in OPTIONAL if name in body and re.search(rf"\b{name}\b", said)), None)


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def variable(name: str) -> str:
    """The environment variable that may hold the key of an address instead of a file."""
    return f"TEMPER_KEY_{name.upper().replace('-', '_')}"


def _key_file(name: str) -> str:
    return f"address-key-{name}"


def _refused(key: str, place: Place, status: int, said: str) -> Exception:
    said = said.replace(key, "(the key)") if key else said
    if status in (401, 403):
        return BadInput(f"{place.address} refuses the key (HTTP {status}). Give it a valid one.")
    if status == 404:
        return NotFound(f"{place.address} has no such model or is another interface (HTTP 404): {said[:300]}")
    if status in (408, 409, 425, 429) or status >= 500:
        return Unreachable(f"{place.address} is busy or ill (HTTP {status}): {said[:300]} Try again later.")
    return BadInput(f"{place.address} refuses the request (HTTP {status}): {said[:300]}")


def _silent(place: Place, problem: Exception) -> Unreachable:
    return Unreachable(f"{place.address} does not answer ({type(problem).__name__}). See that it runs, and check the address.")


def _write(home: Home, there: list[Place]) -> None:
    kept = {place.name: {"address": place.address, "models": place.models} for place in there}
    files.write_text(home.root / LIST, json.dumps(kept, indent=1, ensure_ascii=False))

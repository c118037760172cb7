"""Asking a running host, over HTTP and by its client, and waiting for what it says."""

import json
import time
from typing import Any

import httpx

from engine.generation import ask
from engine.generation.answers import Address, Answer
from tests.engine.generation.small_models import QUESTION, World

ENDLESS = {"max_tokens": 90_000, "temperature": 0.0}


def client(address: Address) -> httpx.Client:
    return httpx.Client(base_url=address.url, headers={"Authorization": f"Bearer {address.token}"}, timeout=60, trust_env=False)


def complete(address: Address, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": 12, **more}
    with client(address) as asking:
        return asking.post("/v1/chat/completions", content=json.dumps(body))


def text_of(address: Address, model: str, **more: Any) -> str:
    return complete(address, model, **more).json()["choices"][0]["message"]["content"]


def until(world: World, name: str, reached: Any) -> list[Answer]:
    """The answers of a set once ``reached`` holds for them."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = ask.look(world.home, name)
        if reached(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"not reached: {ask.look(world.home, name)}")


def at_rest(world: World) -> bool:
    seen = ask.health(world.home)
    return seen is not None and seen["live"] == 0 and seen["waiting"] == 0


def wait_for_rest(world: World) -> None:
    end = time.monotonic() + 30
    while not at_rest(world):
        assert time.monotonic() < end, ask.health(world.home)
        time.sleep(0.05)

"""Asking the models: the client of the host, for pages and commands. Light to import; torch lives in the host alone."""

import atexit
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Damaged, NotFound, TemperError, TryLater, WrongShape
from engine.generation.answers import OWN, Address, Answer, Asked, Heat, Preview, Released, Sampling
from engine.jobs import processes
from engine.retrieval.hits import Hit
from storage.home import Home
from storage.records import Passage

if TYPE_CHECKING:
    import httpx

PLACE = "host.json"
STARTING = 60.0  # seconds until a host has to answer
ENDING = 10.0  # seconds until one that was asked to end is ended
REPLY = 30.0  # seconds for what is only looked up
COUNTING = 600.0  # seconds for a preview, which reads up to 20,000 rows
PAUSE = 0.05
_clients: "dict[Address, httpx.Client]" = {}
_lock = threading.Lock()
KINDS = {kind.__name__: kind for kind in (BadInput, NotFound, WrongShape, TryLater, Damaged)}


def ensure(home: Home, port: int = 0) -> Address:
    """The address of the home's host; one is started where none answers, on ``port`` or on any that is free.

    TryLater where one answers already, on another port than is wanted.
    """
    found = _answering(home)
    if found is None:
        with home.locked("host-start"):
            found = _answering(home) or _start(home, port)
    if port and not found.url.endswith(f":{port}"):
        raise TryLater(f"The model host answers already, at {found.url}. Stop it first, or go on with that address.")
    return found


def start(
    home: Home, models: Sequence[str], messages: Sequence[dict[str, Any]], *, token: str | None = None, **sampling: Any
) -> str:
    """Ask several models the same, all at once; returns the id of the answer set. BadInput names a value that is off."""
    chosen = Sampling.checked(sampling)
    return start_each(home, [Asked(model, messages, chosen) for model in models], token)


def start_each(home: Home, asked: Sequence[Asked], token: str | None = None) -> str:
    """Ask for several answers at once; returns the id of the answer set, which the host keeps.

    The same ``token`` again gives the same set. A model that cannot be asked is a failed answer in it.
    """
    body = {"asked": [dataclasses.asdict(one) for one in asked], "token": token}
    return _call(ensure(home), "POST", "/answers", body)["id"]


def look(home: Home, id: str) -> list[Answer]:
    """The answers of a set as they stand now, in the order of the models.

    NotFound when the host no longer has them; TryLater while it lives and does not answer.
    """
    return [Answer.parse(body) for body in _call(_there(home), "GET", f"/answers/{id}")]


def stop(home: Home, id: str, place: int | None = None) -> None:
    """Ask the answers of a set, or the one at ``place``, to end before their next token; what they said stays."""
    _call(_there(home), "POST", f"/answers/{id}/stop", {"place": place})


def answers(home: Home, models: Sequence[str], messages: Sequence[Any], **sampling: Any) -> list[Answer]:
    """Ask, and wait until every answer has ended."""
    return wait_for(home, start(home, models, messages, **sampling))


def wait_for(home: Home, name: str) -> list[Answer]:
    """The answers of a set once all have ended."""
    while True:
        found = look(home, name)
        if all(answer.ended for answer in found):
            return found
        time.sleep(PAUSE)


def heat(
    home: Home, model: str, base: str, messages: Sequence[Any], answer: str, ended: bool = True, template: str = OWN
) -> Heat:
    """How likely each token of an answer is under two models; with the end of its turn where it ``ended``."""
    body = {"model": model, "base": base, "messages": list(messages), "answer": answer, "ended": ended, "template": template}
    return Heat.parse(_call(ensure(home), "POST", "/heat", body, COUNTING))


def search(home: Home, index: str, query: str, k: int = 4, by: str = "both") -> list[Hit]:
    """The passages of an index (``name`` or ``name@version``) that fit a question, found by the host, which keeps the embedder."""
    told = _call(ensure(home), "POST", "/search", {"index": index, "query": query, "k": k, "by": by}, COUNTING)
    return [Hit(**{**hit, "passage": Passage(**hit["passage"])}) for hit in told]


def preview(home: Home, model: str, dataset_id: int, max_length: int) -> Preview:
    """A data set as the model's tokens: lengths, what would be cut, and the first row with its loss mask."""
    body = {"model": model, "dataset_id": dataset_id, "max_length": max_length}
    return Preview.parse(_call(ensure(home), "POST", "/preview", body, COUNTING))


def release(home: Home) -> Released:
    """Have the host give its models' memory back; they come back by themselves. Nothing where no host answers."""
    address = None
    with suppress(TryLater):
        address = _answering(home)
    if address is None:
        return Released(0)
    body = _call(address, "POST", "/release", {})
    return Released(body["freed"], tuple(body["later"]))


def health(home: Home) -> dict[str, Any] | None:
    """What the host has in memory and how often it loaded it; None where no host runs."""
    address = _answering(home)
    return _call(address, "GET", "/health") if address else None


def shutdown(home: Home) -> bool:
    """End the host, if one runs, and wait until its process is gone; returns whether there was one."""
    identity = processes.read_identity(home.root / PLACE)
    if identity is None or not identity.alive():
        return False
    address = _read(home)
    with suppress(TryLater):  # one that hangs is ended below
        if address is not None and _answering(home) == address:
            _call(address, "POST", "/shutdown", {})
    until = time.monotonic() + ENDING
    while identity.alive() and time.monotonic() < until:
        time.sleep(PAUSE)
    processes.end_group(identity)
    if address is not None:
        _forget(address)
    return True


def _there(home: Home) -> Address:
    address = _answering(home)
    if address is None:
        raise NotFound("These answers are gone: the model host has ended since. Ask again.")
    return address


def _read(home: Home) -> Address | None:
    try:
        body = json.loads((home.root / PLACE).read_text())
        return Address(body["url"], body["token"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _answering(home: Home) -> Address | None:
    """The host that answers for this home with the token that it wrote down; None where its process is gone.

    TryLater while the process lives and does not answer: what it is saying is not lost.
    """
    import httpx

    address = _read(home)
    identity = processes.read_identity(home.root / PLACE)
    if address is None:
        return None
    if identity is None or not identity.alive():
        _forget(address)
        return None
    try:
        answer = _client(address).get("/health", timeout=REPLY)
    except httpx.TransportError as problem:
        if not identity.alive():
            return None
        raise TryLater("The model host is busy and did not answer. Try again in a moment; what it says is kept.") from problem
    return address if answer.status_code == 200 and answer.json()["home"] == str(home.root) else None


def _start(home: Home, port: int) -> Address:
    """Start a host in a session of its own, so that it outlives this process, and wait until it answers."""
    log = home.logs / "host.log"
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.generation.host", "--home", str(home.root), "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    # waits for its end, however late, so that no zombie stays behind
    threading.Thread(target=process.wait, name="host-ending", daemon=True).start()
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        found = _answering(home)
        if found is not None:
            return found
        if process.poll() not in (None, 0):
            break
        time.sleep(PAUSE)
    last = (log.read_text(errors="replace").strip().splitlines() or ["nothing was written"])[-1]
    raise TemperError(f"The model host did not start: {last} The whole log is {log}.")


def _client(address: Address) -> "httpx.Client":
    """One client with its kept-open connections per host; several threads share it."""
    import httpx

    with _lock:
        if address not in _clients:
            # no proxy from the environment: this is a call within the machine, and it carries the token
            header = {"Authorization": f"Bearer {address.token}"}
            _clients[address] = httpx.Client(base_url=address.url, headers=header, trust_env=False)
        return _clients[address]


def _forget(address: Address) -> None:
    """Close the connections to a host that is gone."""
    with _lock:
        client = _clients.pop(address, None)
    if client is not None:
        client.close()


@atexit.register
def _forget_all() -> None:
    for address in list(_clients):
        _forget(address)


def _call(address: Address, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = REPLY) -> Any:
    """The host's reply. What the host refuses is raised here as the error that it was there."""
    import httpx

    try:
        answer = _client(address).request(method, path, json=body, timeout=timeout)
    except httpx.TimeoutException as problem:
        raise TryLater(f"The model host did not answer within {timeout:.0f} s. Try again.") from problem
    except httpx.TransportError as problem:
        raise TryLater("The model host ended meanwhile. Try again: it is started anew.") from problem
    if answer.is_success:
        return answer.json()
    try:
        said = answer.json()["error"]
    except (ValueError, KeyError):
        raise TemperError(f"The model host failed ({answer.status_code}). Its log is host.log in the home's logs.") from None
    raise KINDS.get(said.get("kind", ""), TemperError)(said["message"])

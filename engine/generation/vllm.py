"""vLLM in the place of our own loop, where it is installed beside CUDA, or TEMPER_VLLM names its command ("off" for never).

One ``vllm serve --enable-lora`` speaks for the base that is asked; adapters are put into it under their fingerprint, so one that was
swapped on the disk is another one there too. Where it does not start, its base is answered by our own loop from then on.
"""

import asyncio
import importlib.util
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.environment import OFFLINE, PRIVATE
from engine.errors import BadInput, Unreachable
from engine.generation import fingerprint as prints
from engine.generation.outside import Place
from engine.generation.weights import Voice, adapter_configuration
from engine.jobs import processes
from storage import models
from storage.home import Home

if TYPE_CHECKING:
    import httpx

VARIABLE, OFF = "TEMPER_VLLM", "off"
BASE = "base"  # what the base is called there
IDENTITY, LOG = "vllm.json", "vllm.log"
STARTING, PAUSE = 900.0, 0.2  # seconds that a large model may take to load, and between two looks
RANKS = (8, 16, 32, 64, 128, 256, 512)  # that it can be told to make room for
MOST_ADAPTERS = 8
SHARE = 0.85  # of the GPU's memory


def command() -> list[str]:
    """How vLLM is started here; empty where it is not to be used."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return [] if named == OFF else shlex.split(named)
    if importlib.util.find_spec("vllm") is None:
        return []
    import torch

    return [sys.executable, "-m", "vllm.entrypoints.cli.main"] if torch.cuda.is_available() else []


def end_left(home: Home) -> None:
    """End the vLLM of a home, also one that an earlier host has left behind."""
    identity = processes.read_identity(home.root / IDENTITY)
    if identity is not None:
        processes.end_group(identity)
        (home.root / IDENTITY).unlink(missing_ok=True)


@dataclass(frozen=True)
class There:
    """Where weights can be asked now, under which name, and their fingerprint."""

    place: Place
    key: str = field(repr=False)
    model: str
    fingerprint: str


@dataclass
class _Running:
    place: Place
    key: str
    process: subprocess.Popen[bytes]
    base: str
    signature: prints.Signature
    rank: int
    adapters: set[str]


class Front:
    """The vLLM of a host. All of it is called in the event loop."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._command = command()
        self._running: _Running | None = None
        self._refused: set[str] = set()  # bases that it could not be started with
        self._speaking = 0  # answers that it gives now; until they have ended it stays as it is
        self._leaves = False  # asked for its memory meanwhile
        self._changed = asyncio.Condition()

    def takes(self, voice: Voice) -> bool:
        """Whether vLLM speaks for this voice: adapters of unusual kinds are our own loop's."""
        return bool(self._command) and voice.alone is None and voice.base.path not in self._refused

    def waits_for(self, voice: Voice) -> str:
        """What an answer waits for, in words."""
        there = self._running is not None and self._running.base == voice.base.path
        return "its turn" if there else f"vLLM to load {voice.base.name}"

    @asynccontextmanager
    async def speaking(self, voice: Voice) -> AsyncIterator[There]:
        """Where the voice can be asked, with what lies on the disk now, for as long as it speaks. Another base waits until nobody
        speaks. Unreachable where vLLM does not start or take the adapter."""
        base, adapter = Path(voice.base.path), voice.adapter
        template = prints.template_of(base, adapter).text
        mark = await asyncio.to_thread(prints.fingerprint, base, adapter, template, voice.model.dtype)
        async with self._changed:
            await self._changed.wait_for(lambda: self._stands(voice) or not self._speaking)
            if not self._stands(voice):
                self.end()
                self._running = await self._start(voice)
            running = self._running
            assert running is not None
            if adapter is not None and mark not in running.adapters:
                await self._put_in(running, mark, adapter)
            self._speaking += 1
        try:
            yield There(running.place, running.key, mark if adapter else BASE, mark)
        finally:
            async with self._changed:
                self._speaking -= 1
                if self._leaves and not self._speaking:
                    self.end()
                self._changed.notify_all()

    def _stands(self, voice: Voice) -> bool:
        """Whether what runs can speak for the voice."""
        running = self._running
        if running is None or running.process.poll() is not None or running.rank < _rank(voice.adapter):
            return False
        return (running.base, running.signature) == (voice.base.path, prints.signature(Path(voice.base.path)))

    def release(self) -> None:
        """Give its memory back, now or when the answers in progress have ended. The next answer starts it again."""
        if self._speaking:
            self._leaves = True
        else:
            self.end()

    def end(self) -> None:
        """End vLLM and what it says."""
        running, self._running, self._leaves = self._running, None, False
        end_left(self._home)
        if running is not None:
            running.process.wait()

    async def _start(self, voice: Voice) -> _Running:
        kin = [
            Path(m.path) for m in models.dependents(self._home, voice.base.id) if m.kind == "adapter" and Path(m.path).is_dir()
        ]
        rank = max([_rank(voice.adapter), *(rank for path in kin if (rank := _rank(path)) <= RANKS[-1])])
        room = next((each for each in RANKS if each >= rank), None)
        if room is None:
            raise BadInput(f"The adapter of {voice.model.name} has rank {rank}; vLLM takes up to {RANKS[-1]}.")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        key = secrets.token_urlsafe(32)
        given = [
            "serve", voice.base.path, "--served-model-name", BASE, "--host", "127.0.0.1", "--port", str(port), "--enable-lora",
            "--max-lora-rank", str(room), "--max-loras", str(MOST_ADAPTERS), "--gpu-memory-utilization", str(SHARE),
        ]  # fmt: skip
        own = {"VLLM_API_KEY": key, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1"}
        with (self._home.logs / LOG).open("ab") as log:
            process = subprocess.Popen(
                [*self._command, *given], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **PRIVATE, **OFFLINE, **own},
            )  # fmt: skip
        processes.write_identity(self._home.root / IDENTITY, process.pid)
        made = _Running(
            Place("vllm", f"http://127.0.0.1:{port}/v1"),
            key,
            process,
            voice.base.path,
            prints.signature(Path(voice.base.path)),
            room,
            set(),
        )
        try:
            await self._until_it_answers(made)
        except Unreachable:
            self._running = made
            self.end()
            self._refused.add(voice.base.path)
            raise
        return made

    async def _until_it_answers(self, running: _Running) -> None:
        import httpx

        until = time.monotonic() + STARTING
        async with self._client(running) as client:
            while running.process.poll() is None and time.monotonic() < until:
                with suppress(httpx.HTTPError):  # nobody listens yet
                    if (await client.get("/models")).status_code == 200:
                        return
                await asyncio.sleep(PAUSE)
        log = self._home.logs / LOG
        last = (log.read_text(errors="replace").strip().splitlines() or ["nothing was written"])[-1][-300:]
        raise Unreachable(f"vLLM did not start: {last} Ask again: Temper answers itself from now on. The whole log is {log}.")

    async def _put_in(self, running: _Running, mark: str, adapter: Path) -> None:
        async with self._client(running) as client:
            reply = await client.post("/load_lora_adapter", json={"lora_name": mark, "lora_path": str(adapter)})
        if reply.status_code != 200:
            raise Unreachable(f"vLLM does not take the adapter in {adapter} (HTTP {reply.status_code}): {reply.text[:300]}")
        running.adapters.add(mark)

    def _client(self, running: _Running) -> "httpx.AsyncClient":
        import httpx

        header = {"Authorization": f"Bearer {running.key}"}
        return httpx.AsyncClient(base_url=running.place.address, headers=header, timeout=300, trust_env=False)

    async def forward(self, path: str, body: dict[str, Any], voice: Voice) -> "tuple[AsyncExitStack, httpx.Response, There]":
        """Pass a request on as it stands, under the name that the voice has there; whoever calls closes what comes first."""
        ends = AsyncExitStack()
        try:
            there = await ends.enter_async_context(self.speaking(voice))
            assert self._running is not None
            client = await ends.enter_async_context(self._client(self._running))
            reply = await client.send(client.build_request("POST", path, json={**body, "model": there.model}), stream=True)
            ends.push_async_callback(reply.aclose)
        except BaseException:
            await ends.aclose()
            raise
        return ends, reply, there


def _rank(adapter: Path | None) -> int:
    return int(adapter_configuration(adapter).get("r", 0)) if adapter else 0

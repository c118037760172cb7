"""Answers that another server gives, in the same form as our own: they grow, can be stopped, and say what failed."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from engine.errors import BadInput
from engine.generation import outside
from engine.generation.answers import Answer, Asked, Prompt
from engine.generation.problems import worded
from engine.generation.reading import TEMPLATES
from engine.generation.tickets import Growing
from engine.generation.vllm import Front
from engine.generation.weights import Voice
from storage.home import Home


class Letter(Growing):
    """An answer that another server is asked for. Made, sent and answered in the event loop."""

    def __init__(self, asked: Asked, answer: Answer) -> None:
        super().__init__(answer, Prompt(asked.messages, template=asked.template))
        self._asked = asked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def send(self) -> None:
        """Ask now."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run())

    def cancel(self) -> None:
        """Ask for an end: the connection is closed at once. What is there stays."""
        super().cancel()
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    @abstractmethod
    def _grown(self) -> AsyncIterator[Answer]:
        """The answer at each change, the last one ended."""

    async def _run(self) -> None:
        try:
            async for answer in self._grown():
                self.become(answer)
        except asyncio.CancelledError:
            self.finish("stopped")
        except Exception as problem:
            self.fail(worded(problem))


class FromOutside(Letter):
    """The answer of a model behind an address on the home's list."""

    def __init__(self, home: Home, place: outside.Place, model: str, asked: Asked, prompt: Prompt | None = None) -> None:
        """BadInput where ``prompt`` wants what is not passed on."""
        if prompt is not None and (prompt.tools or prompt.settings or prompt.scores is not None):
            raise BadInput(
                f"{asked.model} is outside of this machine: it is asked conversations only, without tools, scores and settings of templates."
            )
        self._more = _format(asked.model, prompt)
        super().__init__(asked, Answer(asked.model, base=model, sampling=asked.sampling, outside=place.address))
        self._home, self._place, self._model = home, place, model

    def _grown(self) -> AsyncIterator[Answer]:
        return outside.answer(self._place, outside.key_of(self._home, self._place), self._model, self._asked, self._more)


def _format(model: str, prompt: Prompt | None) -> dict[str, Any]:
    """What an answer is held to as another server is told it. BadInput for a pattern, for which there is no common word."""
    if prompt is None or prompt.constrain is None:
        return {}
    if "json_schema" not in prompt.constrain:
        raise BadInput(f"{model} is asked through another server, which can be held to a JSON schema but to no pattern.")
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": prompt.constrain["json_schema"]}}
    }


class FromVllm(Letter):
    """The answer of weights of this home that vLLM has in memory."""

    def __init__(self, front: Front, voice: Voice, asked: Asked, prompt: Prompt | None = None) -> None:
        adapter = voice.model.name if voice.adapter else None
        answer = Answer(asked.model, adapter, base=voice.base.name, sampling=asked.sampling, template=asked.template)
        super().__init__(asked, answer)
        self._front, self._voice, self._more = front, voice, _format(asked.model, prompt)

    async def _grown(self) -> AsyncIterator[Answer]:
        first = self.answer
        yield replace(first, waiting_for=self._front.waits_for(self._voice))
        async with self._front.speaking(self._voice) as there:
            template = TEMPLATES.get(self._asked.template)
            spoke = {
                "adapter": first.adapter, "base": first.base, "template": first.template, "outside": "", "dtype": "vLLM",
                "fingerprint": there.fingerprint, "waited": time.monotonic() - self.at,
            }  # fmt: skip
            more = {**self._more, "chat_template": template} if template else self._more
            async for answer in outside.answer(there.place, there.key, there.model, self._asked, more):
                yield replace(answer, **spoke)

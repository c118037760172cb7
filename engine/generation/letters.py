"""Answers of models behind other addresses (outside.py), in the same form as our own: they grow, can be stopped, and say what failed."""

import asyncio

from engine.errors import BadInput
from engine.generation import outside
from engine.generation.answers import Answer, Asked, Prompt
from engine.generation.problems import worded
from engine.generation.tickets import Growing
from storage.home import Home


class Letter(Growing):
    """An answer that a model behind an address is asked for. Made, sent and answered in the event loop."""

    def __init__(self, home: Home, place: outside.Place, model: str, asked: Asked, prompt: Prompt | None = None) -> None:
        """BadInput where ``prompt`` wants what is not passed on."""
        prompt = prompt or Prompt(asked.messages, template=asked.template)
        if prompt.tools or prompt.scores is not None or prompt.text is not None or prompt.ids is not None:
            raise BadInput(f"{asked.model} is outside of this machine: it is asked conversations only, without tools and scores.")
        super().__init__(Answer(asked.model, base=model, sampling=asked.sampling, outside=place.address), prompt)
        self._home, self._place, self._model, self._asked = home, place, model, asked
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

    async def _run(self) -> None:
        try:
            async for answer in outside.answer(self._home, self._place, self._model, self._asked):
                self.become(answer)
        except asyncio.CancelledError:
            self.finish("stopped")
        except Exception as problem:
            self.fail(worded(problem))

"""One answer on its way: asked, waiting, growing, ended. The generating thread writes it, anyone may read it."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from engine.generation.answers import Answer, Prompt, Sampling
from engine.generation.decoding import Row
from engine.generation.problems import Problem
from engine.generation.text import Text
from engine.generation.weights import Attached, Voice


class Growing:
    """An answer that is being given. ``answer`` is replaced as a whole at every change, so a reader never sees half of one."""

    def __init__(self, answer: Answer, prompt: Prompt) -> None:
        self.answer = answer
        self.prompt = prompt
        self.at = time.monotonic()
        self.cancelled = False
        self.problem: Problem | None = None
        self.row: Row | None = None  # its tokens and their scores, where it is ours
        self.tokenizer: Any = None  # once the prompt is read
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every change, from the generating thread; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def leave() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return leave

    def cancel(self) -> None:
        """Ask for an end; it comes before the next token. What is there stays."""
        self.cancelled = True

    def finish(self, status: str, reason: str | None = None) -> None:
        """End with what there is."""
        self._change(status=status, finish=reason, waiting_for="")

    def fail(self, problem: Problem) -> None:
        """End because something went wrong; what was said until then stays."""
        self.problem = problem
        self.answer = replace(self.answer, error=problem.message)
        self.finish("failed")

    def become(self, answer: Answer) -> None:
        """Be this answer from now on, and tell those who listen."""
        self.answer = answer
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def _change(self, **values: Any) -> None:
        self.become(replace(self.answer, **values))


async def changes(ticket: Growing, last: bool = False) -> AsyncGenerator[Answer, None]:
    """The ticket's answer at every change, the last one ended; or, with ``last``, that one alone, without a word between."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def heard() -> None:
        if last and not ticket.answer.ended:
            return
        try:
            loop.call_soon_threadsafe(changed.set)
        except RuntimeError:  # the host is ending and nobody listens any more
            return

    leave = ticket.listen(heard)
    try:
        while True:
            changed.clear()
            answer = ticket.answer
            if answer.ended or not last:
                yield answer
            if answer.ended:
                return
            await changed.wait()
    finally:
        leave()


class Ticket(Growing):
    """An answer that weights of this home are asked for."""

    def __init__(self, voice: Voice, prompt: Prompt, sampling: Sampling) -> None:
        adapter = voice.model.name if voice.adapter else None
        answer = Answer(voice.model.name, adapter, base=voice.base.name, sampling=sampling, template=prompt.template)
        super().__init__(answer, prompt)
        self.voice = voice
        # failed once beside others: tried again by itself, so that only the one that is to blame fails
        self.alone = False
        self.one_of_many = False  # of a large set: whoever asks less goes first
        self.reading: Future[list[int]] | None = None  # the tokens of the prompt, when somebody reads it
        self.read_for = ""  # the fingerprint of the weights that they are for
        self.room = 0  # tokens that the answer may have
        self._spoken: Text | None = None
        self._ends: frozenset[int] = frozenset()
        self._began: float | None = None

    def wait_for(self, what: str) -> None:
        """Say what a queued answer waits for."""
        if self.answer.waiting_for != what:
            self._change(waiting_for=what)

    def prepare(self, attached: Attached, dtype: str, row: Row, room: int, ends: frozenset[int]) -> None:
        """Take the row that will speak, with room for that many tokens."""
        self.row, self.room, self._ends, self.tokenizer = row, room, ends, attached.tokenizer
        self._spoken = Text(attached.tokenizer, self.answer.sampling.stop)
        self._change(fingerprint=attached.fingerprint, dtype=dtype, prompt_tokens=len(row.ids), differs=attached.differs)

    def begin(self, keeps: bool) -> None:
        """Say that the model reads the prompt now, and how much of it it knows; one that ``keeps`` nothing reads it all anew."""
        if self._began is None:
            self._began = time.monotonic()
            cached = self.row.cached if keeps and self.row is not None else None
            self._change(status="running", waited=self._began - self.at, waiting_for="", cached_tokens=cached)

    def take(self, token: int | None) -> None:
        """Add a token; the answer may end with it. None means that there was none to be had."""
        assert self._spoken is not None and self._began is not None
        if token is None:
            text = "The model's weights give no numbers any more (NaN), so there is no next token. Train again with a lower rate."
            self.fail(Problem(500, "not_a_number", text))
            return
        seconds, tokens = time.monotonic() - self._began, self.answer.tokens + 1
        first = seconds if self.answer.first_token_seconds is None else self.answer.first_token_seconds
        if token not in self._ends:
            self._spoken.push(token)
        reason = "stop" if token in self._ends or self._spoken.stopped else "length" if tokens >= self.room else None
        told = {"tokens": tokens, "seconds": seconds, "first_token_seconds": first}
        if reason is None:
            self._change(text=self._spoken.shown, **told)
        else:
            self.answer = replace(self.answer, **told)
            self.finish("done", reason)

    def finish(self, status: str, reason: str | None = None) -> None:
        """End with what there is."""
        if self._spoken is not None:
            self.answer = replace(self.answer, text=self._spoken.finish())
        if self._began is None:
            self.answer = replace(self.answer, waited=time.monotonic() - self.at)
        super().finish(status, reason)

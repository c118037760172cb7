"""Prompts as tokens, away from the generating thread: a long one delays no stream, and a chat template that never ends is ended."""

import ctypes
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from engine.errors import BadInput
from engine.generation import batch
from engine.generation.answers import Prompt
from engine.methods.loading import STANDARD_TEMPLATE, begun

AT_ONCE = 4  # prompts
LONGEST = 5.0  # seconds that a prompt may take
SWITCH = (
    1e-4  # seconds after which a thread of pure Python lets the others go on: the generating one asks some hundred times a token
)
TEMPLATES = {"standard": STANDARD_TEMPLATE, "plain": "{% for turn in messages %}{{ turn['content'] }}\n{% endfor %}"}
T = TypeVar("T")


class _TookTooLong(Exception):
    """Raised in a thread from outside."""


def within(seconds: float, call: Callable[[], T], late: str) -> T:
    """What ``call`` returns. BadInput, which says ``late``, where its Python takes longer; it is broken off then."""
    thread, lock, over = threading.get_ident(), threading.Lock(), False

    def end() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_TookTooLong))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        try:
            return call()
        finally:
            with lock:
                over = True
            for _ in range(2):  # what was raised in the last moment arrives here, not in what comes next
                timer.cancel()
    except _TookTooLong:
        raise BadInput(late) from None


class Reader:
    """Reads prompts in threads of its own and calls ``notify`` after each."""

    def __init__(self, notify: Callable[[], None]) -> None:
        sys.setswitchinterval(SWITCH)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="reading")
        self._notify = notify
        self._tokenizing = threading.Lock()

    def read(self, tokenizer: Any, prompt: Prompt) -> "Future[list[int]]":
        """The prompt's tokens, or what is wrong with it."""
        future = self._threads.submit(self._tokens, tokenizer, prompt)
        future.add_done_callback(lambda _: self._notify())
        return future

    def close(self) -> None:
        """Read no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tokens(self, tokenizer: Any, prompt: Prompt) -> list[int]:
        """BadInput where the prompt is empty, or its template refuses it or does not come to an end."""
        if prompt.ids is not None:
            ids = list(prompt.ids)
        else:
            text = prompt.text if prompt.text is not None else self._rendered(tokenizer, prompt)
            with self._tokenizing:  # one tokenizer takes no two threads
                ids = tokenizer(text, add_special_tokens=prompt.text is not None)["input_ids"]
        if not ids:
            raise BadInput("The prompt is empty: there is nothing to go on from.")
        return ids

    def _rendered(self, tokenizer: Any, prompt: Prompt) -> str:
        late = (
            f"The model's chat template did not come to an end within {LONGEST:.0f} s, so nothing could be asked. Mend the template, or "
            "choose the standard one."
        )
        template, tools = TEMPLATES.get(prompt.template), list(prompt.tools) or None
        if template is not None:
            with self._tokenizing:
                template = begun(tokenizer, template)
        if tools:
            from engine.tools.talk import Speech

            within(LONGEST, lambda: Speech(tokenizer), late)  # BadInput where calls of tools could not be read in the answer
        return within(LONGEST, lambda: batch.rendered(tokenizer, prompt.messages, tools, template, prompt.settings), late)

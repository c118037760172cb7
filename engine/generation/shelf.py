"""Which weights are in memory: loaded off the generating thread, evicted least recently used first, given back when asked.

Only the generating thread calls this; loading alone runs in a thread of its own, so that no stream waits for it.
"""

import gc
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.errors import TemperError
from engine.generation import fingerprint as prints
from engine.generation.problems import NoMemory, is_out_of_memory
from engine.generation.weights import Voice, Weights, speaking_dtype, warm
from engine.methods import loading

ITEM_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
MEMORY = "memory"  # how what is waited for begins, where it is room
SPARE = 0.1  # of the free memory, left to the rest of the machine


def free_memory() -> int:
    """Bytes that can still be taken on the device that speaks."""
    import psutil
    import torch

    if loading.device().name == "cuda":
        # what torch holds but does not use is free for us too
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return psutil.virtual_memory().available


class Shelf:
    """The weights in memory. ``budget`` bounds the bytes of all of them, beside what the machine has free."""

    def __init__(self, notify: Callable[[], None], budget: int | None = None) -> None:
        self.loads: dict[str, int] = {}  # base's name -> how often it was read from the disk
        self._notify = notify
        self._budget = budget
        self._held: dict[tuple[str, str], Weights] = {}
        self._leaving: list[Weights] = []
        self._loading: tuple[Voice, Future[Weights]] | None = None
        self._failed: dict[tuple[str, str], BaseException] = {}
        self._passing: set[tuple[str, str]] = set()  # asked back while they were loaded: they leave when they have spoken
        self._given: set[tuple[str, str]] = set()  # whose memory was asked back
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        # takes seconds: the person who opened the page has not yet typed a prompt
        self._loader.submit(warm)

    def held(self) -> list[Weights]:
        """What is in memory, what is on its way out included."""
        return [*self._held.values(), *self._leaving]

    @property
    def loading(self) -> bool:
        """Whether weights are on their way, or there and not yet in their place."""
        return self._loading is not None

    def tidy(self, busy: set[Weights]) -> None:
        """Let go of what was to leave and speaks no longer. ``busy`` are the weights that do speak."""
        for place in self._passing & self._held.keys():
            self._passing.remove(place)
            self._leaving.append(self._held.pop(place))
        for weights in [w for w in self._leaving if w not in busy]:
            self._drop(weights)

    def begin_round(self) -> None:
        """Put what has been loaded in its place. What failed to load is told to all who ask for it in this round."""
        self._failed.clear()
        if self._loading is None or not self._loading[1].done():
            return
        (voice, future), self._loading = self._loading, None
        problem = future.exception()
        if problem is not None:
            self._passing.discard(voice.place)
            self._failed[voice.place] = problem
            return
        weights = future.result()
        self._held[weights.place] = weights
        self._given.discard(weights.place)
        self.loads[weights.name] = self.loads.get(weights.name, 0) + 1

    def take(self, voice: Voice, busy: set[Weights]) -> Weights | str:
        """The weights for ``voice``, or what has to be waited for, in words. Raises what made loading fail."""
        if voice.place in self._failed:
            raise self._failed[voice.place]
        weights = self._held.get(voice.place)
        if weights is not None and not weights.stand(voice):
            self._leaving.append(self._held.pop(voice.place))
            weights = None
        if weights is not None:
            weights.used = time.monotonic()
            return weights
        if self._loading is not None:
            return self._told(self._loading[0])
        return self._begin(voice, busy)

    def _told(self, voice: Voice) -> str:
        again = " again, since its memory had been given to other work" if voice.place in self._given else ""
        return f"loading {voice.base.name}{again}"

    def _begin(self, voice: Voice, busy: set[Weights]) -> str:
        warm()
        need = _bytes_to_come(voice)
        idle = sorted((w for w in self._held.values() if w not in busy), key=lambda w: w.used)
        if self._room() + sum(w.bytes for w in idle) + sum(w.prefixes.bytes for w in self.held()) < need and (
            busy or self._leaving
        ):
            return f"{MEMORY} for {voice.base.name}"  # what the others remember would not make the room
        if self._room() < need:
            for weights in self.held():
                weights.prefixes.forget()
        while self._room() < need and idle:
            self._drop(idle.pop(0))
        if self._room() < need:
            if busy or self._leaving:
                return f"{MEMORY} for {voice.base.name}"
            room = max(self._room(), 0)
            raise NoMemory(
                f"{voice.base.name} takes {need / 1e9:.1f} GB as {speaking_dtype()} and {room / 1e9:.1f} GB are free. "
                "Wait for a training run to end, close other programs, or choose a smaller model."
            )
        future = self._loader.submit(_load, voice)
        self._loading = (voice, future)
        future.add_done_callback(lambda _: self._notify())
        return self._told(voice)

    def _room(self) -> int:
        room = int(free_memory() * (1 - SPARE))
        if self._budget is not None:
            room = min(room, self._budget - sum(w.bytes for w in self.held()))
        return room

    def _drop(self, weights: Weights) -> int:
        import torch

        if weights in self._leaving:
            self._leaving.remove(weights)
        else:
            self._held.pop(weights.place)
        freed = weights.bytes
        weights.forget()
        gc.collect()
        if loading.device().name == "cuda":
            torch.cuda.empty_cache()
        return freed

    def release(self, busy: set[Weights]) -> tuple[int, tuple[str, ...]]:
        """Let go of everything that does not speak; the rest follows when it is done. Bytes freed, and what follows later."""
        self._given |= self._held.keys()
        freed = sum(self._drop(w) for w in self.held() if w not in busy)
        self._leaving += self._held.values()
        self._held = {}
        later = [w.name for w in self._leaving]
        if self._loading is not None:
            self._passing.add(self._loading[0].place)
            later.append(self._loading[0].base.name)
        return freed, tuple(later)

    def close(self) -> None:
        self._loader.shutdown(wait=False, cancel_futures=True)


def _bytes_to_come(voice: Voice) -> int:
    base = Path(voice.base.path)
    stored = sum(path.stat().st_size for path in prints.weight_files(base))
    return stored * ITEM_BYTES[speaking_dtype()] // ITEM_BYTES.get(loading.files_dtype(base), 4)


def _load(voice: Voice) -> Weights:
    try:
        return Weights(voice)
    except TemperError:
        raise
    except Exception as problem:
        if is_out_of_memory(problem):
            raise NoMemory(f"There was not enough memory to load {voice.base.name}. Choose a smaller model.") from problem
        raise

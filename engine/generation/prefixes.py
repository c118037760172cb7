"""What was read and said before, kept as keys and values, so that the next turn of a conversation reads its new tokens only.

Kept by tokens and not by conversation: whatever begins alike is read once, be it the next turn, a branch, an answer that is drawn
again, or the examples that every question of an evaluation begins with. Only the generating thread calls this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEAST = 8  # tokens that are worth keeping
MOST = 64  # beginnings that are kept
MOST_BYTES = 2 * 1024**3  # of all beginnings of a base together, and
SHARE = 0.1  # of the memory that is free


@dataclass(frozen=True)
class Kept:
    """Tokens that were read by an adapter, with keys and values (1, heads, at least as many tokens, width) for each layer."""

    adapter: str
    ids: tuple[int, ...]
    layers: tuple[tuple[Any, Any], ...]

    @property
    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for pair in self.layers for t in pair)


class Prefixes:
    """The beginnings that one base remembers, the one used last at the end."""

    def __init__(self, kept: bool) -> None:
        self.kept = kept  # False: caches of this kind cannot be cut, so every prompt is read anew
        self._held: list[Kept] = []

    @property
    def bytes(self) -> int:
        return sum(kept.bytes for kept in self._held)

    def find(self, adapter: str, ids: Sequence[int]) -> tuple[int, Kept | None]:
        """How many of these tokens need not be read again, the last one always, and where their keys and values are."""
        best, found = 0, None
        for kept in self._held:
            if kept.adapter == adapter:
                same = min(_alike(kept.ids, ids), len(ids) - 1)
                best, found = (same, kept) if same > best else (best, found)
        if found is None or best < LEAST:
            return 0, None
        self._held.remove(found)
        self._held.append(found)
        return best, found

    def take(self, kept: Kept) -> None:
        """Let go of what somebody goes on from in its own place."""
        self._held = [each for each in self._held if each is not kept]

    def keep(self, adapter: str, ids: Sequence[int], cache: Any, row: int, columns: Any, free: int) -> None:
        """Keep what ``row`` of a cache holds in ``columns``, the keys and values of ``ids``, as far as ``free`` bytes allow.

        The only row of a cache leaves its tensors as they are: the cache is not to be used any more."""
        if not self.kept or len(ids) < LEAST or not all(layer.is_initialized for layer in cache.layers):
            return
        if any(kept.adapter == adapter and _alike(kept.ids, ids) == len(ids) for kept in self._held):
            return
        alone = cache.layers[0].keys.shape[0] == 1 and len(columns) == cache.layers[0].keys.shape[2]
        layers = tuple(
            layer.whole if alone else tuple(t[row : row + 1].index_select(2, columns) for t in (layer.keys, layer.values))
            for layer in cache.layers
        )
        # what this one goes on from is told from it as well
        self._held = [k for k in self._held if k.adapter != adapter or _alike(k.ids, ids) < len(k.ids)]
        self._held.append(Kept(adapter, tuple(ids), layers))
        room = min(MOST_BYTES, int(SHARE * free) + self.bytes)
        while len(self._held) > MOST or self.bytes > room:
            self._held.pop(0)

    def forget(self) -> None:
        """Give the memory back."""
        self._held = []


def can_be_cut(cache: Any) -> bool:
    """Whether every layer of a cache keeps each token by itself: those that look through a window or sum up do not."""
    from engine.generation.room import RoomyLayer

    return all(type(layer) is RoomyLayer for layer in cache.layers)


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tuple(one[low:middle]) == tuple(other[low:middle]) else (low, middle - 1)
    return low

"""Finding by words: BM25 as Lucene has it, over the passages of one version and no others.

FTS5 has a ``bm25`` of its own, but it counts every row there is: as an index changes, it would rank an older version otherwise
than before. Here FTS5 gives the words and where they occur, and the arithmetic is ours, which is quicker as well. Words that
occur in more than a tenth of many passages are left out unless nothing else is left: they cost most of the time and weigh little.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy

from storage import passages
from storage.home import Home
from storage.records import Index

K1, B = 1.2, 0.75  # how soon more of a word adds no more, and how much a long passage is held to its length
MOST = 64  # different words of a query
FEW, SHARE = 1_000, 0.1  # a word in more passages than both is common
COUNTED = 50_000  # words whose counts stay in memory
KEPT = 8  # versions whose lengths stay in memory, 4 bytes a passage each


@dataclass(frozen=True)
class Lengths:
    """How many words each passage of a version has, by its number, 0 for those that are not in it."""

    words: numpy.ndarray
    count: int
    mean: float


_kept: OrderedDict[tuple[Path, int], Lengths] = OrderedDict()
_counts: OrderedDict[tuple[Path, int], dict[str, int]] = OrderedDict()
_lock = threading.Lock()


def lengths(home: Home, index: Index, version: int) -> Lengths:
    """The lengths of a version's passages; a version never changes, so they are read once."""
    key = (passages.path(home, index), version)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    pairs = numpy.array(list(passages.lengths(home, index, version)), dtype=numpy.int64).reshape(-1, 2)
    words = numpy.zeros(int(pairs[:, 0].max(initial=0)) + 1, dtype=numpy.int32)
    words[pairs[:, 0]] = numpy.maximum(pairs[:, 1], 1)
    made = Lengths(words, len(pairs), float(words.sum()) / max(len(pairs), 1))
    with _lock:
        _kept[key] = made
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return made


def weights(counts: numpy.ndarray, lengths: numpy.ndarray, mean: float, passages: int) -> numpy.ndarray:
    """What a word adds to the score of each passage in which it occurs ``counts`` times, of ``passages`` in all."""
    rarity = math.log(1 + (passages - len(counts) + 0.5) / (len(counts) + 0.5))
    return rarity * counts / (counts + K1 * (1 - B + B * lengths / mean))


def best(home: Home, index: Index, version: int, query: str, count: int) -> list[tuple[int, float]]:
    """The passages that fit the words of a query best, with their scores, the best first."""
    known = lengths(home, index, version)
    words = list(dict.fromkeys(passages.terms(query)))[:MOST]
    if not words or not known.count:
        return []
    total = passages.total(home, index)
    places = _chosen(_frequencies(home, index, words, total), known, total, _places(home, index, known))
    if not places:
        return []
    scores = numpy.zeros(len(known.words))
    for ids, times in places:
        scores[ids] += weights(times, known.words[ids], known.mean, known.count)
    found = numpy.unique(numpy.concatenate([ids for ids, _ in places]))
    if len(found) > count:
        least = numpy.partition(scores[found], len(found) - count)[len(found) - count]
        found = found[scores[found] >= least]
    order = numpy.lexsort((found, -scores[found]))[:count]
    return [(int(found[i]), float(scores[found[i]])) for i in order]


def _frequencies(home: Home, index: Index, words: list[str], total: int) -> dict[str, int]:
    """In how many passages of all versions each word occurs. FTS5 counts them one by one, and common words are asked for often:
    what was counted is kept for as long as the index holds as many passages."""
    with _lock:
        counts = _counts.setdefault((passages.path(home, index), total), {})
        while len(_counts) > KEPT:
            _counts.popitem(last=False)
    if len(counts) > COUNTED:
        counts.clear()
    found = {word: counts.get(word) for word in words}
    if new := [word for word, count in found.items() if count is None]:
        counted = dict.fromkeys(new, 0) | passages.frequencies(home, index, new)
        counts.update(counted)
        found |= counted
    return {word: count for word, count in found.items() if count}


Places = tuple[numpy.ndarray, numpy.ndarray]  # the passages in which a word occurs, and how often


def _places(home: Home, index: Index, known: Lengths) -> Callable[[str], Places]:
    """What tells where in a version a word occurs."""

    def places(word: str) -> Places:
        ids = numpy.array(passages.occurrences(home, index, word), dtype=numpy.int64)
        ids = ids[ids < len(known.words)]
        return numpy.unique(ids[known.words[ids] > 0], return_counts=True)

    return places


def _chosen(frequencies: dict[str, int], known: Lengths, total: int, places: Callable[[str], Places]) -> list[Places]:
    """Where the words occur that are not common in this version; the rarest of all where every one is.

    ``frequencies`` count the passages of all versions, so where there are others they leave some words to be looked at.
    """
    limit, others = max(FEW, SHARE * known.count), total - known.count
    looked = [places(word) for word, count in frequencies.items() if count - others <= limit]
    chosen = [each for each in looked if 0 < len(each[0]) <= limit]
    if chosen:
        return chosen
    every = [each for each in map(places, frequencies) if len(each[0])]
    return [min(every, key=lambda each: len(each[0]))] if every else []

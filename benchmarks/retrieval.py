"""Searching 100,000 passages: seconds by words, by meaning and by both, what the codes miss, and what an update costs.

Texts are drawn from a vocabulary as skewed as a language's; vectors are mixed from embeddings of real sentences, with noise, so
that they lie as real ones do. No time here holds the embedding of the question, which is measured apart.
"""

import itertools
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata

import numpy
import psutil

from benchmarks.timing import calibration
from engine.retrieval import documents, embedding, indexes, meaning, search, words
from storage import db, passages, publishing
from storage import indexes as rows
from storage.home import Home
from storage.publishing import Cut, Piece
from storage.records import Index

PASSAGES, IN_EACH, QUESTIONS, REAL = 100_000, 100, 200, 2_000
VOCABULARY, LONG = 80_000, 95  # words there are, and words of a passage
WANTED = 10
PROSE = re.compile(r"[A-Za-z][a-z'-]*[,.;:]?")


def retrieval() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        home = Home.resolve(folder)
        db.migrate(home)
        real = _embedding_rate(home)
        index, vectors = _filled(home, real)
        _searches(home, index, real, vectors)
        _update(home)
        db.close_readers()


def _said(name: str, seconds: Sequence[float]) -> None:
    last = numpy.quantile(seconds, 0.95)
    print(f"  {name}: median {1000 * statistics.median(seconds):.1f} ms, p95 {1000 * last:.1f} ms", flush=True)


def _embedding_rate(home: Home) -> numpy.ndarray:
    """Embed passages of real length; their vectors."""
    place = embedding.folder(home, embedding.BUILT_IN)
    texts = _real_texts(REAL)
    embedding.embed(place, texts[:8])  # loads it
    began = time.perf_counter()
    made = embedding.embed(place, texts)
    seconds = time.perf_counter() - began
    tokens = sum(embedding.counter(place)(" ".join(texts).split()))
    print(
        f"  embedding {len(texts):,} passages of {tokens / len(texts):.0f} tokens: {len(texts) / seconds:.0f} a second "
        f"({tokens / seconds:.0f} tokens; calibration {calibration():.3f} s)",
        flush=True,
    )
    return made


def _real_texts(count: int) -> list[str]:
    """Passages of 60 words from what the installed packages say of themselves."""
    whole = " ".join(str(one.metadata.get_payload()) for one in metadata.distributions() if one.metadata is not None)
    told = [word for word in whole.split() if PROSE.fullmatch(word)]
    return [" ".join(told[begin : begin + 60]) for begin in range(0, len(told) - 60, max(1, (len(told) - 60) // count))][:count]


def _filled(home: Home, real: numpy.ndarray) -> tuple[Index, numpy.ndarray]:
    """An index of PASSAGES, made of staged documents in one version, and its vectors."""
    chance = numpy.random.default_rng(0)
    vocabulary, chances = _vocabulary()
    vectors = _mixed(real, PASSAGES, 0.3, chance)
    index = indexes.create(home, "large")
    before, began = psutil.Process().memory_info().rss, time.perf_counter()
    for begin in range(0, PASSAGES, 50 * IN_EACH):
        cut = []
        for document in range(begin, begin + 50 * IN_EACH, IN_EACH):
            cut.append(Cut(f"d{document:06}", "", [Piece("", text) for text in _texts(vocabulary, chances, IN_EACH, chance)]))
        exact = vectors[begin : begin + 50 * IN_EACH].astype(numpy.float16)
        digests = [piece.digest for one in cut for piece in one.pieces]
        publishing.keep_vectors(home, index, {d: row.tobytes() for d, row in zip(digests, exact, strict=True)})
        publishing.stage(home, index, cut)
    made = publishing.publish(home, index, [f"d{i:06}" for i in range(0, PASSAGES, IN_EACH)], [])
    index = rows.publish(home, index.id, made.number, made.documents, made.passages, made.sha256)
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    print(
        f"  {index.passages:,} passages stored in {time.perf_counter() - began:.0f} s, {passages.size(home, index) / 1e6:.0f} MB on disk; "
        f"memory grew by {grown:.0f} MB",
        flush=True,
    )
    return index, vectors


def _vocabulary() -> tuple[numpy.ndarray, numpy.ndarray]:
    syllables = ["".join(pair) for pair in itertools.product("bcdfghklmnprstvw", "aeiou")]
    made = itertools.islice(("".join(word) for n in (1, 2, 3, 4) for word in itertools.product(syllables, repeat=n)), VOCABULARY)
    weights = 1 / numpy.arange(1, VOCABULARY + 1)
    return numpy.array(list(made), dtype=object), numpy.cumsum(weights / weights.sum())


def _texts(vocabulary: numpy.ndarray, chances: numpy.ndarray, count: int, chance: numpy.random.Generator) -> list[str]:
    lengths = numpy.clip(chance.normal(LONG, 20, count).astype(int), 20, 128)
    drawn = vocabulary[numpy.minimum(numpy.searchsorted(chances, chance.random(lengths.sum())), VOCABULARY - 1)]
    return [" ".join(part) for part in numpy.split(drawn, numpy.cumsum(lengths)[:-1])]


def _mixed(real: numpy.ndarray, count: int, noise: float, chance: numpy.random.Generator) -> numpy.ndarray:
    """Vectors between pairs of real ones, with noise of that length."""
    first, second = chance.integers(0, len(real), (2, count))
    share = chance.random((count, 1), dtype=numpy.float32)
    made = real[first] * share + real[second] * (1 - share)
    made /= numpy.linalg.norm(made, axis=1, keepdims=True)
    made += chance.normal(size=made.shape).astype(numpy.float32) * (noise / made.shape[1] ** 0.5)
    return (made / numpy.linalg.norm(made, axis=1, keepdims=True)).astype(numpy.float32)


def _searches(home: Home, index: Index, real: numpy.ndarray, vectors: numpy.ndarray) -> None:
    """Seconds of each way of searching, and what is missed beside exact search."""
    chance = numpy.random.default_rng(1)
    asked = _mixed(real, QUESTIONS, 0.5, chance)
    ids = chance.integers(1, index.passages, QUESTIONS)
    texts = [passages.get(home, index, [int(n)])[int(n)].text.split() for n in ids]
    queries = [" ".join(chance.choice(text, 12)) for text in texts]
    before = psutil.Process().memory_info().rss

    def both(i: int) -> None:
        found = search.fused(
            words.best(home, index, 1, queries[i], search.DEPTH), meaning.best(home, index, 1, asked[i], search.DEPTH)
        )
        passages.get(home, index, [place.id for place in found[:4]])

    ways: dict[str, Callable[[int], object]] = {
        "by words": lambda i: words.best(home, index, 1, queries[i], search.DEPTH),
        "by meaning": lambda i: meaning.best(home, index, 1, asked[i], search.DEPTH),
        "by both, with the texts": both,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(-5, QUESTIONS):
        for name, way in ways.items():
            began = time.perf_counter()
            way(max(i, 0))
            times[name] += [time.perf_counter() - began] if i >= 0 else []
    for name, seconds in times.items():
        _said(name, seconds)
    found = 0
    for question in asked:
        nearest = {int(n) + 1 for n in numpy.argpartition(-(vectors @ question), WANTED)[:WANTED]}
        found += len(nearest & {number for number, _ in meaning.best(home, index, 1, question, WANTED)})
    print(
        f"  recall of the {WANTED} nearest by meaning: {found / WANTED / QUESTIONS:.4f} of exact search (claimed: at least 0.98)"
    )
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    print(f"  memory grew by {grown:.0f} MB while searching; calibration {calibration():.3f} s", flush=True)


def _update(home: Home) -> None:
    """Change one document of a hundred: what is cut and embedded anew, and how long it takes."""
    index = indexes.create(home, "small", settings={"passage_tokens": 64})
    sentences = _real_texts(200)
    texts = [documents.of_text(f"d{i}", " ".join(sentences[2 * i : 2 * i + 2])) for i in range(100)]
    began = time.perf_counter()
    first = indexes.update(home, index, texts)
    whole = time.perf_counter() - began
    texts[42] = documents.of_text("d42", "The text that took its place.")
    began = time.perf_counter()
    second = indexes.update(home, indexes.find(home, "small"), texts)
    share = time.perf_counter() - began
    print(
        f"  100 documents: {first.passages_embedded} passages embedded in {whole:.1f} s; one of them changed: "
        f"{second.changed} changed, {second.same} the same, {second.passages_embedded} passage embedded in {share:.2f} s",
        flush=True,
    )

"""Searching an index: by words, by meaning, or by both, fused by the places that a passage has in the two lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.errors import BadInput
from engine.retrieval import embedding, indexes, meaning, words
from engine.retrieval.extraction import clean
from engine.retrieval.hits import Hit
from storage import passages
from storage.home import Home
from storage.records import Index

LONGEST = 20_000  # characters of a query that are read
MOST = 50  # passages that may be asked for
DEPTH = 50  # places of each list that are fused
TIMES = 4  # as many candidates by meaning as passages are asked for
SMOOTH = 60  # Cormack, Clarke and Buettcher 2009: how little the first places count for more than those below
WAYS = ("both", "words", "meaning")
Ranked = Sequence[tuple[int, float]]  # passages with their scores, the best first


@dataclass(frozen=True)
class Place:
    """A passage by its number, with its score and its places in the two lists."""

    id: int
    score: float
    words_rank: int | None
    meaning_rank: int | None


def search(
    home: Home, index: Index, queries: Sequence[str], k: int = 4, *, version: int | None = None, by: str = "both"
) -> list[list[Hit]]:
    """For each query the ``k`` passages that fit best, the best first, in the newest version or the one that is named.

    A text that stands in the index several times is found once. Nothing is found for a query without words. BadInput for what
    cannot be searched so.
    """
    if not 1 <= k <= MOST:
        raise BadInput(f"From 1 to {MOST} passages can be asked for, not {k}.")
    if by not in WAYS:
        raise BadInput(f"Passages are found by {', '.join(WAYS[:-1])} or {WAYS[-1]}, not by {by!r}.")
    at = indexes.at(home, index, index.version if version is None else version)
    if not at.version:
        raise BadInput(indexes.EMPTY.format(index.name))
    with indexes.whole(home, at):
        found = [found[: k if not at.settings["reranker"] else max(k, DEPTH)] for found in _ranked(home, at, queries, k, by)]
        texts = passages.get(home, at, sorted({place.id for places in found for place in places}))
        hits = [[Hit(texts[p.id], p.score, p.words_rank, p.meaning_rank) for p in places] for places in found]
    if at.settings["reranker"]:
        hits = [_reranked(home, at, query, each) for query, each in zip(queries, hits, strict=True)]
    return [each[:k] for each in hits]


def _ranked(home: Home, index: Index, queries: Sequence[str], k: int, by: str) -> list[list[Place]]:
    """For each query the passages in order, each text once."""
    queries = [clean(query[:LONGEST]) for query in queries]  # nothing that no tokenizer takes, such as half a character
    asked = [query for query in queries if query]
    vectors = iter(())
    if asked and by != "words":
        place = indexes.place_of(home, index)
        vectors = iter(embedding.embed(place, asked, questions=True))
    found = []
    for query in queries:
        by_words: Ranked = []
        by_meaning: Ranked = []
        if query and by != "meaning":
            by_words = words.best(home, index, index.version, query, DEPTH)
        if query and by != "words":
            by_meaning = meaning.best(home, index, index.version, next(vectors), DEPTH, TIMES * k)
        found.append(fused(_once(home, index, by_words), _once(home, index, by_meaning), by))
    return found


def _once(home: Home, index: Index, ranked: Ranked) -> Ranked:
    """A list in which a text that stands in several documents has one place, under the first of them."""
    twins, scores = passages.twins(home, index, [number for number, _ in ranked]), {}
    for number, score in ranked:
        scores.setdefault(twins[number], score)
    return list(scores.items())


def fused(by_words: Ranked, by_meaning: Ranked, by: str = "both") -> list[Place]:
    """Two lists as one, by reciprocal rank: places count, scores do not, since those of the two cannot be compared."""
    placed: list[Mapping[int, int]] = [{number: i for i, (number, _) in enumerate(each, 1)} for each in (by_words, by_meaning)]
    scores = dict(by_words if by == "words" else by_meaning)
    if by == "both":
        scores = {n: sum(1 / (SMOOTH + of[n]) for of in placed if n in of) for n in placed[0].keys() | placed[1].keys()}
    made = [Place(n, score, placed[0].get(n), placed[1].get(n)) for n, score in scores.items()]
    return sorted(made, key=lambda one: (-one.score, one.words_rank or DEPTH + 1, one.id))


def _reranked(home: Home, index: Index, query: str, hits: list[Hit]) -> list[Hit]:
    """The same hits in the order of a model that reads question and passage together."""
    if not hits:
        return hits
    texts = [f"{hit.passage.heading}\n{hit.passage.text}".strip() for hit in hits]
    scores = embedding.scores(indexes.place_of(home, index, "reranker"), clean(query[:LONGEST]), texts)
    return sorted((replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)), key=lambda hit: -hit.score)

"""What a search finds. Light to import: pages and the host's client hold these without what finds them."""

from dataclasses import dataclass

from storage.records import Passage


@dataclass(frozen=True)
class Hit:
    """A passage that was found. ``score`` is BM25 by words, a cosine by meaning, the sum of 1 / (60 + place) by both, and what a
    reranker says where the index has one. Places count from 1; None where a list does not have the passage."""

    passage: Passage
    score: float
    words_rank: int | None
    meaning_rank: int | None

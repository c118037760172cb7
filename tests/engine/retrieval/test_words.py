"""BM25 over one version: the same ranks as a library that does nothing else, whatever else the index holds."""

import random

import bm25s
import numpy
import pytest

from engine.retrieval import words
from storage import indexes, passages, publishing
from storage.home import Home
from storage.publishing import Cut, Piece
from storage.records import Index

VOCABULARY = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(400)]


@pytest.fixture
def index(home: Home) -> Index:
    made = indexes.insert(home, "words", {})
    assert made is not None
    return made


def publish(home: Home, index: Index, texts: dict[str, str], removed: list[str] | None = None) -> Index:
    """A version with a document of one passage for each text; the vectors say nothing."""
    cut = [Cut(name, text, [Piece("", text)]) for name, text in texts.items()]
    publishing.keep_vectors(home, index, {one.pieces[0].digest: numpy.ones(8, numpy.float16).tobytes() for one in cut})
    publishing.stage(home, index, cut)
    made = publishing.publish(home, index, texts, removed or [])
    return indexes.publish(home, index.id, made.number, made.documents, made.passages, made.sha256)


def drawn(seed: int, count: int) -> dict[str, str]:
    chance = random.Random(seed)
    weights = [1 / (i + 1) for i in range(len(VOCABULARY))]
    return {f"{seed}-{i}": " ".join(chance.choices(VOCABULARY, weights, k=chance.randint(3, 90))) for i in range(count)}


def by_library(texts: dict[str, str], query: str) -> dict[str, float]:
    retriever = bm25s.BM25(k1=words.K1, b=words.B, method="lucene")
    retriever.index([passages.terms(text) for text in texts.values()], show_progress=False)
    scores = retriever.get_scores(list(dict.fromkeys(passages.terms(query))))
    return {name: float(score) for name, score in zip(texts, scores, strict=True) if score > 0}


def by_temper(home: Home, index: Index, version: int, query: str) -> dict[str, float]:
    found = words.best(home, index, version, query, 10_000)
    names = passages.get(home, index, [number for number, _ in found])
    return {names[number].document: score for number, score in found}


def test_scores_are_those_of_bm25s_on_the_same_words(home: Home, index: Index) -> None:
    texts, chance = drawn(1, 300), random.Random(2)
    index = publish(home, index, texts)
    for _ in range(40):
        query = " ".join(chance.choices(VOCABULARY, k=chance.randint(1, 12)))
        ours, theirs = by_temper(home, index, 1, query), by_library(texts, query)
        assert ours == pytest.approx(theirs, rel=1e-5)
        assert list(ours.values()) == sorted(ours.values(), reverse=True)


def test_an_older_version_is_ranked_by_itself_alone_to_the_last_digit(home: Home, index: Index) -> None:
    first, second = drawn(1, 60), drawn(2, 200)
    queries = [" ".join(random.Random(i).choices(VOCABULARY, k=6)) for i in range(20)]
    index = publish(home, index, first)
    before = [by_temper(home, index, 1, query) for query in queries]
    index = publish(home, index, second, removed=list(first)[:30])
    words._kept.clear()
    assert [by_temper(home, index, 1, query) for query in queries] == before
    now = dict(list(first.items())[30:]) | second
    for query in queries:
        assert by_temper(home, index, 2, query) == pytest.approx(by_library(now, query), rel=1e-5)


def test_common_words_are_left_out_of_many_passages_by_the_version_that_is_searched(
    home: Home, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "FEW", 5)
    texts = {str(i): f"the plain text {'rare' if i < 3 else 'usual'} number{i}" for i in range(50)}
    index = publish(home, index, texts)
    assert set(by_temper(home, index, 1, "the rare text")) == {"0", "1", "2"}
    assert len(by_temper(home, index, 1, "the usual text")) == 47, "nothing but common words: the rarest of them"
    index = publish(home, index, {f"more{i}": "rare" for i in range(100)})
    assert set(by_temper(home, index, 1, "the rare number7")) == {"0", "1", "2", "7"}, "it became common only later"


def test_words_are_folded_and_cut_as_those_of_passages(home: Home, index: Index) -> None:
    index = publish(home, index, {"a": "Größe: ÉCOLES—vaccinations", "b": "other"})
    for query in ("grosse", "größe", "école", "VACCINATION", "vaccinations!"):
        assert bool(by_temper(home, index, 1, query)) == (query != "grosse"), query


@pytest.mark.parametrize(
    "query",
    ["", "   ", '"', '"" OR', "*", "NEAR(", "text:other", "other AND", "^other", "-", "other*", "(((", "\0", "' --", "other " * 50_000, "x" * 300_000],
)  # fmt: skip
def test_no_query_is_a_command(home: Home, index: Index, query: str) -> None:
    index = publish(home, index, {"a": "other text", "b": "near"})
    assert set(by_temper(home, index, 1, query)) <= {"a", "b"}


def test_nothing_is_found_in_a_version_without_passages(home: Home, index: Index) -> None:
    index = publish(home, index, {"a": "text"})
    index = publish(home, index, {}, removed=["a"])
    assert by_temper(home, index, 2, "text") == {} and set(by_temper(home, index, 1, "text")) == {"a"}

"""Vectors found by their codes and compared exactly: nearly all of the nearest, with sqlite-vec and without."""

from collections.abc import Callable

import numpy
import pytest

from engine.retrieval import meaning
from storage import indexes, passages, publishing
from storage.home import Home
from storage.publishing import Cut, Piece
from storage.records import Index

SIZE, NUMBERS = 3_000, 100  # a size that is no multiple of 64


@pytest.fixture(params=["sqlite-vec", "without"])
def vectors_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without":
        monkeypatch.setattr(passages, "_load_vectors", lambda connection: None)
    return request.param


def drawn(count: int, seed: int) -> numpy.ndarray:
    """Vectors that lie as real ones do: around a common middle, in clouds."""
    chance = numpy.random.default_rng(seed)
    clouds = numpy.random.default_rng(9).normal(size=(40, NUMBERS)) + 1.0
    made = clouds[chance.integers(0, 40, count)] + 0.7 * chance.normal(size=(count, NUMBERS))
    return (made / numpy.linalg.norm(made, axis=1, keepdims=True)).astype(numpy.float32)


def publish(home: Home, index: Index, vectors: numpy.ndarray, prefix: str, removed: tuple[str, ...] = ()) -> Index:
    """A version with a document for each hundred vectors, a passage each."""
    names = []
    for begin in range(0, len(vectors), 100):
        pieces = [Piece("", f"{prefix} {begin + i}") for i in range(len(vectors[begin : begin + 100]))]
        exact = [row.tobytes() for row in vectors[begin : begin + 100].astype(numpy.float16)]
        publishing.keep_vectors(home, index, {piece.digest: row for piece, row in zip(pieces, exact, strict=True)})
        names.append(f"{prefix}{begin}")
        publishing.stage(home, index, [Cut(names[-1], "", pieces)])
    made = publishing.publish(home, index, names, removed)
    return indexes.publish(home, index.id, made.number, made.documents, made.passages, made.sha256)


def found(home: Home, index: Index, version: int, questions: numpy.ndarray) -> list[list[str]]:
    ranked = [meaning.best(home, index, version, question, 10) for question in questions]
    return [[passages.get(home, index, [n])[n].text for n, _ in each] for each in ranked]


def exact(vectors: numpy.ndarray, prefix: str, questions: numpy.ndarray) -> list[list[str]]:
    return [[f"{prefix} {i}" for i in numpy.argsort(-(vectors @ question))[:10]] for question in questions]


@pytest.fixture
def index(home: Home) -> Index:
    made = indexes.insert(home, "vectors", {})
    assert made is not None
    return made


def recall(ours: list[list[str]], theirs: list[list[str]]) -> float:
    return sum(len(set(a) & set(b)) for a, b in zip(ours, theirs, strict=True)) / sum(map(len, theirs))


def test_the_nearest_are_found_and_an_older_version_keeps_its_own(home: Home, index: Index, vectors_by: str) -> None:
    first, second, questions = drawn(SIZE, 1), drawn(1_000, 2), drawn(40, 3)
    index = publish(home, index, first, "first")
    before = found(home, index, 1, questions)
    assert recall(before, exact(first, "first", questions)) >= 0.98
    index = publish(home, index, second, "second", removed=tuple(f"first{i}" for i in range(0, SIZE, 100)))
    assert recall(found(home, index, 2, questions), exact(second, "second", questions)) >= 0.98
    assert found(home, index, 1, questions) == before


def test_few_vectors_are_all_compared_and_stay_so(home: Home, index: Index, vectors_by: str) -> None:
    first, questions = drawn(400, 1), drawn(40, 3)
    index = publish(home, index, first, "first")
    assert passages.centre(home, index) is None
    before = found(home, index, 1, questions)
    assert recall(before, exact(first.astype(numpy.float16).astype(numpy.float32), "first", questions)) == 1
    index = publish(home, index, drawn(1_000, 2), "second")
    assert passages.centre(home, index) is not None
    assert recall(found(home, index, 1, questions), before) >= 0.98


def test_what_was_made_without_sqlite_vec_is_searched_with_it_and_the_other_way_round(
    home: Home, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    load: Callable[..., None] = passages._load_vectors
    first, second, questions = drawn(SIZE, 1), drawn(500, 2), drawn(20, 3)
    index = publish(home, index, first, "first")
    coded = found(home, index, 1, questions)

    monkeypatch.setattr(passages, "_load_vectors", lambda connection: None)
    passages.db.close_readers()
    assert found(home, index, 1, questions) == coded, "codes are scanned here instead"
    index = publish(home, index, second, "second")
    scanned = found(home, index, 2, questions)

    monkeypatch.setattr(passages, "_load_vectors", load)
    passages.db.close_readers()
    code = publishing.coded(questions[0], numpy.frombuffer(passages.centre(home, index) or b"", numpy.float32)).tobytes()
    assert passages.nearest(home, index, 2, code, 10) is None, "the table of codes is behind"
    assert found(home, index, 2, questions) == scanned
    index = publish(home, index, drawn(100, 4), "third")
    assert passages.nearest(home, index, 2, code, 10), "and is made anew with the next version"
    assert found(home, index, 2, questions) == scanned and found(home, index, 1, questions) == coded

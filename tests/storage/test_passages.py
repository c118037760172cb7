"""The file of an index: what it cuts into words, what a version holds, and that it is never half a version."""

from pathlib import Path

import numpy
import pytest

from storage import db, indexes, passages, publishing
from storage.home import Home
from storage.publishing import Cut, Piece
from storage.records import Index


@pytest.fixture
def index(home: Home) -> Index:
    made = indexes.insert(home, "first", {"passage_tokens": 32})
    assert made is not None
    return made


def add(home: Home, index: Index, *names: str, removed: tuple[str, ...] = ()) -> Index:
    """A version with documents of two passages each."""
    cut = [Cut(name, f"hash of {name}", [Piece("Title", f"{name} one"), Piece("", f"{name} two words")]) for name in names]
    vector = numpy.ones(16, numpy.float16).tobytes()
    publishing.keep_vectors(home, index, {piece.digest: vector for one in cut for piece in one.pieces})
    publishing.stage(home, index, cut)
    made = publishing.publish(home, index, names, removed)
    return indexes.publish(home, index.id, made.number, made.documents, made.passages, made.sha256)


def test_a_name_is_given_once_and_a_row_never_goes_back(home: Home, index: Index) -> None:
    assert indexes.insert(home, "first", {}) is None
    index = add(home, index, "a")
    index = add(home, index, "b")
    assert (index.version, index.documents, index.passages) == (2, 2, 4)
    assert indexes.publish(home, index.id, 1, 0, 0, "") == index
    assert indexes.find(home, "#1") == indexes.find(home, "first") == index and indexes.find(home, "#9") is None


def test_a_version_holds_what_it_was_published_with(home: Home, index: Index) -> None:
    index = add(home, index, "a", "b")
    index = add(home, index, "c", removed=("a",))
    held = {version: [one.name for one in passages.documents(home, index, version)] for version in (0, 1, 2)}
    assert held == {0: [], 1: ["a", "b"], 2: ["b", "c"]}
    assert [(one.number, one.documents, one.passages) for one in passages.versions(home, index)] == [(1, 2, 4), (2, 2, 4)]
    assert dict(passages.lengths(home, index, 1)) == {1: 3, 2: 3, 3: 3, 4: 3}, "the words of heading and text"
    assert [number for number, _ in passages.vectors(home, index, version=2)] == [3, 4, 5, 6]
    found = passages.get(home, index, [1, 6])
    assert (found[1].document, found[1].heading, found[1].text) == ("a", "Title", "a one") and found[6].position == 1


def test_the_length_of_a_passage_is_right_however_long_it_is(home: Home, index: Index) -> None:
    lengths = [1, 127, 128, 5_000, 20_000]
    cut = [Cut(str(i), "", [Piece("", "word " * n)]) for i, n in enumerate(lengths)]
    publishing.keep_vectors(home, index, {one.pieces[0].digest: b"\0\0" for one in cut})
    publishing.stage(home, index, cut)
    made = publishing.publish(home, index, [one.name for one in cut], [])
    index = indexes.publish(home, index.id, made.number, made.documents, made.passages, made.sha256)
    assert list(dict(passages.lengths(home, index, 1)).values()) == lengths


def test_a_transaction_that_fails_leaves_nothing(home: Home, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index = add(home, index, "a")
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_version", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            add(home, index, "b", removed=("a",))
    assert [one.name for one in passages.documents(home, index, 2)] == ["a"] and len(passages.versions(home, index)) == 1
    assert publishing.staged(home, index) == {"b": "hash of b"}
    assert publishing.faults(home, index) == []


def test_vectors_that_are_there_are_not_asked_for_again(home: Home, index: Index) -> None:
    pieces = [Piece("", "a one"), Piece("Title", "a one"), Piece("", "new"), Piece("", "new")]
    assert len(publishing.without_vector(home, index, pieces)) == 3, "there is no file yet"
    add(home, index, "a")
    assert [piece.text for piece in publishing.without_vector(home, index, pieces)] == ["a one", "new"]


def test_reading_a_file_that_is_not_there_does_not_make_one(home: Home, index: Index) -> None:
    with pytest.raises(passages.Gone):
        passages.total(home, index)
    assert passages.versions(home, index) == [] and list(home.indexes.iterdir()) == []


def test_a_reader_cannot_write_and_sees_whole_versions_only(home: Home, index: Index) -> None:
    index = add(home, index, "a")
    with pytest.raises(db.sqlite3.OperationalError, match="readonly|query_only|read-only"):
        passages.reader(home, index).execute("DELETE FROM document")
    with passages.writing(home, index) as connection:
        connection.execute("UPDATE document SET died = 2")
        connection.execute("UPDATE version SET number = 2")
        assert [one.number for one in passages.versions(home, index)] == [1]
    assert passages.documents(home, index, 2) == []


def test_a_deleted_index_leaves_no_file_and_its_number_brings_nothing_back(home: Home, index: Index) -> None:
    index = add(home, index, "a")
    assert indexes.delete(home, index.id)
    passages.delete(home, index)
    assert list(home.indexes.iterdir()) == []
    again = indexes.insert(home, "second", {})
    assert again is not None and again.id == index.id and passages.path(home, again) != passages.path(home, index)


def test_terms_are_folded_words_and_stems() -> None:
    assert passages.terms('The CAFÉ\'s "otters" NEAR(x) a_b 3.5') == [
        "the",
        "cafe",
        "s",
        "otter",
        "near",
        "x",
        "a",
        "b",
        "3",
        "5",
    ]
    assert passages.terms("") == []


def test_codes_are_a_bit_a_number(tmp_path: Path) -> None:
    code = publishing.coded(numpy.array([1.0, -1, 0, 2, 1, 1, 1, 1, 5]), numpy.zeros(9))
    assert [int(byte) for byte in code] == [0b11111001, 0b1]

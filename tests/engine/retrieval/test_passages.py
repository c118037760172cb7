"""How a document is cut: by tokens, with an overlap, never within a word, at the ends of sentences where it can be."""

import random
import re
import time

import pytest

from engine.retrieval.extraction import Section
from engine.retrieval.passages import WORD, cut


def one_each(words) -> list[int]:
    """A tokenizer for which each word is one token."""
    return [1] * len(words)


def letters(words) -> list[int]:
    """A tokenizer for which each sign is one token."""
    return [len(word.strip()) for word in words]


def texts(text: str, most: int, overlap: int, count=one_each) -> list[str]:
    return [piece.text for piece in cut([Section("", text)], most, overlap, count)]


def test_what_fits_is_one_passage_and_nothing_gives_none() -> None:
    assert texts("one two three", 3, 1) == ["one two three"]
    assert texts("", 3, 1) == []
    assert cut([Section("A heading", ""), Section("B", "text")], 8, 2, one_each)[0].text == "A heading"


def test_passages_end_with_sentences_and_begin_with_whole_ones_of_the_last() -> None:
    text = "One two three. Four five. Six seven eight nine. Ten."
    assert texts(text, 8, 3) == ["One two three. Four five.", "Four five. Six seven eight nine. Ten."]


def test_a_paragraph_is_a_better_end_than_a_sentence() -> None:
    text = "One two three four five.\n\nSix. Seven. Eight nine ten eleven"
    assert texts(text, 8, 0) == ["One two three four five.", "Six. Seven. Eight nine ten eleven"]


def test_the_heading_goes_with_each_passage() -> None:
    found = cut([Section("Ports", "a b c d e f"), Section("", "g")], 4, 1, one_each)
    assert [(piece.heading, piece.text) for piece in found] == [("Ports", "a b c d"), ("Ports", "d e f"), ("", "g")]
    assert found[0].written == "Ports\na b c d"


@pytest.mark.parametrize("count", [one_each, letters])
def test_whatever_is_cut_no_word_is_lost_or_cut_and_no_passage_is_too_long(count) -> None:
    chance = random.Random(0)
    for _ in range(300):
        words = [
            "w" * chance.randint(1, 12) + chance.choice(["", "", ".", "!", ",", "\n", "\n\n"])
            for _ in range(chance.randint(1, 80))
        ]
        text = " ".join(f"{i:03}{word}" for i, word in enumerate(words))
        most = chance.randint(16, 40)
        overlap = chance.randint(0, (most - 1) // 2)
        found = texts(text, most, overlap, count)
        for passage in found:
            assert passage in text
            assert sum(count(WORD.findall(passage))) <= most or len(passage.split()) == 1
        # each begins within the one before it, or right after it, and after that one's begin
        places = [(place := text.index(passage), place + len(passage)) for passage in found]
        for (begin, end), (following, after) in zip(places, places[1:], strict=False):
            assert begin < following and end < after and not text[end:following].strip()
            assert sum(count(WORD.findall(text[following:end]))) <= overlap
        assert places[0][0] == 0 and places[-1][1] == len(text.rstrip())
        assert all(re.match(r"\s|$", text[end:]) for _, end in places)


def test_what_is_written_without_spaces_is_cut_and_quickly() -> None:
    begun = time.monotonic()
    found = texts("x" * 200_000, 128, 24, letters)
    assert "".join(found) == "x" * 200_000 and max(map(len, found)) <= 128
    assert time.monotonic() - begun < 10
    assert texts("予防接種は毎年。次の文です。終わり", 10, 0) == ["予防接種は毎年。", "次の文です。終わり"]
    assert len(texts("a " * 200_000, 128, 24)) > 1500

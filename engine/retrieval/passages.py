"""A document cut into passages: as long as an embedder takes in well, with an overlap, and at the ends of sentences where it can be."""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate

from engine.retrieval.extraction import Section
from storage.publishing import Piece

# a word with the space after it. What is written without spaces is cut at every sign (Chinese, Japanese) or every 100th.
WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]\s*|[^\s\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]{1,100}\s*"
)
SENTENCE = re.compile(r""".*[.!?\u2026\u3002\uff01\uff1f]["'\u201d\u2019\u00bb)\]]*\s*""", re.DOTALL)
PARAGRAPH, END, LINE = 3, 2, 1  # how good a place it is to cut after a word
Counter = Callable[[Sequence[str]], Sequence[int]]


def cut(sections: Sequence[Section], most: int, overlap: int, count: Counter) -> list[Piece]:
    """The passages of a document, each of at most ``most`` tokens and beginning up to ``overlap`` tokens before the last one's end.

    ``count`` tells the tokens of each of several words. No word is cut; one that alone has more tokens is a passage of its own.
    ``overlap`` is less than half of ``most``. Words that stand in several passages are the same in all.
    """
    found = []
    for section in sections:
        words = WORD.findall(section.text)
        # a heading with nothing below it still says something
        texts = _texts(words, most, overlap, count) if words else [section.heading]
        found += [Piece(section.heading if words else "", text) for text in texts if text]
    return found


def _texts(words: Sequence[str], most: int, overlap: int, count: Counter) -> list[str]:
    sums = [0, *accumulate(count(words))]  # tokens before each word
    goodness = [_goodness(word, following) for word, following in zip(words, [*words[1:], ""], strict=True)]
    found, start, done = [], 0, 0
    while done < len(words):
        full = start + 1
        while full < len(words) and sums[full + 1] - sums[start] <= most:
            full += 1
        if full <= done:  # the word that follows has no room beside the overlap
            start = done
            continue
        end = full
        if full < len(words):
            # the best place within the second half, the last of equals
            places = [i for i in range(start + 1, full + 1) if i > done and 2 * (sums[i] - sums[start]) >= most]
            end = max(places, key=lambda i: (goodness[i - 1], i), default=full)
        found.append("".join(words[start:end]).strip())
        done = end
        start = _begin(sums, goodness, start, end, overlap)
    return found


def _begin(sums: Sequence[int], goodness: Sequence[int], start: int, end: int, overlap: int) -> int:
    """Where the next passage begins: with a whole sentence within the overlap, else with as many words as it allows."""
    places = [i for i in range(start + 1, end + 1) if sums[end] - sums[i] <= overlap]
    sentences = [i for i in places if i < end and goodness[i - 1] >= END]
    return sentences[0] if sentences else places[0] if places else end


def _goodness(word: str, following: str) -> int:
    space = word[len(word.rstrip()) :]
    if space.count("\n") > 1:
        return PARAGRAPH
    if SENTENCE.fullmatch(word) and (space or not following.isascii()):
        return END
    return LINE if "\n" in space else 0

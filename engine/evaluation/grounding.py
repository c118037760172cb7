"""Whether an answer rests on the passages it was given: which of its claims they support, and whether what it cites is right.

By default a claim is supported where one passage holds its numbers, its names and most of its other words. That is a rule about
words: it misses paraphrases and contradictions in the same words. An entailment model (a cross-encoder for natural language
inference) or a judge decides instead where one is named.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.evaluation import judge as judging

CITED = re.compile(r"\[(\d{1,3})\]")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+")
ENOUGH = 0.7  # of a claim's words that a passage holds
SMALL = frozenset(
    "a about also an and answer are as at be been but by can could did do does for from had has have he her his how i if in into is it "
    "its may more most no not of on one or our she so some such text than that the their them there these they this to was we were "
    "what when where which who will with would yes you your".split()
)
Entails = Callable[[str, str], bool]  # passage, claim


@dataclass(frozen=True)
class Grounding:
    """How many claims an answer makes and how many the passages support; how many citations it has and how many of the passages
    cited support the claim they stand in."""

    claims: int
    supported: int
    citations: int
    right: int

    @property
    def faithful(self) -> bool:
        """Whether the passages support all that is claimed."""
        return self.supported == self.claims


def claims(answer: str) -> list[str]:
    """The sentences of an answer that say something."""
    return [part.strip() for part in SENTENCE.split(answer.strip()) if _words(part)]


def _words(text: str) -> list[str]:
    return [word for word in WORD.findall(CITED.sub(" ", text).casefold()) if word not in SMALL]


def _stem(word: str) -> str:
    """A word without the ending that an English plural or verb has, so that "opens" is "open"."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def supported(claim: str, passage: str) -> bool:
    """Whether a passage holds the numbers of a claim and most of its words."""
    wanted, there = _words(claim), {_stem(word) for word in _words(passage)}
    if not wanted or any(word[0].isdigit() and word not in there for word in wanted):
        return False
    return sum(_stem(word) in there for word in wanted) >= ENOUGH * len(wanted)


def names(question: str) -> list[str]:
    """The names in a question: its words that begin with a capital, but for those that begin a sentence."""
    told = [word.lstrip("\"'([{") for sentence in SENTENCE.split(question.strip()) for word in sentence.split()[1:]]
    words = [part for word in told if word[:1].isupper() for part in WORD.findall(re.sub(r"['’]s\b", "", word))]
    return [word for word in dict.fromkeys(words) if word.casefold() not in SMALL]


def has_names(passage: str, names: Sequence[str]) -> bool:
    """Whether a passage has all of these names."""
    there = {word.casefold() for word in WORD.findall(passage)}
    return all(name.casefold() in there for name in names)


def ground(answer: str, passages: Sequence[str], entails: Entails | None = None) -> Grounding:
    """How an answer rests on the numbered ``passages`` (the first is [1]) that stood before it."""

    def holds(passage: str, claim: str) -> bool:
        return entails(passage, CITED.sub("", claim)) if entails else supported(claim, passage)

    said = claims(answer)
    cited = [(claim, int(number)) for claim in said for number in CITED.findall(claim)]
    right = sum(0 < number <= len(passages) and holds(passages[number - 1], claim) for claim, number in cited)
    backed = sum(any(holds(passage, claim) for passage in passages) for claim in said)
    return Grounding(len(said), backed, len(cited), right)


def sources(answer: str, passages: Sequence[str]) -> list[int]:
    """The numbers (from 1) of the passages that an answer cites, or where it cites none, of those that support a claim of it."""
    cited = {int(number) for number in CITED.findall(answer)}
    if cited:
        return sorted(number for number in cited if 0 < number <= len(passages))
    return [n for n, passage in enumerate(passages, 1) if any(supported(claim, passage) for claim in claims(answer))]


class Judged:
    """A judge in the place of the rule; replies that hold no verdict are counted, and support nothing."""

    def __init__(self, ask: Callable[[list[dict[str, str]]], str]) -> None:
        self._ask, self.unread = ask, 0

    def __call__(self, passage: str, claim: str) -> bool:
        """Whether the judge says that a passage supports a claim."""
        told = judging.supports(self._ask, passage, claim)
        self.unread += told is None
        return bool(told)


@cache
def entailment(model: str) -> Entails:
    """What says whether a passage entails a claim: a cross-encoder by its hub id or folder, loaded once."""
    from sentence_transformers import CrossEncoder

    loaded: Any = CrossEncoder(model, trust_remote_code=False, model_kwargs={"use_safetensors": True})
    labels = {str(name).lower(): int(place) for place, name in loaded.model.config.id2label.items()}
    place = labels.get("entailment")

    def entails(passage: str, claim: str) -> bool:
        scores = loaded.predict([(passage, claim)])[0]
        return bool(scores.argmax() == place) if place is not None else bool(float(scores) > 0.5)

    return entails

"""How well an index is searched: for questions whose answer is known, whether and where a passage that holds it is found."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.evaluation import intervals, prompts
from engine.retrieval import search
from storage.home import Home
from storage.records import Dataset, Index, Interval, Passage

HOLDING = ("contains", "exact", "number", "one_of")  # checks whose value a passage has to hold
DOCUMENTS = "documents"  # a column that names the documents that answer a question
WORD = re.compile(r"\w+")
AT_ONCE = 200  # questions between two signs of life


@dataclass(frozen=True)
class Measured:
    """Over ``questions``: the share of what is relevant among the first ``k``, the mean of 1 / the place of the first relevant one
    (0 where there is none), and how many rows told of nothing that could be found."""

    k: int
    by: str
    version: int
    recall: Interval
    reciprocal_rank: Interval
    left_out: int


@dataclass(frozen=True)
class Wanted:
    """What a question is to find: the passages of certain documents, or any passage that holds one of the answers."""

    question: str
    documents: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    def found(self, passages: Sequence[Passage]) -> list[int]:
        """For each thing that is wanted the place (from 1) of the first passage that has it, 0 for none."""
        if self.documents:
            return [first(passages, lambda one, name=name: one.document == name) for name in self.documents]
        return [first(passages, lambda one: any(holds(f"{one.heading}\n{one.text}", answer) for answer in self.answers))]


def first(passages: Sequence[Passage], fits: Callable[[Passage], bool]) -> int:
    """The place, from 1, of the first passage that fits; 0 where none does."""
    return next((place for place, one in enumerate(passages, 1) if fits(one)), 0)


def holds(text: str, answer: str) -> bool:
    """Whether a text has an answer in it, as whole words, whatever their case and the signs between them."""
    wanted = " ".join(WORD.findall(answer.casefold()))
    return bool(wanted) and f" {wanted} " in f" {' '.join(WORD.findall(text.casefold()))} "


def wanted(check: Mapping[str, Any], row: Mapping[str, Any], question: str) -> Wanted | None:
    """What a row's question is to find: what its column ``documents`` names, else its check's answer; None where neither tells."""
    named = row.get(DOCUMENTS)
    if named:
        return Wanted(question, documents=tuple(dict.fromkeys(map(str, named if isinstance(named, list) else [named]))))
    if check.get("kind") not in HOLDING:
        return None
    values = check["value"] if isinstance(check["value"], list) else [check["value"]]
    answers = tuple(str(value) for value in values if WORD.search(str(value)))
    return Wanted(question, answers=answers) if answers else None


def recall(places: Sequence[Sequence[int]]) -> Interval:
    """The mean share of what each question wanted that was found at all."""
    return intervals.of_scores([sum(map(bool, each)) / len(each) for each in places])


def reciprocal_rank(places: Sequence[Sequence[int]]) -> Interval:
    """The mean over questions of 1 / the first place at which something wanted was found, 0 where nothing was."""
    return intervals.of_scores([1 / min(found) if (found := [place for place in each if place]) else 0.0 for each in places])


def measure(
    home: Home,
    index: Index,
    dataset: Dataset,
    k: int = 4,
    *,
    by: str = "both",
    version: int | None = None,
    limit: int | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> Measured:
    """Search for every question of a data set, or for a fixed random choice of ``limit`` of them.

    BadInput where not one of them tells what is to be found.
    """
    items = prompts.read(home, dataset, limit).items
    asked = [each for item in items if (each := wanted(item.check, item.row, question(item.messages))) is not None]
    if not asked:
        raise BadInput(
            f"No row of {dataset.title} tells which passage answers it. Give the rows a check of the kind {', '.join(HOLDING[:-1])} or "
            f"{HOLDING[-1]}, or a column {DOCUMENTS} with the names of documents."
        )
    places: list[list[int]] = []
    for begin in range(0, len(asked), AT_ONCE):
        part = asked[begin : begin + AT_ONCE]
        hits = search.search(home, index, [each.question for each in part], k, version=version, by=by)
        places += [each.found([hit.passage for hit in found]) for each, found in zip(part, hits, strict=True)]
        if progress is not None:
            progress(len(places), len(asked))
    at = index.version if version is None else version
    return Measured(k, by, at, recall(places), reciprocal_rank(places), len(items) - len(asked))


def question(messages: Sequence[Mapping[str, Any]]) -> str:
    """What is looked up for a conversation: the last thing that was asked in it."""
    return next((str(turn.get("content") or "") for turn in reversed(messages) if turn["role"] == "user"), "")

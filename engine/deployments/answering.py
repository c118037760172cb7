"""One question on its way through what stands around a model: passages are found, the question is put, the answer is looked at, and
what does not pass is told back or refused. The model host and measuring walk the same steps; each brings its own way of asking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.deployments.setup import MOST_PASSAGES, Found
from engine.generation.answers import Sampling
from engine.prompting import guards, supported, templates, versions
from engine.retrieval import search
from engine.retrieval.hits import Hit
from engine.retrieval.measure import holds
from storage.home import Home

AGAIN = 0.7  # the least temperature of a second try where the model is not told why: greedily it would say the same
BEYOND = 10  # times as many passages are looked up where some are to be passed over
Counts = Callable[[list[dict[str, Any]]], int]


@dataclass
class Question:
    """A question and how far it has come. ``turns`` is what the model is to be asked next."""

    found: Found
    asked: list[dict[str, Any]]
    row: Mapping[str, Any] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    examples: list[tuple[str, str]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    told: bool = True  # whether a second try says what was wrong with the first
    tries: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    problems: list[str] = field(default_factory=list)  # of the last answer
    text: str = ""
    ended: bool = False
    done: bool = False
    refused: bool = False

    @property
    def query(self) -> str:
        """What is looked up: the last thing that was asked."""
        return next((str(turn.get("content") or "") for turn in reversed(self.asked) if turn["role"] == "user"), "")

    def put(self, room: int | None = None, count: Counts | None = None) -> None:
        """Put the question with as many passages, the best first, and as many examples as fit into ``room`` tokens by ``count``."""
        while True:
            passages = [hit.passage for hit in self.hits]
            self.turns = templates.render(self.found.body, self.asked, passages, self.examples)
            if room is None or count is None or count(self.turns) <= room or not (self.hits or self.examples):
                return
            if len(self.hits) > len(self.examples):
                self.hits = self.hits[:-1]
            else:
                self.examples = self.examples[:-1]

    def hear(self, text: str, ended: bool, tokens: int = 0, room: int | None = None, count: Counts | None = None) -> None:
        """Take an answer: it passes, is asked for again with what was wrong with it, or is refused."""
        self.tries += 1
        self.tokens += tokens
        self.text, self.ended = text, ended
        around = self.found.guards
        row = {**self.row, supported.PASSAGES: [hit.passage.text for hit in self.hits], supported.QUESTION: self.query}
        self.problems = guards.problems(around, text, row) if self.found.guarded else []
        if not self.problems:
            self.done = True
        elif self.tries > around.retries:
            self.text, self.refused, self.done = around.refuses, True, True
        else:
            again = [*self.turns, *guards.retold(text, self.problems)]
            self.told = room is None or count is None or count(again) <= room
            if self.told:
                self.turns = again

    def sampling(self, first: Sampling) -> Sampling:
        """How the next try is drawn."""
        if not self.tries:
            return first
        drawn = replace(first, seed=first.seed + self.tries)
        return drawn if self.told else replace(drawn, temperature=max(first.temperature, AGAIN))

    def summary(self) -> dict[str, Any]:
        """What is kept of the way beside the answer."""
        return {
            "tries": self.tries,
            "refused": self.refused,
            "problems": self.problems,
            "tokens": self.tokens,
            "prompt_tokens": self.prompt_tokens,
            "passages": [{"document": hit.passage.document, "id": hit.passage.id, "text": hit.passage.text} for hit in self.hits],
        }


def questions(
    home: Home,
    found: Found,
    asked: Sequence[list[dict[str, Any]]],
    rows: Sequence[Mapping[str, Any]] | None = None,
    without: Sequence[Sequence[str]] = (),
) -> list[Question]:
    """Questions with the passages and examples that belong to them, not yet put. Passages that hold one of the texts in ``without``,
    which has some for each question, are passed over, as if they were not in the index."""
    made = [
        Question(found, list(messages), row)
        for messages, row in zip(asked, rows if rows is not None else [{}] * len(asked), strict=True)
    ]
    if found.index is not None:
        setup = found.setup
        wanted = min(setup.passages * BEYOND, MOST_PASSAGES) if without else setup.passages
        hits = search.search(home, found.index, [one.query for one in made], wanted, version=found.version, by=setup.by)
        for question, its, kept in zip(made, hits, without or [()] * len(made), strict=True):
            question.hits = [hit for hit in its if not holds_one(hit.passage.text, kept)][: setup.passages]
    if found.body.examples is not None:
        for question in made:
            question.examples = versions.examples_for(home, found.body, question.query)
    return made


def holds_one(passage: str, values: Sequence[str]) -> bool:
    """Whether a passage holds one of the values as whole words."""
    return any(holds(passage, value) for value in values)

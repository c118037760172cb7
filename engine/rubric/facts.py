"""What the answers say, as facts with names that rules can be written with. What was not asked has the value that matters least."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.rubric.questions import Answers, aim
from storage.records import Interval

UNTRAINED = ("base", "prompt", "guards", "retrieval")  # kinds of candidates of a bake-off without a training
# the least that makes sense, by where the amount was asked for
LEAST = {
    "document_tokens": 1,
    "demonstration_rows": 100,
    "pair_rows": 500,
    "mark_rows": 1_000,
    "prompt_rows": 500,
}
LEAST_TO_READ = 100_000  # tokens of documents that reading on makes sense from
ONE_PROMPT = 4_000  # tokens of documents that can stand in every prompt as they are
SOON = 1.0  # seconds within which an answer is wanted at once
CLOSE = 5.0  # of 100, that are hardly missing


@dataclass(frozen=True)
class Facts:
    """One person's case. Shares are of 100; ``reached`` is None where nobody measured."""

    aim: str
    prompting: str = "untried"
    needed: float = 90
    reached: float | None = None
    changes: str = "never"
    citations: bool = False
    data: frozenset[str] = frozenset()
    document_tokens: float = 0
    demonstration_rows: float = 0
    pair_rows: float = 0
    mark_rows: float = 0
    prompt_rows: float = 0
    seconds: float = 10
    hours: float = 8
    privacy: str = "open"
    hardware: str = "cpu"
    regressions: str = "some"
    measured: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def factual(self) -> bool:
        """Whether it is about knowing something, so that it can be out of date."""
        return self.aim in ("knowledge", "language", "unknown")

    @property
    def prompted(self) -> float | None:
        """The best that prompting was measured to reach, of 100."""
        found = [100 * self.measured[kind].value for kind in ("base", "prompt", "guards") if kind in self.measured]
        return max([*found, *([self.reached] if self.reached is not None else [])], default=None)

    @property
    def retrieved(self) -> float | None:
        """What retrieval was measured to reach, of 100."""
        return 100 * self.measured["retrieval"].value if "retrieval" in self.measured else None

    @property
    def prompting_suffices(self) -> bool:
        return self.prompted >= self.needed if self.prompted is not None else self.prompting == "enough"

    @property
    def retrieval_suffices(self) -> bool:
        return self.retrieved is not None and self.retrieved >= self.needed

    @property
    def suffices(self) -> bool:
        """Whether something that needs no training is good enough already."""
        return self.prompting_suffices or self.retrieval_suffices

    @property
    def fell_short(self) -> bool:
        """Whether prompting was tried, by hand or measured, and is not good enough."""
        return not self.prompting_suffices and (self.prompted is not None or self.prompting == "short")

    @property
    def untried(self) -> bool:
        return self.prompted is None and self.prompting == "untried"

    @property
    def pairs(self) -> bool:
        """Whether there are pairs enough; likewise below."""
        return self.pair_rows >= LEAST["pair_rows"]

    @property
    def marks(self) -> bool:
        return self.mark_rows >= LEAST["mark_rows"]

    @property
    def demonstrations(self) -> bool:
        return self.demonstration_rows >= LEAST["demonstration_rows"]

    @property
    def checked(self) -> bool:
        return self.prompt_rows >= LEAST["prompt_rows"]

    @property
    def readable(self) -> bool:
        return self.document_tokens >= LEAST_TO_READ

    @property
    def documents(self) -> bool:
        return self.document_tokens >= LEAST["document_tokens"]

    @property
    def judge(self) -> bool:
        return "judge" in self.data


def facts(answers: Answers, measured: Mapping[str, Interval] | None = None) -> Facts:
    """The facts in complete answers, and what was measured since."""
    same = ("prompting", "needed", "reached", "changes", "privacy", "hardware", "regressions", "seconds", "hours", *LEAST)
    return Facts(
        aim=aim(answers) or "unknown",
        citations=answers.get("citations") == "yes",
        data=frozenset(answers.get("data", ())) - {"none"},
        measured=dict(measured or {}),
        **{name: answers[name] for name in same if answers.get(name) is not None},
    )

"""The rubric's questions, read once from assets/rubric.toml; which one comes next, and what was answered in words.

Answers are a mapping: a question's id to the id of the choice (a list of them where several may be chosen), a number's id to
the number. Answers to questions that are not asked are ignored, so that they are still there when the way back leads to them.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput

FILE = Path(__file__).parents[2] / "assets" / "rubric.toml"
MOST = 12  # questions on any path
NOTHING = "none"  # among several choices: the one that excludes all others
LARGER = {"k": 1e3, "m": 1e6, "b": 1e9}
Answers = Mapping[str, Any]
When = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Choice:
    """An answer in words, with a note on what it means."""

    id: str
    words: str
    note: str = ""


@dataclass(frozen=True)
class Number:
    """An answer that is a number, with its unit, its bounds and examples."""

    id: str
    text: str
    unit: str
    low: float
    high: float
    examples: str
    default: float | None = None
    when: When | None = None

    def parse(self, value: Any) -> float:
        """The number; ``5k``, ``2M`` and ``1,000`` are understood. BadInput says what is allowed."""
        try:
            if isinstance(value, str):
                text = value.strip().replace(",", "").replace("_", "").lower()
                value = float(text[:-1]) * LARGER[text[-1]] if text[-1:] in LARGER else float(text)
            number = float(value)
        except (TypeError, ValueError):
            raise BadInput(f"{self.id} takes a number from {self.low:g} to {self.high:g}, not {value!r}.") from None
        if isinstance(value, bool) or not self.low <= number <= self.high:
            raise BadInput(f"{self.id} takes a number from {self.low:g} to {self.high:g}, not {value!r}.")
        return number


@dataclass(frozen=True)
class Question:
    """One question, why it matters, and when it is asked. It has ``choices`` or ``numbers``."""

    id: str
    text: str
    why: str
    choices: tuple[Choice, ...] = ()
    several: bool = False
    numbers: tuple[Number, ...] = ()
    when: When | None = None
    unless: When | None = None

    def fields(self, answers: Answers) -> tuple[Number, ...]:
        """Those of its numbers that are asked for after these answers."""
        return tuple(number for number in self.numbers if _holds(number.when, answers))

    def applies(self, answers: Answers) -> bool:
        """Whether it is asked after these answers."""
        return _holds(self.when, answers) and not (self.unless and _holds(self.unless, answers))

    def answered(self, answers: Answers) -> bool:
        """Whether all that it asks for has been answered."""
        wanted = [self.id] if self.choices else [number.id for number in self.fields(answers)]
        return all(answers.get(name) not in (None, "", [], ()) for name in wanted)


def aim(answers: Answers) -> str | None:
    """The goal, or for one who is not sure what goes wrong; None while it is not known."""
    return answers.get("symptom") if answers.get("goal") == "unsure" else answers.get("goal")


def _given(name: str, answers: Answers) -> tuple[str, ...]:
    value = aim(answers) if name == "aim" else answers.get(name)
    if isinstance(value, list | tuple):
        return tuple(value)
    return () if value is None else (str(value),)


def _holds(when: When | None, answers: Answers) -> bool:
    return all(set(_given(name, answers)) & set(wanted) for name, wanted in (when or {}).items())


def load(text: str) -> tuple[Question, ...]:
    """The questions in a TOML text. BadInput names what is wrong in it."""
    questions = tuple(_question(entry) for entry in tomllib.loads(text).get("question", ()))
    known: set[str] = set()
    for question in questions:
        names = [question.id, *(number.id for number in question.numbers)]
        if bool(question.choices) == bool(question.numbers):
            raise BadInput(f"The question {question.id!r} needs choices or numbers, one of the two.")
        if len({choice.id for choice in question.choices}) < len(question.choices) or known & set(names):
            raise BadInput(f"An id of the question {question.id!r} is there twice.")
        for when in (question.when, question.unless, *(number.when for number in question.numbers)):
            _check_condition(question.id, when, questions, known)
        known |= set(names)
    return questions


def _check_condition(id: str, when: When | None, questions: Sequence[Question], known: set[str]) -> None:
    for name, wanted in (when or {}).items():
        sources = [q for q in questions if q.id in (("goal", "symptom") if name == "aim" else (name,))]
        missing = set(wanted) - {choice.id for question in sources for choice in question.choices}
        if missing or (name != "aim" and name not in known):
            raise BadInput(f"The question {id!r} depends on {name} = {sorted(missing or wanted)}, which is not asked before it.")


def _question(entry: Mapping[str, Any]) -> Question:
    try:
        return Question(
            **{
                **entry,
                "choices": tuple(Choice(**choice) for choice in entry.get("choices", ())),
                "numbers": tuple(Number(**{**n, "when": _when(n.get("when"))}) for n in entry.get("numbers", ())),
                "when": _when(entry.get("when")),
                "unless": _when(entry.get("unless")),
            }
        )
    except TypeError as problem:
        raise BadInput(f"The question {entry.get('id')!r} cannot be read ({problem}).") from None


def _when(given: Mapping[str, Sequence[str]] | None) -> When | None:
    return {name: tuple(wanted) for name, wanted in given.items()} if given else None


QUESTIONS = load(FILE.read_text(encoding="utf-8"))
FIELDS = {number.id: number for question in QUESTIONS for number in question.numbers}


def find(id: str) -> Question:
    """The question of that id, or the one that asks for the number of that id; BadInput names those that there are."""
    for question in QUESTIONS:
        if id == question.id or id in {number.id for number in question.numbers}:
            return question
    names = [name for q in QUESTIONS for name in ([q.id] if q.choices else [n.id for n in q.numbers])]
    raise BadInput(f"There is no question {id!r}. There is: {', '.join(names)}.")


def path(answers: Answers) -> list[Question]:
    """The questions that were answered, in their order, up to the first one that was not."""
    walked = []
    for question in QUESTIONS:
        if question.applies(answers):
            if not question.answered(answers):
                return walked
            walked.append(question)
    return walked


def asked(answers: Answers) -> Question | None:
    """The next question, or None where all have been answered."""
    return next((q for q in QUESTIONS if q.applies(answers) and not q.answered(answers)), None)


def longest(answers: Answers) -> int:
    """How many questions there can be at most on any way on from these answers."""
    return sum(_may_apply(question, answers) for question in QUESTIONS)


def _may_apply(question: Question, answers: Answers) -> bool:
    unknown = {name for name in (question.when or {}) if not _given(name, answers)}
    held = {name: wanted for name, wanted in (question.when or {}).items() if name not in unknown}
    return _holds(held, answers) and not (question.unless and _holds(question.unless, answers))


def read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Answers as they are kept, from what was typed or lies in a file: a list for several choices (also ``a,b``), numbers as
    numbers. BadInput names an unknown question, a choice that is not offered, a number out of its bounds."""
    answers: dict[str, Any] = {}
    for name, value in given.items():
        question = find(name)
        if question.numbers and name not in FIELDS:
            raise BadInput(f"{name} is answered by its numbers: {', '.join(n.id for n in question.numbers)}.")
        answers[name] = FIELDS[name].parse(value) if name in FIELDS else _chosen(question, value)
    return answers


def _chosen(question: Question, value: Any) -> Any:
    offered = [choice.id for choice in question.choices]
    listed = [
        str(part).strip() for part in (value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ())
    ]
    if not listed or not set(listed) <= set(offered):
        raise BadInput(f"{question.id} takes {'some' if question.several else 'one'} of {', '.join(offered)}, not {value!r}.")
    if not question.several and len(listed) != 1:
        raise BadInput(f"{question.id} takes one of {', '.join(offered)}, not {value!r}.")
    if NOTHING in listed and len(listed) > 1:
        raise BadInput(f"{question.id} is nothing or something: {NOTHING} cannot be chosen beside {listed}.")
    return [id for id in offered if id in listed] if question.several else listed[0]


def kept(answers: Answers) -> dict[str, Any]:
    """Only those answers that the path asks for, in its order."""
    found: dict[str, Any] = {}
    for question in path(answers):
        for name in [question.id] if question.choices else [number.id for number in question.fields(answers)]:
            found[name] = answers[name]
    return found


def complete(answers: Answers) -> dict[str, Any]:
    """All answers of a path that was walked to its end. BadInput names the question that is still to be answered."""
    answers = read(answers)
    missing = asked(answers)
    if missing is not None:
        wanted = [missing.id] if missing.choices else [n.id for n in missing.fields(answers) if answers.get(n.id) is None]
        how = " | ".join(choice.id for choice in missing.choices) or "a number"
        raise BadInput(f"Still to be answered: {missing.text} ({', '.join(wanted)} = {how}).")
    return kept(answers)


def told(question: Question, answers: Answers) -> str:
    """What was answered to a question, in words."""
    if question.choices:
        given = _given(question.id, answers)
        return ", ".join(choice.words for choice in question.choices if choice.id in given)
    fields = [(number, answers[number.id]) for number in question.fields(answers)]
    return ", ".join(f"{number.text.lower() if i else number.text}: {value:,.10g}" for i, (number, value) in enumerate(fields))


def fingerprint() -> str:
    """The hash of all that decides the advice: the questions and the code of the rules."""
    found = hashlib.sha256(FILE.read_bytes())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()

"""Many prompts to several models in one go, and the table of what they answered.

Like a conversation a set is a JSON file of the home, and the host owns its answers until they have ended.
"""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import BadInput, NotFound, TemperError
from engine.generation import ask
from engine.generation.answers import MOST_SIDES, Answer, Asked, Sampling
from engine.generation.asked import changing, expected, fetched
from engine.generation.turns import Side
from storage import db, documents
from storage.home import Home

KIND = "prompt-sets"
MOST, LONGEST = 500, 100_000  # prompts, and characters of all turns of one
Messages = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class PromptSet:
    """Prompts, each the turns of a conversation, that every side is asked. ``answers`` lie side by side, prompt after prompt."""

    id: str
    title: str
    sides: tuple[Side, ...]
    sampling: Sampling
    prompts: tuple[Messages, ...]
    created_at: str
    answer_set: str = ""
    answers: tuple[Answer, ...] = ()
    expected: tuple[str, ...] = ()
    problem: str | None = None  # why nothing could be asked
    topics: tuple[str, ...] = ()  # one a prompt, where the data tell them

    @property
    def asked(self) -> bool:
        """Whether the host was asked, or it is known that it could not be."""
        return bool(self.answer_set) or self.problem is not None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.problem is not None or (bool(self.answers) and all(answer.ended for answer in self.answers))

    @property
    def done(self) -> int:
        """How many answers have ended."""
        return sum(answer.ended for answer in self.answers)

    def row(self, place: int) -> tuple[Answer, ...]:
        """The answers to the prompt at ``place``, one a side."""
        return self.answers[place * len(self.sides) : (place + 1) * len(self.sides)]

    def differs(self, place: int) -> bool:
        """Whether not all sides answered the prompt at ``place`` in the same words."""
        return len({answer.text.strip() for answer in self.row(place)}) > 1

    def messages(self, place: int, side: Side) -> list[dict[str, Any]]:
        """What a side gets to read: its system prompt in the place of the row's own, where it has one."""
        told = [dict(turn) for turn in self.prompts[place] if not side.system or turn["role"] != "system"]
        return [{"role": "system", "content": side.system}, *told] if side.system else told


def begin(
    home: Home,
    sides: Sequence[Side],
    prompts: Sequence[Sequence[Mapping[str, Any]]],
    sampling: Sampling,
    title: str,
    token: str = "",
    topics: Sequence[str] = (),
) -> PromptSet:
    """Write down that these prompts are to be asked. ``send`` asks them; the same ``token`` again gives the same set."""
    if not 0 < len(set(sides)) == len(sides) <= MOST_SIDES:
        raise BadInput(f"A set of prompts takes 1 to {MOST_SIDES} different sides, not {len(sides)}.")
    if not 0 < len(prompts) <= MOST:
        raise BadInput(f"A set takes 1 to {MOST} prompts, not {len(prompts):,}. Longer ones are measured, under Models.")
    for number, prompt in enumerate(prompts, 1):
        length = sum(len(str(turn.get("content") or "")) for turn in prompt)
        if not 0 < length <= LONGEST:
            raise BadInput(f"Prompt {number} has {length:,} characters; 1 to {LONGEST:,} can be asked.")
    made = PromptSet(
        token or secrets.token_urlsafe(9),
        title.strip() or "Prompts",
        tuple(sides),
        sampling,
        tuple(map(tuple, prompts)),
        db.now(),
        topics=tuple(topics),
    )
    with changing(home, KIND):
        if documents.read(home, KIND, made.id) is None:
            _write(home, made)
    return made


def send(home: Home, name: str) -> PromptSet:
    """Ask the host all at once; asked twice, it asks once."""
    found = read(home, name)
    if found.asked:
        return found
    asked = [
        Asked(side.model, found.messages(place, side), side.sampling(found.sampling), side.template, side.index)
        for place in range(len(found.prompts)) for side in found.sides
    ]  # fmt: skip
    try:
        prints = expected(home, [one.model for one in asked])
        told = replace(found, expected=prints, answer_set=ask.start_each(home, asked, found.id))
    except TemperError as problem:
        told = replace(found, problem=str(problem))
    return _tell(home, told)


def look(home: Home, name: str) -> PromptSet:
    """The set as it stands now; written down once it has ended."""
    found = read(home, name)
    if found.ended or not found.asked:
        return found
    models = [side.model for side in found.sides] * len(found.prompts)
    samplings = [side.sampling(found.sampling) for side in found.sides] * len(found.prompts)
    found = replace(found, answers=fetched(home, found.answer_set, found.expected, models, samplings))
    return _tell(home, found) if found.ended else found


def stop(home: Home, name: str) -> None:
    """Ask all answers to end; what they said stays."""
    found = read(home, name)
    if found.answer_set:
        ask.stop(home, found.answer_set)


def recent(home: Home, limit: int = 20) -> list[PromptSet]:
    """The sets that were written to last, newest first."""
    return [_parse(body) for body in documents.newest(home, KIND, limit)]


def read(home: Home, name: str) -> PromptSet:
    """The set as it was last written; NotFound where there is none."""
    body = documents.read(home, KIND, name)
    if body is None:
        raise NotFound(f"There is no set of prompts {name!r}. It may have been deleted. Ask a new one.")
    return _parse(body)


def delete(home: Home, name: str) -> None:
    """Take a set away."""
    documents.delete(home, KIND, name)


def _parse(body: Mapping[str, Any]) -> PromptSet:
    sampling = Sampling(**{**body["sampling"], "stop": tuple(body["sampling"]["stop"])})
    made = {
        "sampling": sampling, "sides": tuple(Side(**side) for side in body["sides"]), "prompts": tuple(map(tuple, body["prompts"])),
        "answers": tuple(Answer.parse(answer) for answer in body["answers"]), "expected": tuple(body["expected"]),
        "topics": tuple(body.get("topics", ())),
    }  # fmt: skip
    return PromptSet(**{**body, **made})


def _tell(home: Home, told: PromptSet) -> PromptSet:
    """Write down what became of a set, unless its end is known already."""
    with changing(home, KIND):
        there = read(home, told.id)
        if there.ended:
            return there
        _write(home, told)
    return told


def _write(home: Home, made: PromptSet) -> None:
    documents.write(home, KIND, made.id, dataclasses.asdict(made))

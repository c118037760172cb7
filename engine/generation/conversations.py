"""Conversations with several models side by side: what was asked of whom, with which decoding, and what was answered.

A conversation is one JSON file in the home, so it survives a reload, a second browser, and the end of app or host. While
answers grow, the host owns their text and ``look`` fetches it; once they have ended they are written into the file.
"""

import dataclasses
import json
import random
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput, NotFound, TemperError, TryLater
from engine.generation import ask
from engine.generation.answers import Answer, Sampling
from storage import db, files
from storage import models as registered
from storage.home import Home

FOLDER = "conversations"
MOST_MODELS = 4
LONGEST = 100_000  # characters of a prompt


@dataclass(frozen=True)
class Turn:
    """One prompt to all models. ``answer_set`` is the host's name of the answers; without it nothing was asked yet."""

    prompt: str
    sampling: Sampling
    at: str
    answer_set: str = ""
    answers: tuple[Answer, ...] = ()  # as they stand now, in the order of the models
    problem: str | None = None  # why nothing could be asked
    id: str = ""  # what the host knows the prompt by; "" in a file of an earlier version
    expected: tuple[str, ...] = ()  # fingerprints of the models as they were registered when they were asked

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.problem is not None or (bool(self.answers) and all(answer.ended for answer in self.answers))

    @property
    def asked(self) -> bool:
        """Whether the host was asked, or it is known that it could not be."""
        return bool(self.answer_set) or self.problem is not None


@dataclass(frozen=True)
class Conversation:
    """Turns with the same models. Each model sees its own earlier answers only."""

    id: str
    models: tuple[str, ...]
    system: str
    created_at: str
    turns: tuple[Turn, ...] = ()
    blind: bool = False  # whether names are hidden until somebody has voted
    order: tuple[int, ...] = ()  # places of the models from left to right, drawn by chance where it is blind
    revealed: bool = False

    @property
    def ended(self) -> bool:
        return all(turn.ended for turn in self.turns)

    @property
    def hidden(self) -> bool:
        """Whether nobody may see now which model gave which answer."""
        return self.blind and not self.revealed

    @property
    def shown(self) -> tuple[int, ...]:
        """The places of the models from left to right."""
        return self.order or tuple(range(len(self.models)))

    def messages(self, place: int, prompt: str) -> list[dict[str, str]]:
        """What the model at ``place`` gets to read: its own side of the conversation, then ``prompt``."""
        told = [{"role": "system", "content": self.system}] if self.system else []
        for turn in self.turns:
            answer = turn.answers[place] if place < len(turn.answers) else None
            if answer is not None and answer.status != "failed" and answer.text:
                told += [{"role": "user", "content": turn.prompt}, {"role": "assistant", "content": answer.text}]
        return [*told, {"role": "user", "content": prompt}]


def begin(models: Sequence[str], system: str = "", token: str = "", blind: bool = False) -> Conversation:
    """A new, empty conversation with these models, named by ``token`` where one is given; it is written with its first turn."""
    if not 0 < len(set(models)) == len(models) <= MOST_MODELS:
        raise BadInput(f"A conversation takes 1 to {MOST_MODELS} different models, not {', '.join(models) or 'none'}.")
    order = tuple(random.SystemRandom().sample(range(len(models)), len(models))) if blind else ()
    return Conversation(token or secrets.token_urlsafe(9), tuple(models), system.strip(), db.now(), blind=blind, order=order)


def add(home: Home, conversation: Conversation, prompt: str, sampling: Sampling, token: str = "") -> Conversation:
    """Write down that ``prompt`` is to be asked. ``send`` asks it.

    The same ``token`` again adds nothing. TryLater where another tab has asked something since ``conversation`` was read.
    """
    if not prompt.strip() or len(prompt) > LONGEST:
        raise BadInput(f"A prompt takes 1 to {LONGEST:,} characters, not {len(prompt):,}.")
    with _changing(home):
        there = read(home, conversation.id) if _place(home, conversation.id).exists() else conversation
        if token and any(turn.id == token for turn in there.turns):
            return there
        if len(there.turns) != len(conversation.turns):
            raise TryLater("Something else was asked in this conversation meanwhile. Read it, then ask again.")
        if not there.ended:
            raise BadInput("The last prompt is still being answered. Wait for its end or stop it.")
        turn = Turn(prompt, sampling, db.now(), id=token or secrets.token_urlsafe(9))
        added = replace(there, turns=(*there.turns, turn))
        _write(home, added)
    return added


def send(home: Home, name: str) -> Conversation:
    """Ask the host what the last turn asks, all models at once. Starts a host where none runs; asked twice, it asks once."""
    conversation = read(home, name)
    turn = conversation.turns[-1]
    if turn.asked:
        return conversation
    before, chosen = replace(conversation, turns=conversation.turns[:-1]), turn.sampling
    try:
        told = replace(
            turn,
            expected=tuple(_registered(home, model) for model in conversation.models),
            answer_set=ask.start(
                home, conversation.models, [before.messages(place, turn.prompt) for place in range(len(conversation.models))],
                seed=chosen.seed, temperature=chosen.temperature, top_p=chosen.top_p, max_tokens=chosen.max_tokens,
                token=turn.id or None,
            ),
        )  # fmt: skip
    except TemperError as problem:
        told = replace(turn, problem=str(problem))
    return _tell(home, name, len(before.turns), told)


def look(home: Home, name: str) -> Conversation:
    """The conversation as it stands now. Answers that have ended since the last look are written down."""
    conversation = read(home, name)
    if not conversation.turns or conversation.turns[-1].ended or not conversation.turns[-1].asked:
        return conversation
    turn = replace(conversation.turns[-1], answers=_fetch(home, conversation.models, conversation.turns[-1]))
    if turn.ended:
        return _tell(home, name, len(conversation.turns) - 1, turn)
    return replace(conversation, turns=(*conversation.turns[:-1], turn))


def stop(home: Home, name: str) -> None:
    """Ask the answers of the last turn to end; what they said stays."""
    turn = read(home, name).turns[-1]
    if turn.answer_set:
        ask.stop(home, turn.answer_set)


def again(
    home: Home, name: str, models: Sequence[str], sampling: Sampling, system: str = "", token: str = "", blind: bool = False
) -> Conversation:
    """A new conversation that asks the last prompt of another one anew, after the same history where the models are the same."""
    old = read(home, name)
    fresh = begin(models, system, token, blind)
    if fresh.models == old.models and fresh.system == old.system:
        fresh = replace(fresh, turns=old.turns[:-1])
    return add(home, fresh, old.turns[-1].prompt, sampling, token)


def reveal(home: Home, name: str) -> None:
    """Show from now on which model gave which answer."""
    with _changing(home):
        _write(home, replace(read(home, name), revealed=True))


def recent(home: Home, limit: int = 20) -> list[Conversation]:
    """The conversations that were written to last, newest first."""
    found = sorted(_folder(home).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [read(home, path.stem) for path in found[:limit]]


def delete(home: Home, name: str) -> None:
    """Take a conversation away."""
    _place(home, name).unlink(missing_ok=True)


def read(home: Home, name: str) -> Conversation:
    """The conversation as it was last written; NotFound where there is none."""
    place = _place(home, name)
    if not place.exists():
        raise NotFound(f"There is no conversation {name!r}. It may have been deleted. Begin a new one.")
    body = json.loads(place.read_text(encoding="utf-8"))
    turns = tuple(_turn(turn) for turn in body.pop("turns"))
    lists = {"models": tuple(body["models"]), "order": tuple(body.get("order", ())), "turns": turns}
    return Conversation(**{**body, **lists})


def _turn(body: Mapping[str, Any]) -> Turn:
    sampling = Sampling(**{**body["sampling"], "stop": tuple(body["sampling"]["stop"])})
    answers = tuple(Answer.parse(answer) for answer in body["answers"])
    return Turn(**{**body, "sampling": sampling, "answers": answers, "expected": tuple(body.get("expected", ()))})


def _fetch(home: Home, models: Sequence[str], turn: Turn) -> tuple[Answer, ...]:
    try:
        return tuple(map(_proven, ask.look(home, turn.answer_set), turn.expected or [""] * len(models)))
    except NotFound as problem:  # the host was started anew meanwhile
        return tuple(Answer(model, status="failed", error=str(problem), sampling=turn.sampling) for model in models)


def _registered(home: Home, model: str) -> str:
    found = registered.find(home, model)
    return found.fingerprint if found is not None else ""


def _proven(answer: Answer, expected: str) -> Answer:
    """The answer, if the weights that spoke are those that were asked; else none of its text."""
    if not expected or answer.fingerprint in ("", expected):
        return answer
    told = (
        f"This answer is withheld: other weights than those of {answer.model} gave it (fingerprint {answer.fingerprint[:12]}, and "
        f"{answer.model} was registered as {expected[:12]}). Its files were changed on the disk: register them as a model of their own."
    )
    return replace(answer, text="", status="failed" if answer.ended else answer.status, error=told)


def _folder(home: Home) -> Path:
    return home.root / FOLDER


def _place(home: Home, name: str) -> Path:
    if not re.fullmatch(r"[\w-]{1,40}", name):  # it comes from an address that anyone may type
        raise NotFound(f"There is no conversation {name!r}. Begin a new one.")
    return _folder(home) / f"{name}.json"


@contextmanager
def _changing(home: Home) -> Iterator[None]:
    """Nobody else changes a conversation meanwhile; a disk that takes nothing is told in words."""
    try:
        with home.locked("conversations"):
            yield
    except OSError as problem:
        raise TemperError(
            f"The conversation could not be written down: {problem.strerror or problem}. Free some space, then ask again."
        ) from problem


def _tell(home: Home, name: str, place: int, turn: Turn) -> Conversation:
    """Write down what became of the turn at ``place``, unless its end is known already."""
    with _changing(home):
        there = read(home, name)
        if there.turns[place].ended:
            return there
        told = replace(there, turns=(*there.turns[:place], turn, *there.turns[place + 1 :]))
        _write(home, told)
    return told


def _write(home: Home, conversation: Conversation) -> None:
    place = _place(home, conversation.id)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    files.write_text(place, json.dumps(dataclasses.asdict(conversation), ensure_ascii=False))

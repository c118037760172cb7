"""Conversations with several models side by side: what was asked of whom, with which decoding, and what was answered.

A conversation is one JSON file in the home, so it survives a reload, a second browser, and the end of app or host. While
answers grow, the host owns their text and ``look`` fetches it; once they have ended they are written into the file.
"""

import dataclasses
import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from engine.errors import BadInput, NotFound, TemperError, TryLater
from engine.generation import ask, turns
from engine.generation.answers import MOST_SIDES, Asked, Sampling
from engine.generation.asked import changing, expected, fetched
from engine.generation.turns import Conversation, Side, Turn
from storage import db, documents
from storage.home import Home

KIND = "conversations"
LONGEST = 100_000  # characters of a prompt


def begin(sides: Sequence[Side | str], token: str = "", blind: bool = False) -> Conversation:
    """A new, empty conversation with these sides, named by ``token`` where one is given; it is written with its first turn."""
    asked = tuple(Side(side) if isinstance(side, str) else replace(side, system=side.system.strip()) for side in sides)
    if not 0 < len(set(asked)) == len(asked) <= MOST_SIDES:
        told = ", ".join(side.model for side in asked) or "none"
        raise BadInput(
            f"A conversation takes 1 to {MOST_SIDES} different sides, not {told}. Sides of the same model have to differ in their "
            "system prompt, decoding or template."
        )
    order = tuple(random.SystemRandom().sample(range(len(asked)), len(asked))) if blind else ()
    return Conversation(token or secrets.token_urlsafe(9), asked, db.now(), blind=blind, order=order)


def add(
    home: Home,
    conversation: Conversation,
    prompt: str | Sequence[str],
    sampling: Sampling,
    token: str = "",
    *,
    aside: bool = False,
) -> Conversation:
    """Write down that ``prompt``, one for all sides or one for each, is to be asked after what is seen. ``send`` asks it.

    The same ``token`` again adds nothing. TryLater where another tab has asked something there since ``conversation`` was read,
    unless this is to be a branch ``aside`` of it.
    """
    prompts = (prompt,) * len(conversation.sides) if isinstance(prompt, str) else tuple(prompt)
    for each in prompts:
        if not each.strip() or len(each) > LONGEST:
            raise BadInput(f"A prompt takes 1 to {LONGEST:,} characters, not {len(each):,}.")
    if len(prompts) != len(conversation.sides):
        raise BadInput(
            f"{len(prompts)} prompts were given for {len(conversation.sides)} sides. Give one for all, or one for each."
        )
    with changing(home, KIND):
        there = conversation
        with suppress(NotFound):
            there = read(home, conversation.id)
        if token and any(turn.id == token for turn in there.every):
            return there.seen_from(token)
        known = {turn.id for turn in conversation.every}
        if not aside and any(turn.after == conversation.leaf and turn.id not in known for turn in there.every):
            raise TryLater("Something else was asked in this conversation meanwhile. Read it, then ask again.")
        if not replace(there, leaf=conversation.leaf).ended:
            raise BadInput("The last prompt is still being answered. Wait for its end or stop it.")
        samplings = tuple(side.sampling(sampling) for side in conversation.sides)
        turn = Turn(prompts, samplings, db.now(), token or secrets.token_urlsafe(9), after=conversation.leaf)
        added = replace(there, every=(*there.every, turn), leaf=turn.id)
        _write(home, added)
    return added


def send(home: Home, name: str, asking: str = "") -> Conversation:
    """Ask the host what a turn asks, the last one where none is named, all sides at once. Starts a host where none runs; asked
    twice, it asks once."""
    conversation = read(home, name, asking)
    turn = conversation.turns[-1]
    if turn.asked:
        return conversation
    before = conversation.before(turn)
    try:
        asked = [
            Asked(side.model, before.messages(place, prompt), sampling, side.template, side.index)
            for place, (side, prompt, sampling) in enumerate(zip(before.sides, turn.prompts, turn.samplings, strict=True))
        ]
        told = replace(turn, expected=expected(home, before.models), answer_set=ask.start_each(home, asked, turn.id))
    except TemperError as problem:
        told = replace(turn, problem=str(problem))
    return _tell(home, name, told)


def look(home: Home, name: str, leaf: str = "") -> Conversation:
    """The conversation as it stands now. Answers that have ended since the last look are written down, those of other branches too."""
    conversation = read(home, name, leaf)
    for turn in conversation.every:
        if turn.ended or not turn.asked:
            continue
        turn = replace(turn, answers=fetched(home, turn.answer_set, turn.expected, conversation.models, turn.samplings))
        if turn.ended:
            conversation = _tell(home, name, turn).seen_from(conversation.leaf)
        else:
            conversation = _with(conversation, turn)
    return conversation


def stop(home: Home, name: str, turn: str = "", place: int | None = None) -> None:
    """Ask the answers of a turn to end, or the one at ``place``; what they said stays."""
    asked = read(home, name, turn).turns[-1]
    if asked.answer_set:
        ask.stop(home, asked.answer_set, place)


def again(
    home: Home, conversation: Conversation, sides: Sequence[Side], sampling: Sampling, token: str = "", blind: bool = False
) -> Conversation:
    """Ask the last prompt that is seen anew: as a branch beside it where the sides are the same, else in a new conversation."""
    last, fresh = conversation.turns[-1], begin(sides, token, blind)
    if fresh.sides == conversation.sides and blind == conversation.blind and not (blind and conversation.revealed):
        return add(home, conversation.before(last), last.prompts, sampling, token, aside=True)
    same = len(sides) == len(conversation.sides)
    return add(home, fresh, last.prompts if same else last.prompt, sampling, token)


@contextmanager
def revealing(home: Home, name: str) -> Iterator[Conversation]:
    """The conversation as it stands, which nobody changes meanwhile; where the block ends well, the names are shown from then on."""
    with changing(home, KIND):
        found = read(home, name)
        yield found
        if found.hidden:
            _write(home, replace(found, revealed=True))


def reveal(home: Home, name: str) -> None:
    """Show from now on which model gave which answer."""
    with revealing(home, name):
        pass


def recent(home: Home, limit: int = 20) -> list[Conversation]:
    """The conversations that were written to last, newest first; one that cannot be read is passed over."""
    found = []
    for body in documents.newest(home, KIND, limit):
        with suppress(TypeError, ValueError, KeyError, AttributeError):
            found.append(turns.parse(body).seen_from(""))
    return found


def delete(home: Home, name: str) -> None:
    """Take a conversation away."""
    documents.delete(home, KIND, name)


def read(home: Home, name: str, leaf: str = "") -> Conversation:
    """The conversation as it was last written, along the branch through the turn ``leaf``, or the newest one; NotFound where there is
    none."""
    body = documents.read(home, KIND, name)
    if body is None:
        raise NotFound(f"There is no conversation {name!r}. It may have been deleted. Begin a new one.")
    return turns.parse(body).seen_from(leaf)


def _tell(home: Home, name: str, turn: Turn) -> Conversation:
    """Write down what became of a turn, unless its end is known already."""
    with changing(home, KIND):
        there = read(home, name, turn.id)
        if not next(each for each in there.every if each.id == turn.id).ended:
            there = _with(there, turn)
            _write(home, there)
    return there


def _with(conversation: Conversation, turn: Turn) -> Conversation:
    """The conversation with a turn in the place of what it was."""
    return replace(conversation, every=tuple(turn if each.id == turn.id else each for each in conversation.every))


def _write(home: Home, conversation: Conversation) -> None:
    kept = {name: value for name, value in dataclasses.asdict(conversation).items() if name != "leaf"}
    documents.write(home, KIND, conversation.id, kept)

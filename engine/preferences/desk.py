"""The labeller's desk: the pair before somebody, their vote, taking it back, and deciding where others disagree.

A pair is given out with a token, and one token makes one vote: a double click, a second tab or a retry gives back the vote that
is there. Which answer stands on the left is drawn by chance, stored with the token, and told to nobody.
"""

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine import names
from engine.errors import BadInput, NotFound, TryLater
from engine.preferences import pairs, projects
from engine.preferences.pairs import NewPair
from engine.preferences.projects import Settings
from storage import db, preferences, showings
from storage.home import Home
from storage.preferences import DECIDING, Change, Repeated
from storage.records import Pair, Project, Showing, Vote

AHEAD = 2  # pairs given to a labeller at once: the one before them and the next
LAST = 10  # votes that can be taken back
BACK = 10  # votes between a pair and its repetition, at the least
SOONEST = 0.25  # seconds; who votes sooner has not seen the pair
LONGEST_REASON = 10_000
_drawn = random.SystemRandom()
SIDES = {"left": False, "right": True}


@dataclass(frozen=True)
class Shown:
    """A pair as a labeller sees it, sides and all; ``before`` is the vote on it that was taken back."""

    showing: Showing
    pair: Pair
    before: Vote | None = None

    @property
    def left(self) -> str:
        return self.pair.second if self.showing.flipped else self.pair.first

    @property
    def right(self) -> str:
        return self.pair.first if self.showing.flipped else self.pair.second


@dataclass(frozen=True)
class Compared:
    """A pair that somebody has compared elsewhere, as in a chat: ``choice`` is first, second, tie or bad, ``token`` names the vote."""

    pair: NewPair
    choice: str
    token: str
    flipped: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Given:
    """What a labeller says of a pair as it stands before them: ``choice`` and each of ``criteria`` left, right, tie, bad or skip."""

    choice: str
    strength: int | None = None
    criteria: Mapping[str, str] | None = None
    reason: str = ""
    edited: str | None = None


def check_labeller(name: str) -> str:
    """The name without spaces around it; BadInput when it is none."""
    return names.check(name, "a labeller")


def look(home: Home, project: Project, labeller: str) -> list[Shown]:
    """The pair before a labeller and the next one, fewer where there are no more. A reload finds the same ones."""
    labeller = check_labeller(labeller)
    held = showings.read(home, project.id, labeller, AHEAD)
    if len(held) < AHEAD or held[0][0].displayed_at is None:
        with preferences.changing(home) as change:
            _fill(change.connection, project, labeller)
        held = showings.read(home, project.id, labeller, AHEAD)
    return [
        Shown(showing, pair, preferences.taken_back(home, pair.id, labeller, showing.round)) for showing, pair in held
    ]  # fmt: skip


def _fill(connection: Any, project: Project, labeller: str) -> None:
    chosen = projects.settings(project)
    showings.fill(
        connection, project.id, labeller, AHEAD, lambda: list(projects.sources(chosen, _drawn)), BACK,
        lambda: secrets.token_hex(16), lambda: bool(_drawn.getrandbits(1)),
    )  # fmt: skip


def vote(home: Home, token: str, given: Given, source: str = "screen") -> Vote:
    """Store what a labeller says of the pair that ``token`` shows, and give out the next one. It is on the disk when this returns.

    The same token again gives the first vote back. BadInput where the vote cannot be; TryLater where the pair is no longer open.
    """
    with preferences.changing(home) as change:
        known = preferences.vote_of(home, token)
        if known is not None:
            return known
        showing = showings.find(home, token)
        if showing is None:
            raise TryLater("This pair is no longer open here, and nothing was stored. Look at the page again for the next one.")
        project = projects.find(home, f"#{showing.project_id}")
        pair = preferences.pair(home, showing.pair_id)
        if pair is None:
            raise NotFound(f"There is no pair {showing.pair_id} any more. Look at the page again for the next one.")
        told = _read(given, showing.flipped, projects.settings(project), pair)
        more = {
            "round": showing.round,
            "flipped": int(showing.flipped),
            "seconds": _since(showing.displayed_at),
            "source": source,
        }
        stored = _store(change, pair, showing.labeller, token, told, **more)
        _fill(change.connection, project, showing.labeller)
    assert stored is not None, "what lies before somebody has no vote of theirs yet"
    return stored


def as_shown(vote: Vote) -> str:
    """The choice of a vote in terms of the sides that its labeller saw."""
    sides = {"first": "right", "second": "left"} if vote.flipped else {"first": "left", "second": "right"}
    return sides.get(vote.choice, vote.choice)


def _since(displayed_at: str | None) -> float | None:
    if displayed_at is None:
        return None
    return round((datetime.fromisoformat(db.now()) - datetime.fromisoformat(displayed_at)).total_seconds(), 3)


def _read(given: Given, flipped: bool, chosen: Settings, pair: Pair) -> dict[str, Any]:
    """What was said, in terms of first and second. BadInput where it cannot be."""
    said = {
        "left": "second" if flipped else "first",
        "right": "first" if flipped else "second",
        "tie": "tie",
        "bad": "bad",
        "skip": "skip",
    }
    if given.choice not in said:
        raise BadInput(f"A choice is one of {', '.join(said)}, not {given.choice!r}.")
    decided = given.choice in SIDES
    if given.strength not in (None, 1, 2):
        raise BadInput(f"The strength of a choice is 1 (slightly) or 2 (clearly), not {given.strength!r}.")
    criteria = {}
    for name, choice in (given.criteria or {}).items():
        if name not in chosen.criteria or choice not in said:
            raise BadInput(f"{choice!r} is not said of {name!r} here. The criteria are: {', '.join(chosen.criteria) or 'none'}.")
        criteria[name] = said[choice]
    choice = said[given.choice]
    return {
        "choice": choice, "strength": given.strength if decided else None, "criteria": criteria, "reason": _reason(given.reason),
        "edited": _edited(given.edited, pair, choice) if decided else None,
    }  # fmt: skip


def _reason(text: str) -> str:
    if len(text) > LONGEST_REASON:
        raise BadInput(f"The reason has {len(text):,} characters, at most {LONGEST_REASON:,} are kept. Nothing was stored.")
    return names.text(text, "the reason")


def _edited(text: str | None, pair: Pair, choice: str) -> str | None:
    """A better text of the chosen answer; None where it is empty or the same."""
    original, other = (pair.first, pair.second) if choice == "first" else (pair.second, pair.first)
    if text is None or not text.strip() or text.strip() == original.strip():
        return None
    if text.strip() == other.strip():
        raise BadInput("The corrected answer is the other answer, word for word. Choose that one instead. Nothing was stored.")
    if len(text) > pairs.LONGEST_ANSWER:
        raise BadInput(f"The corrected answer has {len(text):,} characters, at most {pairs.LONGEST_ANSWER:,} are kept.")
    return names.text(text, "the corrected answer")


def _store(change: Change, pair: Pair, labeller: str, token: str, told: Mapping[str, Any], **more: Any) -> Vote | None:
    """Store a vote; None where its labeller has another one on this pair in this round."""
    values = {
        "project_id": pair.project_id, "pair_id": pair.id, "labeller": labeller, "kind": "person", "round": 0, "flipped": None,
        "preference": None, "seconds": None, "extra": {}, "at": db.now(), **told, **more,
    }  # fmt: skip
    try:
        return change.do("vote", token=token, **{"strength": None, "criteria": {}, "reason": "", "edited": None, **values})
    except Repeated:
        return None


def undo(home: Home, project: Project, labeller: str) -> Vote | None:
    """Take back the last vote of a labeller and put its pair before them again; None where none of the last LAST is left.

    The vote stays on record as one that was taken back.
    """
    labeller = check_labeller(labeller)
    with preferences.changing(home) as change:
        last = preferences.last_votes(home, project.id, labeller, LAST)
        standing = next((vote for vote in last if vote.undone_at is None), None)
        if standing is None:
            return None
        change.do("undo", token=standing.token, at=db.now())
        showings.reopen(
            change.connection,
            project.id,
            standing.pair_id,
            labeller,
            standing.round,
            bool(standing.flipped),
            secrets.token_hex(16),
        )
        return standing


def can_undo(home: Home, project: Project, labeller: str) -> int:
    """How many of the last votes can be taken back."""
    last = preferences.last_votes(home, project.id, labeller, LAST)
    return sum(vote.undone_at is None for vote in last)


def decide(home: Home, pair: Pair, labeller: str, choice: str, reason: str = "") -> Vote:
    """Decide what holds on a pair, whatever others said; the last decision counts. ``choice`` is first, second, tie or bad."""
    labeller = check_labeller(labeller)
    if choice not in projects.CHOICES:
        raise BadInput(f"A decision is one of {', '.join(projects.CHOICES)}, not {choice!r}.")
    with preferences.changing(home) as change:
        preferences.overrule(change, pair.id)
        told = {"choice": choice, "reason": _reason(reason)}
        stored = _store(change, pair, labeller, secrets.token_hex(16), told, round=DECIDING, source="decision")
    assert stored is not None, "earlier decisions were taken back in the same transaction"
    return stored


def compare(
    home: Home, project: Project, compared: Sequence[Compared], labeller: str, *, source: str, act: str = "", **extra: Any
) -> list[Vote]:
    """Put pairs that somebody has just compared elsewhere into a project together with their votes, all or none.

    ``act`` names what was said in one go, as of three answers to one prompt: all that this labeller has said in it before is taken
    back, unless they say the same again, which changes nothing. The same tokens give the votes that are there; another vote on a
    pair takes the place of the one before. ``extra`` is kept with each.
    """
    labeller = check_labeller(labeller)
    for each in compared:
        if each.choice not in projects.CHOICES:
            raise BadInput(f"A choice is one of {', '.join(projects.CHOICES)}, not {each.choice!r}.")
    kept = {**extra, **({"act": act} if act else {})}
    with preferences.changing(home) as change:
        known = [vote for each in compared if (vote := preferences.vote_of(home, each.token)) is not None]
        if known:
            return known
        placed = pairs.place(change, project, [each.pair for each in compared])
        said = {  # by its pair: two sides of one model may have said the same
            where.pair_id: (each, pairs.turned(_told(each)) if where.swapped else _told(each))
            for each, where in reversed(list(zip(compared, placed, strict=True)))
        }
        standing = preferences.votes_of_act(home, project.id, labeller, act) if act else []
        if standing and {vote.pair_id: vote.choice for vote in standing} == {
            at: told["choice"] for at, (_, told) in said.items()
        }:
            return standing
        earlier = [v for v in preferences.votes(home, project.id, list(said)) if v.labeller == labeller and v.round == 0]
        for token in dict.fromkeys(vote.token for vote in [*standing, *earlier]):
            change.do("undo", token=token, at=db.now())
        return [_kept(change, labeller, each.token, at, {**told, "extra": kept}, source) for at, (each, told) in said.items()]


def _told(compared: Compared) -> dict[str, Any]:
    return {"choice": compared.choice, "flipped": compared.flipped, "reason": _reason(compared.reason)}


def _kept(change: Change, labeller: str, token: str, pair_id: int, told: Mapping[str, Any], source: str) -> Vote:
    pair = preferences.pair(change.home, pair_id)
    assert pair is not None, "it was placed in the same transaction"
    made = _store(change, pair, labeller, token, told, source=source)
    assert made is not None, "an earlier vote was taken back in the same transaction"
    return made

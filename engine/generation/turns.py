"""What a conversation with several models is made of: its sides, its turns, and the branches that they form.

A turn follows another one, so that a prompt which is changed, or asked anew, begins a branch beside the first and loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.generation.answers import OWN, Answer, Sampling


@dataclass(frozen=True)
class Side:
    """Who answers, and what it is told beside the conversation. What is None is as for all."""

    model: str  # a model's or a deployment's name, a checkpoint name@step, or a model outside, model@address
    system: str = ""
    template: str = OWN
    temperature: float | None = None
    seed: int | None = None
    index: str = ""  # documents that are looked up for it

    def sampling(self, common: Sampling) -> Sampling:
        """How its tokens are chosen where the others' are chosen as in ``common``."""
        own = {name: value for name, value in (("temperature", self.temperature), ("seed", self.seed)) if value is not None}
        return replace(common, **own)


@dataclass(frozen=True)
class Turn:
    """A prompt for each side. ``answer_set`` is the host's name of the answers; without it nothing was asked yet."""

    prompts: tuple[str, ...]  # in the order of the sides, as all that follows
    samplings: tuple[Sampling, ...]
    at: str
    id: str
    after: str = ""  # the id of the turn before; "" for the first
    answer_set: str = ""
    answers: tuple[Answer, ...] = ()  # as they stand now
    problem: str | None = None  # why nothing could be asked
    expected: tuple[str, ...] = ()  # fingerprints of the models as they were registered when they were asked

    @property
    def prompt(self) -> str:
        """What all were asked, or the first one."""
        return self.prompts[0]

    @property
    def shared(self) -> bool:
        """Whether all were asked the same."""
        return len(set(self.prompts)) == 1

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
    """Turns with the same sides, seen along the branch that ends in ``leaf``. Each side sees its own earlier answers only."""

    id: str
    sides: tuple[Side, ...]
    created_at: str
    every: tuple[Turn, ...] = ()  # of all branches, in the order they were asked
    blind: bool = False  # whether names are hidden until somebody has voted
    order: tuple[int, ...] = ()  # places of the sides from left to right, drawn by chance where it is blind
    revealed: bool = False
    leaf: str = ""  # the id of the last turn that is seen; "" sees none

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(side.model for side in self.sides)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns of the branch that is seen, the first one first."""
        known, found = {turn.id: turn for turn in self.every}, []
        at = self.leaf
        while at in known:
            found.append(known[at])
            at = known[at].after
        return tuple(reversed(found))

    @property
    def ended(self) -> bool:
        """Whether nothing of what is seen is still being answered."""
        return all(turn.ended for turn in self.turns)

    @property
    def hidden(self) -> bool:
        """Whether nobody may see now which model gave which answer."""
        return self.blind and not self.revealed

    @property
    def shown(self) -> tuple[int, ...]:
        """The places of the sides from left to right."""
        return self.order or tuple(range(len(self.sides)))

    def seen_from(self, turn: str) -> "Conversation":
        """The conversation along the branch through a turn, to its newest end; the newest branch of all where there is none such."""
        known = {each.id for each in self.every}
        newest = {each.after: each.id for each in self.every}  # the last one that follows
        leaf = turn if turn in known else self.every[-1].id if self.every else ""
        while leaf in newest and leaf:
            leaf = newest[leaf]
        return replace(self, leaf=leaf)

    def before(self, turn: Turn) -> "Conversation":
        """The conversation as it was when a turn was asked."""
        return replace(self, leaf=turn.after)

    def beside(self, turn: Turn) -> tuple[Turn, ...]:
        """The turns that were asked in the same place, this one included."""
        return tuple(each for each in self.every if each.after == turn.after)

    def messages(self, place: int, prompt: str, system: bool = True) -> list[dict[str, str]]:
        """What the side at ``place`` gets to read: its own part of the conversation, then ``prompt``."""
        side = self.sides[place]
        told = [{"role": "system", "content": side.system}] if side.system and system else []
        for turn in self.turns:
            answer = turn.answers[place] if place < len(turn.answers) else None
            if answer is not None and answer.status != "failed" and answer.text:
                told += [{"role": "user", "content": turn.prompts[place]}, {"role": "assistant", "content": answer.text}]
        return [*told, {"role": "user", "content": prompt}]


def parse(body: Mapping[str, Any]) -> Conversation:
    """The conversation that ``dataclasses.asdict`` made ``body`` of, or an earlier version of Temper, which knew no branches."""
    if "models" in body:
        body = _from_earlier(body)
    sides, every = tuple(Side(**side) for side in body["sides"]), tuple(_turn(turn) for turn in body["every"])
    return Conversation(**{**body, "sides": sides, "every": every, "order": tuple(body["order"])})


def _turn(body: Mapping[str, Any]) -> Turn:
    lists = {name: tuple(body[name]) for name in ("prompts", "expected")}
    samplings = tuple(Sampling(**{**one, "stop": tuple(one["stop"])}) for one in body["samplings"])
    return Turn(**{**body, **lists, "samplings": samplings, "answers": tuple(Answer.parse(answer) for answer in body["answers"])})


def _from_earlier(body: Mapping[str, Any]) -> dict[str, Any]:
    models: Sequence[str] = body["models"]
    every: list[dict[str, Any]] = []
    for number, turn in enumerate(body["turns"]):
        kept = {name: turn[name] for name in ("at", "answer_set", "answers", "problem")}
        name = turn.get("id") or f"turn-{number}"
        after = every[-1]["id"] if every else ""
        same = {"prompts": [turn["prompt"]] * len(models), "samplings": [turn["sampling"]] * len(models)}
        every.append({**kept, **same, "id": name, "after": after, "expected": turn.get("expected", ())})
    sides = [{"model": model, "system": body["system"]} for model in models]
    kept = {name: body.get(name, nothing) for name, nothing in (("blind", False), ("order", ()), ("revealed", False))}
    return {"id": body["id"], "created_at": body["created_at"], "sides": sides, "every": every, **kept}

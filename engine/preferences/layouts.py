"""How other tools write compared answers and votes on them: one entry a layout, read row by row and written back.

What a layout has no place for stays with the vote or the pair (``extra``), so that rows go out as they came in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.shapes import UnusableRow
from engine.preferences import annotation_tools as tools
from engine.preferences.pairs import NewPair
from engine.preferences.projects import CHOICES
from engine.preferences.values import (
    PROMPTS,
    NewVote,
    Row,
    answers_of,
    choice,
    general_pair,
    labeller,
    moment,
    number,
    shown_before,
    text,
    topic,
    turns,
)
from storage.records import Pair, Vote


@dataclass(frozen=True)
class Layout:
    """One way of writing. ``is_like`` tells a row of it; ``read`` raises UnusableRow; ``write`` gives the rows of a pair with its votes."""

    name: str
    title: str
    is_like: Callable[[Row], bool]
    read: Callable[[Row], tuple[NewPair, list[NewVote]]]
    write: Callable[[Pair, Sequence[Vote]], list[dict[str, Any]]] | None
    lines: bool = True  # a row a line, or all rows in one JSON list


def _own_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    given, said = row["pair"], row.get("vote")
    if not isinstance(given, Mapping) or not (said is None or isinstance(said, Mapping)):
        raise UnusableRow("The row's pair or vote is no object.")
    origin, extra, gold = given.get("origin") or {}, given.get("extra") or {}, given.get("gold")
    if not isinstance(origin, Mapping) or not isinstance(extra, Mapping) or gold not in (None, *CHOICES):
        raise UnusableRow("The pair's origin, extra or gold is not what an export holds there.")
    pair = NewPair(
        turns(given.get("prompt")), text(given.get("first"), "first"), text(given.get("second"), "second"), dict(origin), dict(extra), gold
    )  # fmt: skip
    return pair, [_own_vote(said)] if said is not None else []


def _own_vote(said: Row) -> NewVote:
    criteria, extra = said.get("criteria") or {}, said.get("extra") or {}
    if not isinstance(criteria, Mapping) or not isinstance(extra, Mapping):
        raise UnusableRow("The vote's criteria or extra is no object.")
    strength, round = number(said.get("strength"), "strength", 1, 2), number(said.get("round"), "round", -1, 1_000)
    kind, flipped, edited = said.get("kind", "person"), said.get("flipped"), said.get("edited")
    if kind not in ("person", "judge") or flipped not in (None, True, False):
        raise UnusableRow(f"A vote of the kind {kind!r} with flipped {flipped!r} is not known.")
    return NewVote(
        labeller(said.get("labeller")), choice(said.get("choice")), kind, None if strength is None else int(strength),
        number(said.get("preference"), "preference", 1, 2), {str(k): choice(v) for k, v in criteria.items()},
        str(said.get("reason") or ""), None if edited is None else text(edited, "edited"),
        number(said.get("seconds"), "seconds", 0), None if round is None else int(round), flipped, moment(said.get("at")),
        str(said["token"]) if said.get("token") else None, dict(extra),
    )  # fmt: skip


VOTE_FIELDS = (
    "labeller", "kind", "choice", "strength", "preference", "criteria", "reason", "edited", "seconds", "round", "flipped", "at", "token",
    "extra",
)  # fmt: skip


def _own_write(pair: Pair, votes: Sequence[Vote]) -> list[dict[str, Any]]:
    told = {name: getattr(pair, name) for name in ("prompt", "first", "second", "origin", "gold", "extra")}
    rows = [{"pair": told, "vote": {name: getattr(vote, name) for name in VOTE_FIELDS}} for vote in votes]
    return rows or [{"pair": told, "vote": None}]


ALPACA = ("instruction", "output_1", "output_2", "preference")


def _alpaca_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    preference = number(row["preference"], "preference", 0, 2)
    said = "skip" if not preference else "tie" if preference == 1.5 else "first" if preference < 1.5 else "second"
    pair = NewPair(
        turns(text(row["instruction"], "instruction")), text(row["output_1"], "output_1"), text(row["output_2"], "output_2"),
        {side: {"name": str(row.get(f"generator_{i}") or "not known")} for i, side in ((1, "first"), (2, "second"))},
    )  # fmt: skip
    rest = {name: value for name, value in row.items() if name not in ALPACA}
    kept = {"alpaca_eval": rest} | ({"raw": row["preference"]} if not preference else {})
    vote = NewVote(labeller(row.get("annotator"), "judge"), said, "judge", preference=preference or None, extra=kept)
    return pair, [vote]


def _alpaca_write(pair: Pair, votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """A row for each first look, and for each vote that came in so."""
    return [_alpaca_row(pair, vote) for vote in votes if vote.round == 0 or "alpaca_eval" in vote.extra]


def _alpaca_row(pair: Pair, vote: Vote) -> dict[str, Any]:
    usual = {"first": 1.0, "second": 2.0, "tie": 1.5, "bad": 1.5, "skip": None}
    preference = vote.preference if vote.preference is not None else vote.extra.get("raw", usual[vote.choice])
    first, second = pair.first, pair.second
    if vote.extra.get("swapped"):
        first, second = second, first
        preference = 3 - preference if preference else preference
    sides = ("second", "first") if vote.extra.get("swapped") else ("first", "second")
    by = {f"generator_{i}": (pair.origin.get(side) or {}).get("name") for i, side in enumerate(sides, 1)}
    rest = vote.extra.get("alpaca_eval", {**by, "annotator": vote.labeller})
    return {"instruction": pair.prompt[-1]["content"], "output_1": first, "output_2": second, **rest, "preference": preference}


def _is_battle(row: Row) -> bool:
    alone = {"model_a", "model_b", "winner"} <= row.keys() and answers_of(row) is None and "chosen" not in row
    return alone or ("conversation_a" in row and "conversation_b" in row)


def _arena_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    if not row.get("conversation_a") or not row.get("conversation_b"):
        raise UnusableRow(
            "The battle holds no conversations, so there are no answers to keep. `arena rank FILE` ranks such battles as they stand."
        )
    one, other = turns(row["conversation_a"]), turns(row["conversation_b"])
    if one[:-1] != other[:-1] or one[-1]["role"] != "assistant" or other[-1]["role"] != "assistant":
        raise UnusableRow("The two conversations differ before their last answer, so the answers cannot be compared.")
    origin = {
        side: {"name": str(row.get(f"model_{letter}") or "").strip() or "not known"}
        for side, letter in (("first", "a"), ("second", "b"))
    }
    pair = NewPair(one[:-1], one[-1]["content"], other[-1]["content"], origin, topic(row))
    if not row.get("winner"):
        return pair, []
    kept = ({"act": str(row["act"])} if row.get("act") else {}) | ({"blind": False} if shown_before(row) else {})
    return pair, [NewVote(labeller(row.get("judge")), choice(row["winner"]), at=moment(row.get("tstamp")), extra=kept)]


VOTED = ("choice", "winner", "label", "preferred", "better")
WHO = ("labeller", "annotator", "judge", "user", "user_id")


def _general_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    answers = answers_of(row) or ()
    known = {*PROMPTS, *answers, *VOTED, *WHO, "reason"}
    pair = general_pair(row, {name: value for name, value in row.items() if name not in known})
    said = next((row[name] for name in VOTED if row.get(name) not in (None, "")), None)
    who = next((row[name] for name in WHO if row.get(name)), None)
    return pair, [NewVote(labeller(who), choice(said), reason=str(row.get("reason") or ""))] if said is not None else []


def _counts_from_0(row: Row) -> bool:
    return answers_of(row) is not None and any(str(row.get(name)).strip() in ("0", "0.0") for name in VOTED)


def _from_0_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    called = {"0": "first", "0.0": "first", "1": "second", "1.0": "second"}
    return _general_read({name: called.get(str(value).strip(), value) if name in VOTED else value for name, value in row.items()})


def _chosen_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    """A preference data set: what it calls chosen is its own vote, beside which people can be asked."""
    prompt, chosen, rejected = row.get("prompt"), row["chosen"], row["rejected"]
    if prompt is None:
        if not isinstance(chosen, list) or not isinstance(rejected, list) or chosen[:-1] != rejected[:-1]:
            raise UnusableRow("There is no prompt, and the two conversations do not share one.")
        prompt = chosen[:-1]
    margin = number(row.get("margin"), "margin")
    extra = {"margin": margin} if margin is not None else {}
    said = NewVote("the file", "first", "judge", reason=str(row.get("reason") or ""))
    return NewPair(turns(prompt), text(chosen, "chosen"), text(rejected, "rejected"), {}, extra), [said]


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("jsonl", "Temper's own export", lambda row: "pair" in row and "vote" in row, _own_read, _own_write),
        Layout("alpaca_eval", "AlpacaEval annotations", lambda row: all(n in row for n in ALPACA), _alpaca_read, _alpaca_write, False),
        Layout("argilla", "Argilla records", lambda row: isinstance(row.get("fields"), Mapping), tools.argilla_read, tools.argilla_write, False),
        Layout("label_studio", "Label Studio tasks", lambda row: isinstance(row.get("data"), Mapping), tools.studio_read, tools.studio_write, False),
        Layout("arena", "Chatbot Arena battles", _is_battle, _arena_read, None),
        Layout("preference", "Preference pairs (chosen, rejected)", lambda row: "chosen" in row and "rejected" in row, _chosen_read, None),
        Layout("pairs_from_0", "A prompt with two answers, the better one called 0 or 1", _counts_from_0, _from_0_read, None),
        Layout("pairs", "A prompt with two answers", lambda row: answers_of(row) is not None, _general_read, None),
    )
}  # fmt: skip

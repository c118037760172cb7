"""How other tools write compared answers and votes on them: one entry a layout, read row by row and written back.

What a layout has no place for stays with the vote or the pair (``extra``), so that rows go out as they came in.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine import names
from engine.data.shapes import ROLES, UnusableRow
from engine.preferences.pairs import NewPair
from engine.preferences.projects import CHOICES
from storage.records import Pair, Vote

Row = Mapping[str, Any]
PROMPTS = ("prompt", "instruction", "question", "input", "context")
ANSWERS = (
    ("first", "second"), ("output_1", "output_2"), ("response_1", "response_2"), ("answer_1", "answer_2"), ("answer1", "answer2"),
    ("response_a", "response_b"), ("answer_a", "answer_b"), ("completion_a", "completion_b"), ("response1", "response2"),
    ("left", "right"),
)  # fmt: skip
# what a choice is called elsewhere
CALLED = {
    "first": ("first", "1", "a", "left", "model_a", "model a", "a is better", "chosen"),
    "second": ("second", "2", "b", "right", "model_b", "model b", "b is better", "rejected"),
    "tie": ("tie", "equal", "same", "both", "both good", "draw"),
    "bad": ("bad", "both bad", "both_bad", "tie (bothbad)", "neither", "none"),
    "skip": ("skip", "skipped", "discarded"),
}
WORDS = {word: choice for choice, words in CALLED.items() for word in words}
OPPOSITE = {"first": "second", "second": "first"}


@dataclass(frozen=True)
class NewVote:
    """A vote as it comes in. ``token`` and ``round`` are None where the file names none."""

    labeller: str
    choice: str
    kind: str = "person"
    strength: int | None = None
    preference: float | None = None
    criteria: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    edited: str | None = None
    seconds: float | None = None
    round: int | None = None
    flipped: bool | None = None
    at: str | None = None
    token: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def swapped(self) -> "NewVote":
        """The same vote where the answers stand in the other order."""
        from dataclasses import replace

        return replace(
            self, choice=OPPOSITE.get(self.choice, self.choice), flipped=None if self.flipped is None else not self.flipped,
            criteria={name: OPPOSITE.get(choice, choice) for name, choice in self.criteria.items()},
            preference=None if self.preference is None else 3 - self.preference, extra={**self.extra, "swapped": True},
        )  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """One way of writing. ``is_like`` tells a row of it; ``read`` raises UnusableRow; ``write`` gives the rows of a pair with its votes."""

    name: str
    title: str
    is_like: Callable[[Row], bool]
    read: Callable[[Row], tuple[NewPair, list[NewVote]]]
    write: Callable[[Pair, Sequence[Vote]], list[dict[str, Any]]] | None
    lines: bool = True  # a row a line, or all rows in one JSON list


def text(value: Any, what: str) -> str:
    """The text of a value; UnusableRow where it is none."""
    if isinstance(value, list) and value and isinstance(value[-1], Mapping) and isinstance(value[-1].get("content"), str):
        return value[-1]["content"]
    if not isinstance(value, str):
        raise UnusableRow(f"{what} is {type(value).__name__}, not a text.")
    return value


def turns(value: Any) -> list[dict[str, Any]]:
    """A prompt as turns; UnusableRow where it is none."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise UnusableRow("The prompt is neither a text nor a list of turns.")
    for turn in value:
        if not isinstance(turn, Mapping) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
            raise UnusableRow(f"A turn of the prompt has no role of {', '.join(ROLES)} or no text.")
    return [dict(turn) for turn in value]


def labeller(value: Any, usual: str = "imported") -> str:
    """A name for whoever voted, as near to the value as names may be."""
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("username") or value.get("id")
    return names.made_from(str(value)) if value not in (None, "") else usual


def choice(value: Any) -> str:
    """A choice from whatever word stands for it; UnusableRow where none does."""
    word = str(value).strip().lower()
    for prefix in ("response", "answer", "output", "completion"):
        word = word.removeprefix(prefix).strip("_ ") or word
    if word not in WORDS:
        raise UnusableRow(f"{value!r} is no choice. Known are {', '.join(CALLED)}, and the words that other tools have for them.")
    return WORDS[word]


def number(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float | None:
    """A number within bounds, or None where there is none; UnusableRow otherwise."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UnusableRow(f"{what} is {value!r}, not a number from {low:g} to {high:g}.")
    return float(value)


def moment(value: Any) -> str | None:
    """A time as it is stored, or None where the text names none."""
    try:
        return datetime.fromisoformat(value).isoformat() and value
    except (TypeError, ValueError):
        return None


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
    return [_alpaca_row(pair, vote) for vote in votes]


def _alpaca_row(pair: Pair, vote: Vote) -> dict[str, Any]:
    usual = {"first": 1.0, "second": 2.0, "tie": 1.5, "bad": 1.5, "skip": None}
    preference = vote.preference if vote.preference is not None else vote.extra.get("raw", usual[vote.choice])
    first, second = pair.first, pair.second
    if vote.extra.get("swapped"):
        first, second = second, first
        preference = 3 - preference if preference else preference
    by = {f"generator_{i}": (pair.origin.get(side) or {}).get("name") for i, side in ((1, "first"), (2, "second"))}
    rest = vote.extra.get("alpaca_eval", {**by, "annotator": vote.labeller})
    return {"instruction": pair.prompt[-1]["content"], "output_1": first, "output_2": second, **rest, "preference": preference}


def _argilla_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    fields, *others = row["fields"], *(row.get(name) or {} for name in ("responses", "metadata", "suggestions"))
    if not all(isinstance(part, Mapping) for part in (fields, *others)):
        raise UnusableRow("The record's fields, responses, metadata or suggestions are no objects.")
    responses, metadata, suggestions = others
    pair = _general_pair(fields, dict(metadata))
    by_person: dict[str, dict[str, Any]] = {}
    for question, said in responses.items():
        for each in said if isinstance(said, list) else [said]:
            if isinstance(each, Mapping):
                by_person.setdefault(labeller(each.get("user_id")), {})[question] = each.get("value")
    votes = [_argilla_vote(name, said) for name, said in by_person.items()]
    for said in suggestions.values():
        if isinstance(said, Mapping) and isinstance(said.get("value"), str) and said["value"].strip().lower() in _known_words():
            votes.append(NewVote(labeller(said.get("agent"), "suggestion"), choice(said["value"]), "judge"))
    return pair, votes


def _known_words() -> set[str]:
    return {*WORDS, *(f"{prefix}_{word}" for prefix in ("response", "answer", "output", "completion") for word in WORDS)}


def _argilla_vote(name: str, said: Mapping[str, Any]) -> NewVote:
    """The answers of one person to the questions of a record: the one that names a choice, and texts as the reason."""
    chosen = [value for value in said.values() if isinstance(value, str) and value.strip().lower() in _known_words()]
    if not chosen:
        raise UnusableRow(f"No answer of {name} names one of the two texts: {json.dumps(said, default=str)[:200]}.")
    reason = said.get("reason") or next((v for v in said.values() if isinstance(v, str) and v not in chosen), "")
    strength = number(said.get("strength"), "strength", 1, 2)
    return NewVote(name, choice(chosen[0]), reason=str(reason), strength=None if strength is None else int(strength))


def _argilla_write(pair: Pair, votes: Sequence[Vote]) -> list[dict[str, Any]]:
    said = {"first": "response_1", "second": "response_2", "tie": "tie", "bad": "both_bad", "skip": "skip"}
    people = [vote for vote in votes if vote.kind == "person"]
    responses: dict[str, list[dict[str, Any]]] = {
        "preference": [{"value": said[vote.choice], "user_id": vote.labeller} for vote in people],
        "reason": [{"value": vote.reason, "user_id": vote.labeller} for vote in people if vote.reason],
        "strength": [{"value": vote.strength, "user_id": vote.labeller} for vote in people if vote.strength],
    }
    judged = [vote for vote in votes if vote.kind == "judge"]
    suggestions = (
        {"preference": {"value": said[judged[-1].choice], "agent": judged[-1].labeller, "score": None}} if judged else {}
    )
    prompt = pair.prompt[0]["content"] if len(pair.prompt) == 1 else pair.prompt
    return [
        {
            "id": str(pair.id), "fields": {"prompt": prompt, "response_1": pair.first, "response_2": pair.second},
            "metadata": {}, "responses": {name: given for name, given in responses.items() if given}, "suggestions": suggestions,
            "vectors": {},
        }
    ]  # fmt: skip


def _studio_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    data, annotations = row["data"], row.get("annotations") or []
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise UnusableRow("The task's data is no object, or its annotations are no list.")
    votes = []
    for given in annotations:
        if isinstance(given, Mapping) and not given.get("was_cancelled"):
            votes.append(_studio_vote(given))
    return _general_pair(data, {}), votes


def _studio_vote(given: Row) -> NewVote:
    """One annotation: what was selected or chosen, and a text as the reason."""
    said, reason, criteria = None, "", {}
    results = given.get("result")
    for part in results if isinstance(results, list) else ():
        value = part.get("value") if isinstance(part, Mapping) else None
        if not isinstance(value, Mapping):
            continue
        if "selected" in value:
            said = value["selected"]
        elif isinstance(value.get("choices"), list) and value["choices"] and said is None:
            said = value["choices"][0]
        elif value.get("text"):
            reason = value["text"][0] if isinstance(value["text"], list) and value["text"] else value["text"]
    if said is None:
        raise UnusableRow(f"An annotation selects neither answer: {json.dumps(given.get('result'), default=str)[:200]}.")
    return NewVote(
        labeller(given.get("completed_by")), choice(said), reason=str(reason), criteria=criteria, at=moment(given.get("created_at")),
        seconds=number(given.get("lead_time"), "lead_time", 0),
    )  # fmt: skip


def _studio_write(pair: Pair, votes: Sequence[Vote]) -> list[dict[str, Any]]:
    prompt = pair.prompt[0]["content"] if len(pair.prompt) == 1 else pair.prompt
    return [
        {
            "id": pair.id, "data": {"prompt": prompt, "answer1": pair.first, "answer2": pair.second},
            "annotations": [_studio_annotation(vote) for vote in votes],
        }
    ]  # fmt: skip


def _studio_annotation(vote: Vote) -> dict[str, Any]:
    sides = {"first": "left", "second": "right"}
    to = {"from_name": "preference", "to_name": "answer1,answer2"}
    chosen = (
        {**to, "type": "pairwise", "value": {"selected": sides[vote.choice]}}
        if vote.choice in sides
        else {**to, "type": "choices", "value": {"choices": [vote.choice]}}
    )
    reason = (
        [{"from_name": "reason", "to_name": "prompt", "type": "textarea", "value": {"text": [vote.reason]}}]
        if vote.reason
        else []
    )
    return {
        "id": vote.seq, "completed_by": {"email": vote.labeller}, "created_at": vote.at, "lead_time": vote.seconds,
        "result": [chosen, *reason],
    }  # fmt: skip


def _arena_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    one, other = turns(row["conversation_a"]), turns(row["conversation_b"])
    if one[:-1] != other[:-1] or one[-1]["role"] != "assistant" or other[-1]["role"] != "assistant":
        raise UnusableRow("The two conversations differ before their last answer, so the answers cannot be compared.")
    origin = {
        side: {"name": str(row.get(f"model_{letter}") or "not known")} for side, letter in (("first", "a"), ("second", "b"))
    }
    pair = NewPair(one[:-1], one[-1]["content"], other[-1]["content"], origin)
    return pair, [NewVote(labeller(row.get("judge")), choice(row["winner"]))] if row.get("winner") else []


def _general_pair(row: Row, extra: dict[str, Any]) -> NewPair:
    prompt = next((row[name] for name in PROMPTS if row.get(name) is not None), None)
    answers = _answers(row)
    if prompt is None or answers is None:
        raise UnusableRow(f"There is no prompt with two answers in it, only {', '.join(map(str, row))}.")
    first, second = (text(row[name], name) for name in answers)
    origin = {}
    for i, (side, letter) in enumerate((("first", "a"), ("second", "b")), 1):
        written = next((row[n] for n in (f"model_{letter}", f"generator_{i}", f"model_{i}") if row.get(n)), None)
        origin[side] = {"name": str(written or "not known")}
    return NewPair(turns(prompt), first, second, origin, extra)


def _answers(row: Row) -> tuple[str, str] | None:
    return next((names for names in ANSWERS if all(name in row for name in names)), None)


VOTED = ("choice", "winner", "label", "preferred", "better")
WHO = ("labeller", "annotator", "judge", "user", "user_id")


def _general_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    answers = _answers(row) or ()
    known = {*PROMPTS, *answers, *VOTED, *WHO, "reason"}
    pair = _general_pair(row, {name: value for name, value in row.items() if name not in known})
    said = next((row[name] for name in VOTED if row.get(name) not in (None, "")), None)
    who = next((row[name] for name in WHO if row.get(name)), None)
    return pair, [NewVote(labeller(who), choice(said), reason=str(row.get("reason") or ""))] if said is not None else []


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
        Layout("argilla", "Argilla records", lambda row: isinstance(row.get("fields"), Mapping), _argilla_read, _argilla_write, False),
        Layout("label_studio", "Label Studio tasks", lambda row: isinstance(row.get("data"), Mapping), _studio_read, _studio_write, False),
        Layout("arena", "Chatbot Arena battles", lambda row: "conversation_a" in row and "conversation_b" in row, _arena_read, None),
        Layout("preference", "Preference pairs (chosen, rejected)", lambda row: "chosen" in row and "rejected" in row, _chosen_read, None),
        Layout("pairs", "A prompt with two answers", lambda row: _answers(row) is not None, _general_read, None),
    )
}  # fmt: skip

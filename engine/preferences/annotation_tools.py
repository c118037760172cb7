"""Records of Argilla and tasks of Label Studio: pairs of answers with what people said of them, read and written."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.data.shapes import UnusableRow
from engine.preferences.pairs import NewPair
from engine.preferences.values import (
    PROMPTS,
    NewVote,
    Row,
    answers_of,
    choice,
    general_pair,
    is_choice,
    labeller,
    moment,
    number,
)
from storage.records import Pair, Vote


def argilla_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    fields, *others = row["fields"], *(row.get(name) or {} for name in ("responses", "metadata", "suggestions"))
    if not all(isinstance(part, Mapping) for part in (fields, *others)):
        raise UnusableRow("The record's fields, responses, metadata or suggestions are no objects.")
    responses, metadata, suggestions = others
    pair = general_pair(fields, dict(metadata))
    by_person: dict[str, dict[str, Any]] = {}
    for question, said in responses.items():
        for each in said if isinstance(said, list) else [said]:
            if isinstance(each, Mapping):
                by_person.setdefault(labeller(each.get("user_id")), {})[question] = each.get("value")
    votes = [_argilla_vote(name, said) for name, said in by_person.items()]
    for said in suggestions.values():
        if isinstance(said, Mapping) and is_choice(said.get("value")):
            votes.append(NewVote(labeller(said.get("agent"), "suggestion"), choice(said["value"]), "judge"))
    return pair, votes


def _argilla_vote(name: str, said: Mapping[str, Any]) -> NewVote:
    """The answers of one person to the questions of a record: the one that names a choice, and texts as the reason."""
    chosen = [value for value in said.values() if is_choice(value)]
    if not chosen:
        raise UnusableRow(f"No answer of {name} names one of the two texts: {json.dumps(said, default=str)[:200]}.")
    reason = said.get("reason") or next((v for v in said.values() if isinstance(v, str) and v not in chosen), "")
    strength = number(said.get("strength"), "strength", 1, 2)
    return NewVote(name, choice(chosen[0]), reason=str(reason), strength=None if strength is None else int(strength))


def argilla_write(pair: Pair, votes: Sequence[Vote]) -> list[dict[str, Any]]:
    said = {"first": "response_1", "second": "response_2", "tie": "tie", "bad": "both_bad", "skip": "skip"}
    people = [vote for vote in votes if vote.kind == "person" and vote.round == 0]  # a record holds one response of each
    responses: dict[str, list[dict[str, Any]]] = {
        "preference": [{"value": said[vote.choice], "user_id": vote.labeller} for vote in people],
        "reason": [{"value": vote.reason, "user_id": vote.labeller} for vote in people if vote.reason],
        "strength": [{"value": vote.strength, "user_id": vote.labeller} for vote in people if vote.strength],
    }
    judged = [vote for vote in votes if vote.kind == "judge" and vote.round == 0]
    suggestions = (
        {"preference": {"value": said[judged[-1].choice], "agent": judged[-1].labeller, "score": None}} if judged else {}
    )
    prompt = pair.prompt[0]["content"] if len(pair.prompt) == 1 else pair.prompt
    return [
        {
            "id": str(pair.id), "fields": {"prompt": prompt, "response_1": pair.first, "response_2": pair.second},
            "metadata": {name: value for name, value in pair.extra.items() if isinstance(value, str | int | float)},
            "responses": {name: given for name, given in responses.items() if given}, "suggestions": suggestions,
            "vectors": {},
        }
    ]  # fmt: skip


def studio_read(row: Row) -> tuple[NewPair, list[NewVote]]:
    data, annotations = row["data"], row.get("annotations") or []
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise UnusableRow("The task's data is no object, or its annotations are no list.")
    votes = []
    for given in annotations:
        if isinstance(given, Mapping) and not given.get("was_cancelled"):
            votes.append(_studio_vote(given))
    known = {*PROMPTS, *(answers_of(data) or ())}
    return general_pair(data, {name: value for name, value in data.items() if name not in known}), votes


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


def studio_write(pair: Pair, votes: Sequence[Vote]) -> list[dict[str, Any]]:
    prompt = pair.prompt[0]["content"] if len(pair.prompt) == 1 else pair.prompt
    return [
        {
            "id": pair.id, "data": {**pair.extra, "prompt": prompt, "answer1": pair.first, "answer2": pair.second},
            "annotations": [_studio_annotation(vote) for vote in votes if vote.round == 0],
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

"""A judge beside the people: it looks at each pair in both orders, and its votes stand under its name."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.evaluation import journal
from engine.evaluation import judge as judges
from engine.evaluation.judge import Client, Judge
from engine.methods.method import Reporter
from storage import db, preferences
from storage.home import Home
from storage.preferences import Repeated
from storage.records import Pair, Project

JUDGED = "judged.jsonl"
TOGETHER = 200  # votes stored at once
SIDE = {"A": 1.0, "tie": 1.5, "C": 1.5, "B": 2.0}  # what a verdict says in numbers, from 1 (the first answer) to 2


def open_for(home: Home, project: Project, name: str, limit: int | None = None) -> list[Pair]:
    """The pairs that a judge has not voted on, in the order people see them."""
    seen = {vote.pair_id for vote in preferences.votes(home, project.id) if vote.labeller == name and vote.round == 0}
    found = sorted((p for p in preferences.pairs(home, project.id) if p.id not in seen), key=lambda pair: (pair.place, pair.id))
    return found[:limit]


def label(
    home: Home, project: Project, pairs: Sequence[Pair], judge: Judge, principles: Sequence[str], folder: Path, reporter: Reporter
) -> dict[str, int] | None:
    """Let the judge vote on these pairs; how many votes of which kind. None when stopped: what was said so far is kept and stored."""
    client = Client(judge)

    def look(place: int) -> dict[str, Any]:
        pair = pairs[place]
        said = judges.compare(client.ask, principles, judges.question(pair.prompt), pair.first, pair.second)
        return {"pair_id": pair.id, "winner": said.winner, "agreed": said.agreed, "reasons": said.reasons}

    try:
        said = journal.through(folder / JUDGED, len(pairs), look, reporter, "judging")
    finally:
        client.close()
        told = sorted(journal.read(folder / JUDGED).values(), key=lambda row: row["place"])
        counts = _store(home, project, judge.model, told)
    return counts if said is not None else None


def _store(home: Home, project: Project, name: str, told: Sequence[dict[str, Any]]) -> dict[str, int]:
    counts = {"voted": 0, "unread": sum(row["winner"] is None for row in told)}
    counts["disagreed"] = sum(row["winner"] is not None and not row["agreed"] for row in told)
    for begin in range(0, len(told), TOGETHER):
        with preferences.changing(home) as change:
            for row in told[begin : begin + TOGETHER]:
                token = hashlib.sha256(f"judge {project.id} {row['pair_id']} {name}".encode()).hexdigest()[:32]
                try:
                    counts["voted"] += change.do("vote", token=token, **_vote(project, name, row)) is not None
                except Repeated:
                    continue  # it was labelled under the judge's name meanwhile, by an import
    return counts


def _vote(project: Project, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A verdict as a vote; where the two orders disagree, the mean of both says how unsure the judge is."""
    straight, swapped = (judges.read(reply) for reply in row["reasons"])
    preference = None
    if straight is not None and swapped is not None:
        preference = (SIDE[straight] + 3 - SIDE[swapped]) / 2
    return {
        "project_id": project.id, "pair_id": row["pair_id"], "labeller": name, "kind": "judge", "round": 0, "flipped": None,
        "choice": row["winner"] or "skip", "strength": None, "preference": preference, "criteria": {}, "reason": row["reasons"][0],
        "edited": None, "seconds": None, "source": "judge", "extra": {"agreed": row["agreed"], "prompt_version": judges.VERSION},
        "at": db.now(),
    }  # fmt: skip

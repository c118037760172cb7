"""Votes between models' answers as battles to rank them by, from a project of labels or from a file in FastChat's form."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.data import reading
from engine.errors import BadInput, WrongShape
from engine.preferences import consensus
from engine.preferences.pairs import writers
from engine.preferences.ranking import STYLE, Battle
from engine.preferences.values import WORDS, seconds, shown_before, topic, word
from storage import files, preferences
from storage.home import Home
from storage.records import Project, Vote

SCORES = {"first": 1.0, "second": 0.0, "tie": 0.5, "bad": 0.5}
WINNERS = {"first": "model_a", "second": "model_b", "tie": "tie", "bad": "tie (bothbad)"}
COLUMNS = ("model_a", "model_b", "winner", "judge", "tstamp", "topic", "act")
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)  # its comments are no headings, and its __names__ not bold
LOOKS = {
    "headings": re.compile(r"^\s{0,3}#{1,6}\s", re.MULTILINE),
    "list items": re.compile(r"^\s*(?:[-*+]|\d+[.)])\s", re.MULTILINE),
    "bold text": re.compile(r"(\*\*|__)(?=\S).+?\1"),
}


# who makes models, and what they are called: an answer that says one of these tells who gave it
UNMISTAKABLE = re.compile(
    r"\b(?:OpenAI|(?:Chat)?GPT-?[345][\w.-]*|ChatGPT|Anthropic|Qwen[\w.]*|Tongyi|Alibaba Cloud|Mistral AI|Mixtral|DeepSeek\w*|SmolLM\w*"
    r"|Hugging ?Face|xAI|ChatGLM\w*|Zhipu|Moonshot AI|Cohere|Vicuna\w*|DBRX|Granite[ -]?\d|(?:Claude|Gemini|Gemma|Llama|Phi|Grok)[ -]?\d[\w.]*"
    r")\b",
    re.I,
)
# words that are also a name, an animal or a company: they tell something where somebody speaks of itself
SELF = (
    r"\b(?:I am|I'm|my name is|call me|as an? (?:\w+ )?(?:model|assistant|AI)|(?:made|trained|created|developed|built) by)\b"
    r"[^.\n]{0,60}\b"
)
MAKERS = re.compile(
    SELF
    + r"(Google(?: DeepMind)?|DeepMind|Meta(?: AI)?|Microsoft|Alibaba|Apple|Amazon|IBM|Nvidia|Claude|Bard|Gemini|Gemma|Llama|Mistral"
    r"|Phi|Grok|Hermes|Koala|Alpaca|Falcon|Yi|Kimi|Ernie|Nova)\b",
    re.I,
)


def style(first: str, second: str) -> tuple[float, ...]:
    """How much more of each of STYLE the first text has: the difference by the sum, from -1 to 1; 0 where neither has any."""
    plain, told = [CODE.sub("", text) for text in (first, second)], []
    for what in STYLE:
        one, other = map(len, (first, second)) if what == "length" else (len(LOOKS[what].findall(text)) for text in plain)
        told.append((one - other) / (one + other) if one + other else 0.0)
    return tuple(told)


def battles(home: Home, project: Project, by: str = "people") -> list[Battle]:
    """The votes of a project that are between answers of two models, in order; both bad counts as a tie."""
    pairs = {pair.id: pair for pair in preferences.pairs(home, project.id)}
    found = []
    for vote in _counted(preferences.votes(home, project.id), by):
        pair = pairs[vote.pair_id]
        names = writers(pair.origin)
        if names is not None:
            told = vote.labeller, topic(pair.extra).get("topic", ""), _act(vote.labeller, vote.extra.get("act"))
            found.append(Battle(*names, SCORES[vote.choice], style(pair.first, pair.second), *told))
    return found


def named(texts: Iterable[str], models: Iterable[str]) -> str:
    """A word by which one of the texts tells who wrote it, nothing where none does; words that mean something else too only count
    where somebody says that they are theirs."""
    calls = {name for model in models for name in (model, *re.split(r"[@:]", model)[:1]) if name}
    for text in texts:
        found = UNMISTAKABLE.search(text)
        if found:
            return found.group(0)
        for name in sorted(calls, key=len, reverse=True):
            known = re.escape(name)
            if re.search(rf"{SELF}{known}\b" if name.isalpha() else rf"(?<!\w){known}(?!\w)", text, re.I):
                return name
        said = MAKERS.search(text)
        if said:
            return said.group(1)
    return ""


def _counted(votes: Iterable[Vote], by: str) -> Iterator[Vote]:
    """The first look of each labeller that counts, without what was skipped."""
    return (vote for vote in votes if vote.round == 0 and vote.choice in SCORES and vote.kind in consensus.BY[by] and _fair(vote))


def _fair(vote: Vote) -> bool:
    """Whether nobody knew who wrote what: a vote in the chat has to be blind, one from a file must not be said to be none, and no
    answer may have told its model."""
    return not vote.extra.get("named") and bool(vote.extra.get("blind", vote.source != "chat"))


def _act(labeller: str, given: Any) -> str:
    """What names the act of voting that a vote is part of, as of three answers to one prompt; nothing where it stands alone."""
    return f"{labeller} {given}" if given else ""


def some(battles: Sequence[Battle], labeller: str | None = None, topic: str | None = None) -> list[Battle]:
    """Those of one labeller, of one topic, or of both."""
    return [b for b in battles if labeller in (None, b.labeller) and topic in (None, b.topic)]


def read(path: Path | str) -> list[Battle]:
    """The battles of a file in FastChat's form or of a CSV with model_a, model_b and winner; none of a model with itself, and none
    whose models were shown before the vote (``anony``).

    WrongShape where a row names no models or no winner.
    """
    path = files.place(path)
    found = []
    for row in reading.rows(path):
        value = row.value
        if row.fault or not isinstance(value, Mapping) or any(not value.get(name) for name in COLUMNS[:3]):
            raise WrongShape(f"Row {row.row} of {path.name}: {row.fault or 'it needs model_a, model_b and winner'}.")
        said = WORDS.get(word(str(value["winner"])))
        if said not in SCORES:
            raise WrongShape(
                f"Row {row.row} of {path.name}: {value['winner']!r} is no winner. Use {', '.join(WINNERS.values())}."
            )
        names = str(value["model_a"]).strip(), str(value["model_b"]).strip()
        if names[0] == names[1] or shown_before(value):
            continue
        answers = [_last(value.get(f"conversation_{side}")) for side in "ab"]
        judge = str(value.get("judge") or "")
        told = judge, topic(value).get("topic", ""), _act(judge, value.get("act"))
        found.append(Battle(*names, SCORES[said], style(*answers) if all(answers) else None, *told))
    return found


def _last(conversation: Any) -> str:
    turn = conversation[-1] if isinstance(conversation, list) and conversation else None
    return str(turn.get("content") or "") if isinstance(turn, Mapping) else ""


def export(home: Home, project: Project, path: Path | str, by: str = "people") -> int:
    """Write the battles of a project as FastChat has them: JSON lines with the conversations, or a CSV where the name ends so."""
    path = files.place(path)
    pairs, rows = {pair.id: pair for pair in preferences.pairs(home, project.id)}, []
    for vote in _counted(preferences.votes(home, project.id), by):
        pair = pairs[vote.pair_id]
        names = writers(pair.origin)
        if names is not None:
            rows.append(
                {
                    "model_a": names[0], "model_b": names[1], "winner": WINNERS[vote.choice], "judge": vote.labeller,
                    "tstamp": seconds(vote.at), "topic": topic(pair.extra).get("topic", ""),
                    "act": vote.extra.get("act", ""),
                    **{f"conversation_{side}": [*pair.prompt, {"role": "assistant", "content": text}]
                       for side, text in (("a", pair.first), ("b", pair.second))},
                }
            )  # fmt: skip
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.suffix.lower() == ".csv":
        told = io.StringIO()
        table = csv.DictWriter(told, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        body = told.getvalue()
    try:
        files.write_text(path, body)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}. Choose another place.") from None
    return len(rows)

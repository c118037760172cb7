"""Prompts kept like data: frozen versions under a name, what differs between two, and the examples that they show."""

import difflib
import hashlib
import json
import random
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from engine import names
from engine.data import curate
from engine.errors import BadInput, NotFound, WrongShape
from engine.prompting.templates import Body, Examples
from storage import prompts
from storage.home import Home
from storage.records import Dataset, PromptVersion

SHAPES = ("messages", "prompt_completion")
MOST_ROWS = 20_000  # of a data set that examples are looked for in


def save(home: Home, name: str, body: Body | Mapping[str, Any], note: str = "") -> PromptVersion:
    """The next version of a prompt; the same body again gives back the version that there is.

    The data set of examples is pinned to the version that it has now. BadInput, NotFound or WrongShape say what cannot be used.
    """
    made = Body.checked(body.plain() if isinstance(body, Body) else body)
    plain = made.plain()
    if made.examples is not None:
        plain["examples"]["dataset"] = _dataset(home, made.examples).title
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(names.text(text, "the prompt").encode()).hexdigest()
    return prompts.insert(home, name=names.check(name, "a prompt"), sha256=digest, note=names.text(note, "the note"), body=plain)


def find(home: Home, reference: str) -> PromptVersion:
    """A version by ``name`` (its newest), ``name@version`` or ``#id``; NotFound says what there is."""
    found = prompts.find(home, reference)
    if found is None:
        name = reference.partition("@")[0]
        if numbers := sorted(version.version for version in prompts.all(home) if version.name == name):
            raise NotFound(f"There is no prompt {reference!r}. {name} has {', '.join(f'@{number}' for number in numbers)}.")
        there = ", ".join(dict.fromkeys(version.name for version in prompts.all(home))) or "none yet"
        raise NotFound(f"There is no prompt {reference!r}. There are: {there}.")
    return found


def body_of(version: PromptVersion) -> Body:
    """What stands in a version."""
    return Body.checked(version.body)


def difference(a: PromptVersion, b: PromptVersion) -> list[str]:
    """What was changed from one version to another, as the lines of a unified diff; none where they say the same."""
    return list(difflib.unified_diff(_lines(a), _lines(b), a.title, b.title, lineterm=""))


def _lines(version: PromptVersion) -> list[str]:
    body = body_of(version)
    lines: list[str] = []
    for name, text in (("system", body.system), ("template", body.template), ("absent", body.absent)):
        lines += [f"{name}:", *(f"  {line}" for line in text.splitlines())]
    lines += ["variables:", *(f"  {name} = {value}" for name, value in sorted(body.variables.items()))]
    shown = body.examples
    return [*lines, f"examples: {shown.count} {shown.by} of {shown.dataset}, seed {shown.seed}" if shown else "examples: none"]


def lineage(home: Home, version: PromptVersion) -> list[PromptVersion]:
    """A version and those before it, newest first."""
    found, at = [version], version
    while at.parent_id is not None and (before := prompts.get(home, at.parent_id)) is not None:
        found.append(before)
        at = before
    return found


def examples_for(home: Home, body: Body, question: str) -> list[tuple[str, str]]:
    """The examples that are shown with a question, the nearest one last. A row that asks the same question is none of them."""
    if body.examples is None:
        return []
    dataset, own = _dataset(home, body.examples), _same(question)
    every = _pairs(home, dataset)
    others = [i for i, (asked, _) in enumerate(every) if _same(asked) != own]
    if body.examples.by == "fixed":
        drawn = random.Random(body.examples.seed).sample(range(len(every)), len(every))
        return [every[i] for i in drawn if _same(every[i][0]) != own][: body.examples.count]
    return [every[i] for i in reversed(_nearest(home, dataset, question, others)[: body.examples.count])]


def _nearest(home: Home, dataset: Dataset, question: str, among: list[int]) -> list[int]:
    """The places ``among`` the rows, those first whose questions mean most nearly the same."""
    from engine.retrieval import embedding

    vectors = _vectors(home, dataset.id, dataset.sha256)
    likeness = vectors @ embedding.embed(embedding.built_in(), [question])[0]
    return sorted(among, key=lambda i: (-float(likeness[i]), i))


@lru_cache(maxsize=8)
def _vectors(home: Home, dataset_id: int, sha256: str) -> Any:
    from engine.retrieval import embedding

    return embedding.embed(embedding.built_in(), [asked for asked, _ in _read(home, dataset_id, sha256)])


def _same(question: str) -> str:
    """A question by its letters and digits alone, so that another sign at its end does not make it another one."""
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", question).casefold()).strip()


def _dataset(home: Home, examples: Examples) -> Dataset:
    """The data set that examples are taken from; WrongShape where its rows are no questions with answers."""
    dataset = curate.find(home, examples.dataset)
    if dataset.shape not in SHAPES:
        raise WrongShape(
            f"{dataset.title} has the shape {dataset.shape}. Examples are questions with answers: take a data set of the shape "
            f"{' or '.join(SHAPES)}."
        )
    if dataset.rows > MOST_ROWS:
        raise BadInput(
            f"{dataset.title} has {dataset.rows:,} rows. Examples are looked for in at most {MOST_ROWS:,}: take a part."
        )
    return dataset


@lru_cache(maxsize=8)
def _read(home: Home, dataset_id: int, sha256: str) -> tuple[tuple[str, str], ...]:
    """The questions of a data set with their answers. A version never changes, so it is read once; its hash tells homes apart."""
    dataset = curate.find(home, f"#{dataset_id}")
    return tuple(pair for row in curate.every(home, dataset) if (pair := _pair(row)) is not None)


def _pairs(home: Home, dataset: Dataset) -> tuple[tuple[str, str], ...]:
    pairs = _read(home, dataset.id, dataset.sha256)
    if not pairs:
        raise WrongShape(f"No row of {dataset.title} begins with a question of the user and an answer in plain text.")
    return pairs


def _pair(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first question of a row and the answer to it; None where a row has no such two in plain text."""
    if "messages" in row:
        turns = row["messages"]
    else:
        turns = [
            *(row["prompt"] if isinstance(row["prompt"], list) else [{"role": "user", "content": row["prompt"]}]),
            *(
                row["completion"]
                if isinstance(row["completion"], list)
                else [{"role": "assistant", "content": row["completion"]}]
            ),
        ]
    turns = [turn for turn in turns if turn["role"] != "system"]
    if [turn["role"] for turn in turns[:2]] != ["user", "assistant"]:
        return None
    question, answer = (str(turn.get("content") or "").strip() for turn in turns[:2])
    return (question, answer) if question and answer else None

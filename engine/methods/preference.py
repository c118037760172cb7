"""What methods that learn from judged answers have in common: pairs or single labelled answers become tokens."""

import dataclasses
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.data import shapes, tokens
from engine.errors import BadInput
from engine.generation import batch
from engine.methods import loading, running
from engine.methods.method import Training
from engine.methods.running import Prompt

Row = Mapping[str, Any]
MOST_HELD_OUT = 1_000_000_000  # whole prompts are held out, as large a share as is asked for
LOOKED_AT = 100  # rows among which prompts that leave room are looked for


@dataclass(frozen=True)
class Judged:
    """Tokenised rows to train on and to hold out, no prompt on both sides, and what is asked at each evaluation."""

    train: Any
    held_out: Any | None
    tokenizer: Any
    longest: int  # tokens that a row computes with, both answers of a pair together
    prompts: list[Prompt]


class Cut(Exception):
    """A row of which nothing to learn from is left within max_length."""


def pairs(training: Training) -> Judged:
    """The rows of a ``preference`` data set: ``prompt_ids``, ``chosen_ids``, ``rejected_ids`` and, where there is one, ``margin``."""
    limit = training.settings.max_length

    def encode(tokenizer: Any, row: Row, stop: str) -> dict[str, Any]:
        read, chosen = _answer(tokenizer, row, "chosen", stop, limit)
        read_too, rejected = _answer(tokenizer, row, "rejected", stop, limit)
        if chosen == rejected or read != read_too:
            raise Cut
        found = {"prompt_ids": read, "chosen_ids": chosen, "rejected_ids": rejected}
        return found if row.get("margin") is None else found | {"margin": float(row["margin"])}

    return _material(training, _rows(training, single=False), encode, "the two answers differ")


def labelled(training: Training) -> Judged:
    """The rows of an ``unpaired`` data set: ``prompt_ids``, ``completion_ids`` and ``label``. A pair is two such rows."""

    def encode(tokenizer: Any, row: Row, stop: str) -> dict[str, Any]:
        read, said = _answer(tokenizer, row, "completion", stop, training.settings.max_length)
        return {"prompt_ids": read, "completion_ids": said, "label": bool(row["label"])}

    found = _material(training, _rows(training, single=True), encode, "an answer is left")
    return dataclasses.replace(found, longest=_longest_mismatched(found, training.settings.max_length))


def _longest_mismatched(found: Judged, limit: int) -> int:
    """The most tokens that a prompt can have with another one's answer, within ``limit``: KTO computes such rows too."""
    sides = [side for side in (found.train, found.held_out) if side is not None]
    prompt, answer = (max(len(ids) for side in sides for ids in side[column]) for column in ("prompt_ids", "completion_ids"))
    return min(limit, prompt + answer)


def _rows(training: Training, single: bool) -> list[dict[str, Any]]:
    """The rows as a chat template takes them; with ``single`` each answer of a pair as a row of its own."""
    import polars

    rows = [shapes.restored(row, training.shape) for row in polars.read_parquet(training.data).iter_rows(named=True)]
    if not single or training.shape != "preference":
        return rows
    sides = (("chosen", True), ("rejected", False))
    return [row | {"completion": row[side], "label": label} for row in rows for side, label in sides]


def _answer(tokenizer: Any, row: Row, column: str, stop: str, limit: int) -> tuple[list[int], list[int]]:
    """What the model reads and what it says, together at most ``limit`` tokens."""
    whole = tokens.encode_answer(tokenizer, row["prompt"], row[column], stop, row.get("tools"))
    begins = next(i for i, label in enumerate(whole.labels) if label != tokens.IGNORED)
    if begins >= limit:
        raise Cut
    return whole.input_ids[:begins], whole.input_ids[begins:limit]


def _material(
    training: Training, rows: list[dict[str, Any]], encode: Callable[[Any, Row, str], dict[str, Any]], wanted: str
) -> Judged:
    from datasets import Dataset

    tokenizer = loading.load_tokenizer(training.base)
    training.reporter.phase("tokenizing")
    stop, limit = tokens.stop_text(tokenizer), training.settings.max_length
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    asked: list[Any] = []
    lost = 0
    for row, held in _split(rows, training.settings.evaluate_share, training.seed):
        try:
            found = encode(tokenizer, row, stop)
        except Cut:
            lost += 1
            continue
        sides[held].append(found)
        if held or len(asked) < LOOKED_AT:
            asked.insert(0, row["prompt"])  # held-out prompts come first
    if lost:
        training.reporter.log(f"{lost} rows are not used: not within {limit} tokens of them is it so that {wanted}.")
    if not sides[0]:
        raise BadInput(f"In no row {wanted} within {limit} tokens. Raise max_length.")
    longest = max(sum(len(v) for k, v in row.items() if k.endswith("_ids")) for side in sides for row in side)
    train, held_out = _with_margins(sides)
    return Judged(
        Dataset.from_list(train), Dataset.from_list(held_out) if held_out else None, tokenizer, longest,
        running.askable(training, (_prompt(tokenizer, prompt) for prompt in asked)),
    )  # fmt: skip


def _with_margins(sides: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both sides with a margin in every row where any row has one, of 0 where nothing is said: a data set has the columns of its
    first row."""
    train, held_out = sides
    if not any("margin" in row for row in [*train, *held_out]):
        return train, held_out
    return [{"margin": 0.0} | row for row in train], [{"margin": 0.0} | row for row in held_out]


def _split(rows: list[dict[str, Any]], share: float, seed: int) -> list[tuple[dict[str, Any], bool]]:
    """The rows in a random order, each with whether it is held out; rows of one prompt stay on one side."""
    rng = random.Random(seed)
    rng.shuffle(rows)
    names = list(dict.fromkeys(shapes.pack(row["prompt"]) for row in rows))
    held = set(names[: int(len(names) * share)])
    return [(row, shapes.pack(row["prompt"]) in held) for row in rows]


def _prompt(tokenizer: Any, prompt: Any) -> Prompt:
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return Prompt(str(turns[-1]["content"]), batch.encode(tokenizer, turns))

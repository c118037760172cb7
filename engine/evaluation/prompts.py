"""From the rows of a data set to items: what the model is asked, and the check its answer has to pass."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data import curate, shapes
from engine.errors import BadInput, WrongShape
from engine.evaluation import scorers
from storage.home import Home
from storage.records import Dataset

SHAPES = ("prompt", "prompt_completion", "messages")
NUMBER = "__number__"  # a column of ours beside those of the data set
SEED = 0  # of the rows that a limit leaves in


@dataclass(frozen=True)
class Item:
    """One row to be answered: its number in the data set (from 1), the conversation up to the answer, and the check."""

    number: int
    messages: list[dict[str, Any]]
    tools: Any
    check: scorers.Check
    row: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The conversation as text: a single question as it is, several turns each with its role."""
        if len(self.messages) == 1:
            return str(self.messages[0].get("content") or "")
        return "\n\n".join(f"{turn['role']}: {turn.get('content') or ''}" for turn in self.messages)


@dataclass(frozen=True)
class Items:
    """The items of a data set, and whether they are scored by the rows' own checks or by exact match with their answers."""

    items: list[Item]
    own_checks: bool


def check_shape(dataset: Dataset) -> None:
    """WrongShape when the data set has no prompts."""
    if dataset.shape not in SHAPES:
        raise WrongShape(
            f"The model is asked questions, from data of the shape {', '.join(SHAPES[:-1])} or {SHAPES[-1]}, but {dataset.title} holds "
            f"{dataset.shape}. Choose a data set of questions."
        )


def check_scored(home: Home, dataset: Dataset) -> None:
    """WrongShape or BadInput, from the columns alone, when no row of a data set can be scored."""
    check_shape(dataset)
    if dataset.shape == "prompt" and "check" not in curate.scan(home, dataset).collect_schema().names():
        raise BadInput(
            f"{dataset.title} has prompts without answers and no column check, so nothing in it can be scored. Add a column check, "
            'for instance {"kind": "exact", "value": "yes"} in each row.'
        )


def read(home: Home, dataset: Dataset, limit: int | None = None) -> Items:
    """The rows of ``dataset`` as items, with ``limit`` a fixed random choice of that many.

    A row's ``check`` column decides; where the data set has none, the answer must be exactly the row's own. WrongShape when
    the shape has no prompts, BadInput when a row has no check or one that cannot be used, or when there is nothing to score.
    """
    check_shape(dataset)
    import polars

    rows = curate.scan(home, dataset)
    checked = "check" in rows.collect_schema().names()
    own_checks = checked and rows.select(polars.col("check").is_not_null().any()).collect().item()
    items = [_item(dataset, row, own_checks) for row in _chosen(home, dataset, limit)]
    if not items:
        raise BadInput(f"{dataset.title} has no rows to score.")
    return Items(items, own_checks)


def asked(home: Home, dataset: Dataset, limit: int | None = None) -> list[dict[str, Any]]:
    """The same rows that ``read`` takes, the conversation up to the answer as their ``prompt`` beside the columns that checks
    and rewards read; they need no check. Raises as ``read`` does."""
    check_shape(dataset)
    without = {NUMBER, *shapes.SHAPES[dataset.shape].columns}
    found = []
    for row in _chosen(home, dataset, limit):
        prompt, _ = conversation(row, dataset.shape, _where(dataset, row))
        found.append({"prompt": prompt} | {name: value for name, value in row.items() if name not in without})
    if not found:
        raise BadInput(f"{dataset.title} has no rows to ask.")
    return found


def _chosen(home: Home, dataset: Dataset, limit: int | None) -> Iterator[dict[str, Any]]:
    """The rows with their numbers, of which a limit leaves in a fixed random choice."""
    import polars

    if limit is not None and limit < 1:
        raise BadInput(f"limit takes a whole number of at least 1, not {limit}.")
    numbers = list(range(dataset.rows))
    if limit is not None and limit < dataset.rows:
        numbers = sorted(random.Random(SEED).sample(numbers, limit))
    rows = curate.scan(home, dataset).with_row_index(NUMBER, offset=1)
    chosen = rows.filter(polars.col(NUMBER).is_in([i + 1 for i in numbers])).collect()
    return (shapes.restored(row, dataset.shape) for row in chosen.iter_rows(named=True))


def _where(dataset: Dataset, row: Mapping[str, Any]) -> str:
    return f"Row {row[NUMBER]} of {dataset.title}"


def _item(dataset: Dataset, row: Mapping[str, Any], own_checks: bool) -> Item:
    where = _where(dataset, row)
    messages, answer = conversation(row, dataset.shape, where)
    if own_checks:
        if row.get("check") is None:
            raise BadInput(f"{where} has no check, though others have. Give it one, or leave it out and freeze a new version.")
        check = scorers.validate(row["check"], where)
    elif answer is None:
        raise BadInput(
            f"{where} has neither a check nor an answer to compare with. Add a column check, "
            'for instance {"kind": "exact", "value": "yes"} in each row.'
        )
    else:
        check = scorers.validate({"kind": "exact", "value": answer}, where)
    return Item(row[NUMBER], messages, row.get("tools"), check, row)


def conversation(row: Mapping[str, Any], shape: str, where: str = "The row") -> tuple[list[dict[str, Any]], str | None]:
    """The turns before the answer, and the row's own answer where it has one.

    The answer of ``messages`` is the last assistant turn; what comes after it is not asked.
    """
    if shape == "messages":
        turns = _turns(row["messages"])
        last = max((i for i, turn in enumerate(turns) if turn["role"] == "assistant"), default=None)
        asked, answered = (turns, []) if last is None else (turns[:last], turns[last : last + 1])
    else:
        asked = _turns(row["prompt"])
        answered = _turns(row.get("completion"), "assistant") if shape == "prompt_completion" else []
    if not asked or asked[-1]["role"] == "assistant":
        raise BadInput(f"{where} has no question before its answer.")
    return asked, str(answered[-1].get("content") or "") if answered else None


def _turns(value: str | Sequence[Mapping[str, Any]] | None, role: str = "user") -> list[dict[str, Any]]:
    """Turns as a chat template takes them; a plain text is one turn of ``role``."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    return [dict(turn) for turn in value or ()]

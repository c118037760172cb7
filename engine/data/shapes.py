"""The shapes of data: TRL's own columns, so that a frozen data set loads in anyone's TRL script.

How other tools write the same things is in formats.py; here is only what a row looks like once it is in.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class UnusableRow(Exception):
    """A row that cannot be brought into its shape; the message says why, for the person who has to mend it."""


@dataclass(frozen=True)
class Shape:
    """One shape. A column of ``dialogue`` holds plain text, or a list of turns in every row of the data set; ``notes`` say where
    a row comes from, and are kept as they are."""

    name: str
    title: str
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    dialogue: tuple[str, ...]
    purpose: str
    notes: tuple[str, ...] = ()


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("text", "Text", ("text",), (), (), "Pre-training: documents, every token carries loss"),
        Shape(
            "prompt_completion", "Prompt and completion", ("prompt", "completion"), (), ("prompt", "completion"),
            "SFT: the completion carries loss", ("reward", "original", "critique", "principle"),
        ),
        Shape("messages", "Conversations", ("messages",), ("tools",), ("messages",), "SFT: what the assistant says carries loss"),
        Shape(
            "preference", "Preference pairs", ("prompt", "chosen", "rejected"), ("margin", "reason"), ("prompt", "chosen", "rejected"),
            "DPO and reward models: the better and the worse of two answers",
        ),
        Shape(
            "unpaired", "Labelled answers", ("prompt", "completion", "label"), (), ("prompt", "completion"),
            "KTO: single answers, each good or bad",
        ),
        Shape(
            "prompt", "Prompts", ("prompt",), ("tools",), ("prompt",),
            "RL: prompts, with the columns that rewards and checks read and the tools that may be called",
        ),
    )
}  # fmt: skip

ROLES = ("system", "user", "assistant", "tool")


def pack(value: Any) -> str:
    """A value as the JSON text that a column stores."""
    return json.dumps(value, ensure_ascii=False, default=str)


def unpack(text: Any) -> Any:
    """The value of a JSON text; what is no text or no JSON comes back as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _restored_turn(turn: Mapping[str, Any]) -> dict[str, Any]:
    turn = {key: value for key, value in turn.items() if value is not None}
    if "tool_calls" in turn:
        turn["tool_calls"] = [
            {k: v for k, v in call.items() if v is not None and k != "function"}
            | {"function": {"name": call["function"]["name"], "arguments": unpack(call["function"]["arguments"])}}
            for call in turn["tool_calls"]
        ]
    return turn


def restored(row: Mapping[str, Any], shape: str) -> dict[str, Any]:
    """A stored row as a chat template takes it: no empty keys in turns, tools and the arguments of calls as objects.

    Parquet has one type for all rows, so a key that only some turns have is null in the others, and tools, which differ
    from row to row, are JSON text.
    """
    row = dict(row)
    for column in SHAPES[shape].dialogue:
        if isinstance(row[column], list):
            row[column] = [_restored_turn(turn) for turn in row[column]]
    if "tools" in SHAPES[shape].optional and "tools" in row:
        row["tools"] = unpack(row["tools"])
    return row

"""What can be wrong with a row that is already in its shape. Each fault is one sentence for the person who has to mend it."""

import math
from collections.abc import Mapping
from typing import Any

from engine.data.shapes import SHAPES, unpack
from engine.errors import BadInput
from engine.evaluation import scorers

LONGEST_ROW = 16 * 1024 * 1024  # characters; longer ones come from damaged or hostile files, not from people writing


def _text(value: Any, name: str) -> str:
    """What is wrong with a text, or nothing."""
    if value is None:
        return f"`{name}` is missing."
    if not isinstance(value, str):
        return f"`{name}` is {str(value)[:40]!r}, not text."
    if not value or value.isspace():
        return f"`{name}` is empty."
    if value.isascii():
        return ""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"`{name}` holds half a character (U+{ord(value[error.start]):04X}) at position {error.start + 1}; write it out whole or remove it."
    return ""


def _turn(turn: Mapping[str, Any], number: int, name: str) -> str:
    if "tool_calls" in turn and not turn["content"]:
        return ""
    content = turn["content"]
    if content and content.isascii() and not content.isspace():
        return ""
    return _text(content, f"{name}, turn {number} ({turn['role']})")


def _order(turns: list[dict[str, Any]], name: str) -> list[str]:
    """What is wrong with who speaks after whom."""
    found, before = [], ""
    for number, turn in enumerate(turns, 1):
        role = turn["role"]
        if role == before and role != "tool":
            found.append(f"`{name}`: turns {number - 1} and {number} are both {role}'s; join them into one.")
        elif role == "system" and number > 1:
            found.append(f"`{name}`: turn {number} is a system turn; only the first may be.")
        elif role == "tool" and before not in ("assistant", "tool"):
            found.append(f"`{name}`: turn {number} is a tool's result, but no assistant turn comes before it.")
        before = role
    return found


def dialogue(
    turns: list[dict[str, Any]], name: str, ends: tuple[str, ...], begins: tuple[str, ...] = ("system", "user")
) -> list[str]:
    """All that is wrong with a conversation that has to begin and end with a turn of certain roles."""
    if not turns:
        return [f"`{name}` has no turns."]
    found = [fault for number, turn in enumerate(turns, 1) if (fault := _turn(turn, number, name))]
    found += _order(turns, name)
    if turns[0]["role"] not in begins:
        found.append(f"`{name}` begins with the {turns[0]['role']}, not with the {' or the '.join(begins)}.")
    if turns[-1]["role"] not in ends:
        found.append(f"`{name}` ends with the {turns[-1]['role']}, not with the {' or the '.join(ends)}.")
    return found


ENDS = {"messages": ("assistant",), "prompt": ("user", "tool"), "completion": ("assistant",)}
ENDS |= {"chosen": ENDS["completion"], "rejected": ENDS["completion"]}
BEGINS = {"completion": ("assistant",), "chosen": ("assistant",), "rejected": ("assistant",)}


def _check(value: Any) -> str:
    try:
        scorers.validate(unpack(value), "`check`")
    except BadInput as problem:
        return str(problem)
    return ""


def faults(row: Mapping[str, Any], shape: str, names: Mapping[str, str]) -> list[str]:
    """All that is wrong with ``row``; ``names`` says how the file calls a column."""
    found = []
    for column in SHAPES[shape].columns:
        value, name = row.get(column), names.get(column, column)
        if isinstance(value, list):
            found += dialogue(value, name, ENDS[column], BEGINS.get(column, ("system", "user")))
        elif column == "label":
            if not isinstance(value, bool):
                found.append(f"`{name}` is missing." if value is None else f"`{name}` is {str(value)[:40]!r}, not true or false.")
        elif fault := _text(value, name):
            found.append(fault)
    if shape == "preference" and row["chosen"] == row["rejected"] and row["chosen"]:
        found.append("The chosen and the rejected answer are the same, so nothing can be learnt from them.")
    if row.get("check") is not None and (fault := _check(row["check"])):
        found.append(fault)
    for column, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            found.append(f"`{names.get(column, column)}` is {value}, not a number that can be used.")
    if sum(len(value) for value in row.values() if isinstance(value, str)) > LONGEST_ROW:
        found.append(f"The row is longer than {LONGEST_ROW // 2**20} million characters; cut it into parts.")
    return found

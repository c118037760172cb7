"""Turns of a conversation: from the ways they are written (OpenAI, ShareGPT, "Human: ... Assistant: ...") to role and content."""

import re
from collections.abc import Mapping
from typing import Any

from engine.data.shapes import UnusableRow, pack, unpack

# how the roles are called elsewhere
ROLE_NAMES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bing": "assistant", "bard": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
}  # fmt: skip
CALLS = ("function_call", "tool_call")  # ShareGPT's roles of a turn that calls a tool
KEPT = ("name", "tool_call_id", "reasoning_content", "thinking")  # text keys that chat templates read beside role and content
READ = {"role", "content", "from", "value", "tool_calls", *KEPT}

_SPOKEN = re.compile(r"(?:^|\n\n)(Human|Assistant):")


def is_turn(value: Any) -> bool:
    """Whether ``value`` is one turn of a conversation, however it is written."""
    return (
        isinstance(value, Mapping)
        and ("role" in value or "from" in value)
        and ("content" in value or "value" in value or "tool_calls" in value)
    )


def is_dialogue(value: Any) -> bool:
    """Whether ``value`` is a conversation: a list of turns, or one turn by itself."""
    return is_turn(value) or (isinstance(value, list) and bool(value) and is_turn(value[0]))


def is_spoken(value: Any) -> bool:
    """Whether ``value`` is a whole dialogue in one text, as in Anthropic's helpful-harmless data."""
    return isinstance(value, str) and value.lstrip().startswith("Human:") and "\n\nAssistant:" in value


def _content(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in value):
        return "".join(str(part.get("text", "")) for part in value)
    if isinstance(value, list):
        raise UnusableRow(f"{place} holds something other than text (such as an image), which is not read.")
    raise UnusableRow(f"The content of {place.lower()} is {pack(value)[:60]}, not text.")


def _call(call: Any, place: str) -> dict[str, Any]:
    """One call of a tool in OpenAI's form, its arguments as JSON text."""
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise UnusableRow(f"{place} calls a tool without saying its name.")
    arguments = function.get("arguments", {})
    written = {
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments if isinstance(arguments, str) else pack(arguments)},
    }
    return {"id": call["id"], **written} if isinstance(call.get("id"), str) else written


def _plain_turn(turn: Any) -> dict[str, Any] | None:
    """The turn where it is as nearly all are, a known role and a text; a file has millions of them."""
    if isinstance(turn, dict) and len(turn) == 2:
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if isinstance(content, str) and isinstance(role, str) and role in ROLE_NAMES:
            return {"role": ROLE_NAMES[role], "content": content}
    return None


def _turn(turn: Any, number: int, ignored: set[str]) -> dict[str, Any]:
    place = f"Turn {number}"
    if not isinstance(turn, Mapping):
        raise UnusableRow(f"{place} is {pack(turn)[:60]}, not an object with a role and content.")
    role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
    calls = turn.get("tool_calls")
    name = str(role).lower()
    if name in CALLS:
        called = unpack(content)
        calls, content, name = (called if isinstance(called, list) else [called]), None, "assistant"
    if name not in ROLE_NAMES:
        known = "system, user, assistant or tool"
        raise UnusableRow(
            f"{place} has no role; it has to be {known}."
            if role is None
            else f"{place} has the unknown role {role!r}; use {known}."
        )
    result: dict[str, Any] = {"role": ROLE_NAMES[name], "content": _content(content, place)}
    for key in KEPT:
        if isinstance(turn.get(key), str):
            result[key] = turn[key]
    if isinstance(calls, list) and calls:
        result["tool_calls"] = [_call(call, place) for call in calls]
    if not turn.keys() <= READ:
        ignored.update(turn.keys() - READ)
    return result


def turns(value: Any, column: str, ignored: set[str]) -> list[dict[str, Any]]:
    """The conversation ``value`` as turns with role and content; UnusableRow names the turn that cannot be one.

    Keys of a turn that are not read are added to ``ignored``.
    """
    if is_spoken(value):
        return spoken(value)
    if is_turn(value):
        value = [value]
    if value is None:
        raise UnusableRow(f"`{column}` is missing.")
    if not isinstance(value, list):
        raise UnusableRow(f"`{column}` is not a list of turns.")
    return [_plain_turn(turn) or _turn(turn, number, ignored) for number, turn in enumerate(value, 1)]


def spoken(text: str) -> list[dict[str, Any]]:
    """The turns of a dialogue written as "Human: ... Assistant: ..."."""
    parts = _SPOKEN.split(text.lstrip())
    return [
        {"role": "user" if who == "Human" else "assistant", "content": said.strip()}
        for who, said in zip(parts[1::2], parts[2::2], strict=True)
    ]  # fmt: skip


def split_shared(chosen: list[Any], rejected: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """What two dialogues have in common at their beginning, up to a question, and how each goes on from there."""
    shared = 0
    while shared < min(len(chosen), len(rejected)) and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and chosen[shared - 1]["role"] == "assistant":
        shared -= 1
    return chosen[:shared], chosen[shared:], rejected[shared:]


def split_texts(chosen: str, rejected: str) -> tuple[str, str, str]:
    """What two texts have in common at their beginning, and how each goes on, with the blank before it.

    This is TRL's ``extract_prompt``, except that no word is cut in two.
    """
    ends = min(len(chosen), len(rejected))
    shared = next((i for i in range(ends) if chosen[i] != rejected[i]), ends)
    while shared and chosen[shared - 1].isalnum() and any(text[shared : shared + 1].isalnum() for text in (chosen, rejected)):
        shared -= 1
    if chosen[:shared].endswith(" "):
        shared -= 1
    return chosen[:shared], chosen[shared:], rejected[shared:]

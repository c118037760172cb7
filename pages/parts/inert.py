"""Text that models, data or people wrote, shown so that it can do nothing: no Markdown, no HTML, no links, no images.

Everything that Temper did not write itself goes through here. What is shown is the text as it is, character by character.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

LONGEST = 20_000  # characters of one value that a page shows
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:<>^=&@/])")
# where a link would be made of a finished text, escaped or not: an unseen character of no width parts it
_LINKS = re.compile(r"https?:(?=//)|www(?=\.)|@(?=[-\w]+\.)", re.IGNORECASE)
ROLES = {
    "system": (":material/tune:", "System"),
    "user": (":material/person:", "User"),
    "assistant": (":material/smart_toy:", "Assistant"),
    "tool": (":material/build:", "Tool"),
}


def cut(value: str, longest: int = LONGEST) -> str:
    """``value``, or its beginning and a word about how much was left out."""
    return value if len(value) <= longest else f"{value[:longest]} … ({len(value) - longest:,} more characters)"


def plain(value: object, longest: int = 200) -> str:
    """``value`` escaped for a place that reads Markdown: a label, a caption, a title, a toast, an error."""
    line = unlinked(" ".join(cut(str(value), longest).split()))
    return _SPECIAL.sub(r"\\\1", line)


def unlinked(value: str) -> str:
    """``value`` with an unseen character in each address, so that no link is made of it."""
    return _LINKS.sub("\\g<0>\u2060", value)


def text(value: object, longest: int = LONGEST) -> None:
    """Show ``value`` as running text, with its line breaks and nothing else."""
    st.text(cut(str(value), longest), width="stretch")


def code(value: object, language: str | None = None, height: int | None = None, longest: int = LONGEST) -> None:
    """Show ``value`` in a box with a copy button: logs, commands, JSON."""
    st.code(cut(str(value), longest), language=language, wrap_lines=True, height=height or "content")


def json_text(value: Any) -> str:
    """``value`` as indented JSON, or as it prints where JSON cannot hold it."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def turn(role: str, content: object, note: str = "") -> None:
    """Show one turn of a conversation: who, and what was said."""
    icon, name = ROLES.get(role, (":material/chat_bubble:", plain(role, 40) or "No role"))
    with st.container(gap="xsmall"):
        st.caption(f"{icon} **{name}**{f'  {plain(note)}' if note else ''}")
        text(content if isinstance(content, str) else json_text(content))


def conversation(messages: Sequence[Mapping[str, Any]]) -> None:
    """Show the turns of a conversation one below the other."""
    for message in messages:
        turn(str(message.get("role", "")), message.get("content", ""))
        if message.get("tool_calls"):
            code(json_text(message["tool_calls"]), "json")

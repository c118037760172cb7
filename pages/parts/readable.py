r"""Markdown that models or people wrote, shown with its emphasis, lists, tables, code and mathematics, and with nothing that acts.

Links, images, HTML, Streamlit's own directives and icons stay the characters they are. What is left of a renderer's mistakes
meets the content security policy (guard.py). Code is shown as it is; ``$x$``, ``$$x$$``, ``\(x\)`` and ``\[x\]`` as mathematics.
"""

import re

import streamlit as st

from pages.parts import inert

# code in fences, code in a line, mathematics; what matches none of them is escaped
_PARTS = re.compile(
    r"(?P<fence>^(?P<mark>`{3,}|~{3,})[^\n]*\n.*?(?:^(?P=mark)[`~]*[ \t]*$|\Z))"
    r"|(?P<code>(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<block>\$\$.+?\$\$|\\\[.+?\\\])"
    r"|(?P<line>(?<![\\$\w])\$(?=\S)[^$\n]{1,400}?(?<=\S)\$(?![\d$])|\\\([^\n]{1,400}?\\\))",
    re.MULTILINE | re.DOTALL,
)
_MATHS = re.compile(r"[\\^_={}<>+*/]|^\W*[A-Za-z]\W*$")  # what is mathematics and no amount of money
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_ACTIVE = re.compile(r"[\[\]<&$]|!(?=\[)|:(?=[A-Za-z])")
_UNDERLINED = re.compile(r"^([ \t]{0,3})(=+|-+)[ \t]*$", re.MULTILINE)  # would make a heading of the line above


def text(value: str, longest: int = inert.LONGEST) -> None:
    """Show ``value`` as the Markdown it is."""
    st.markdown(safe(inert.cut(value, longest)))


def safe(value: str) -> str:
    """``value`` as Markdown of which nothing can act."""
    made, end = [], 0
    for part in _PARTS.finditer(value):
        shown = _shown(part)
        if shown is None:
            continue
        made += [_escaped(value[end : part.start()]), shown]
        end = part.end()
    return "".join([*made, _escaped(value[end:])])


def _shown(part: re.Match[str]) -> str | None:
    """Code or mathematics as the renderer takes it; None where it is neither after all."""
    found = part.group(0)
    if part["code"]:
        return found
    if part["fence"]:
        # one that was cut off is closed, so that nothing after it is swallowed
        return found if found.rstrip().endswith(part["mark"]) and found.count("\n") else f"{found.rstrip()}\n{part['mark']}\n"
    inner = found[2:-2] if part["block"] or found.startswith("\\(") else found[1:-1]
    if "](" in inner or not inner.strip():
        return None
    if part["block"]:
        return f"\n$$\n{inner.strip()}\n$$\n"
    return f"${inner.strip()}$" if _MATHS.search(inner) else None


def _escaped(value: str) -> str:
    value = _HEADING.sub(r"**\1**", value)
    value = _UNDERLINED.sub(r"\1\\\2", value)
    value = inert.unlinked(value)
    value = _ACTIVE.sub(r"\\\g<0>", value)
    return re.sub(r"(?<!\n)\n(?!\n)", "  \n", value)  # a single line break is one

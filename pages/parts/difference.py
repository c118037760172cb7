"""Two texts with what differs marked, by underline and colour. The texts are set as texts, so they can do nothing."""

import difflib
import re
from collections.abc import Sequence

from streamlit.components.v2 import component

CSS = """
.text { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; color: var(--st-text-color); font-family: var(--st-font); }
.own {
  color: var(--st-orange-text-color); background: var(--st-orange-background-color);
  text-decoration: underline 2px; text-underline-offset: 3px; border-radius: 2px;
}
"""
JS = """
export default function (component) {
  const { data, parentElement } = component
  const box = parentElement.querySelector(".text")
  box.replaceChildren(...data.runs.map(([text, own]) => {
    const part = document.createElement(own ? "mark" : "span")
    if (own) part.className = "own"
    part.textContent = text
    return part
  }))
}
"""
_TEXT = component("temper_difference", html='<div class="text"></div>', css=CSS, js=JS)
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
LONGEST = 4_000  # words of a text that is compared; looking for what two texts share takes their product in time
Run = tuple[str, bool]


def marked(first: str, second: str) -> tuple[list[Run], list[Run]]:
    """Both texts as runs of (text, whether only this one has it), word by word. What is longer than LONGEST is not compared."""
    one, other = _WORDS.findall(first), _WORDS.findall(second)
    if max(len(one), len(other)) > LONGEST:
        return [(first, False)], [(second, False)]
    left: list[Run] = []
    right: list[Run] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        left.append(("".join(one[a:b]), what != "equal"))
        right.append(("".join(other[c:d]), what != "equal"))
    return [run for run in left if run[0]], [run for run in right if run[0]]


def draw(runs: Sequence[Run], *, key: str) -> None:
    """Draw one of the two texts."""
    # a component's key takes no two underscores in a row, and names that are drawn by chance hold some
    _TEXT(key=key.replace("_", "-"), data={"runs": [[text, own] for text, own in runs]})

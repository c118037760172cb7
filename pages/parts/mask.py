"""Tokens with and without loss, told apart by colour, underline and words. The text is set as text, so it can do nothing."""

from collections.abc import Sequence

from streamlit.components.v2 import component

HTML = """
<div class="legend" aria-hidden="true">
  <span><span class="learned">underlined</span> <span class="of-learned"></span></span>
  <span><span class="read">plain</span> <span class="of-read"></span></span>
</div>
<div class="example" tabindex="0" role="group"></div>
"""
CSS = """
:host { display: block; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; font-size: 0.85em; opacity: 0.85; margin-bottom: 0.5rem; }
.example {
  font-family: var(--st-code-font); font-size: 0.85rem; line-height: 1.7; white-space: pre-wrap; overflow-wrap: anywhere;
  max-height: 26rem; overflow-y: auto; padding: 0.75rem 1rem; border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); color: var(--st-text-color);
}
.example:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.learned {
  color: var(--st-green-text-color); background: var(--st-green-background-color);
  text-decoration: underline 2px; text-underline-offset: 3px; border-radius: 2px;
}
.read { opacity: 0.72; }
.aside { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""
JS = """
export default function (component) {
  const { data, parentElement } = component
  const box = parentElement.querySelector(".example")
  box.setAttribute("aria-label", data.name)
  parentElement.querySelector(".of-learned").textContent = data.legend[0]
  parentElement.querySelector(".of-read").textContent = data.legend[1]
  const parts = data.runs.map(([text, learned]) => {
    const part = document.createElement(learned ? "mark" : "span")
    part.className = learned ? "learned" : "read"
    const aside = document.createElement("span")
    aside.className = "aside"
    aside.textContent = learned ? " learned: " : " read: "
    part.append(aside, document.createTextNode(text))
    return part
  })
  box.replaceChildren(...parts)
}
"""
_MASK = component("temper_loss_mask", html=HTML, css=CSS, js=JS)


def draw(runs: Sequence[tuple[str, bool]], *, key: str, name: str, legend: tuple[str, str]) -> None:
    """Draw an example as runs of (text, whether it is learnt from). ``name`` says what it is to a screen reader, ``legend`` what
    marked and plain parts are."""
    data = {"runs": [[text, bool(learned)] for text, learned in runs], "name": name, "legend": list(legend)}
    _MASK(key=key, data=data)

"""Tokens shaded by a number each: by how much likelier one model finds them than another. The text is set as text, so it can do nothing.

Colour is not the only sign: likelier tokens are underlined, less likely ones overlined by dots, and the number of the token under
the pointer, or reached with the arrow keys, is told in a line below and to screen readers.
"""

from collections.abc import Sequence

from streamlit.components.v2 import component

HTML = """
<div class="legend" aria-hidden="true"></div>
<div class="text" tabindex="0" role="group"></div>
<div class="told" role="status" aria-live="polite"></div>
"""
CSS = """
:host { display: block; color: var(--st-text-color); font-family: var(--st-font); }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; font-size: 0.85em; opacity: 0.9; margin-bottom: 0.5rem; }
.text {
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; max-height: 26rem; overflow-y: auto; padding: 0.75rem 1rem;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); background: var(--st-background-color);
}
.text:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.up { text-decoration: underline 2px var(--st-orange-color); text-underline-offset: 3px; }
.down { text-decoration: underline dotted 2px var(--st-blue-color); text-underline-offset: 3px; }
.here { outline: 2px solid var(--st-primary-color); border-radius: 2px; }
.told { min-height: 1.5em; margin-top: 0.5rem; font-size: 0.9em; font-variant-numeric: tabular-nums; }
"""
JS = """
const shade = (value, most) => {
  const colour = value > 0 ? "var(--st-orange-color)" : "var(--st-blue-color)"
  const share = Math.min(1, Math.abs(value) / most)
  return `color-mix(in srgb, ${colour} ${Math.round(share * 55)}%, transparent)`
}
export default function (component) {
  const { data, parentElement } = component
  const [box, told, legend] = [".text", ".told", ".legend"].map((name) => parentElement.querySelector(name))
  box.setAttribute("aria-label", data.name)
  const most = Math.max(1, ...data.tokens.map(([, one, other]) => Math.abs(one - other)))
  const parts = data.tokens.map(([text, one, other]) => {
    const part = document.createElement("span")
    const more = one - other
    part.textContent = text
    if (Math.abs(more) >= data.least) part.className = more > 0 ? "up" : "down"
    part.style.backgroundColor = shade(more, most)
    return part
  })
  box.replaceChildren(...parts)
  legend.replaceChildren(...data.legend.map(([kind, words]) => {
    const line = document.createElement("span"), sample = document.createElement("span")
    sample.textContent = "token"
    sample.className = kind
    sample.style.backgroundColor = shade(kind === "up" ? most / 2 : -most / 2, most)
    line.append(sample, document.createTextNode(` ${words}`))
    return line
  }))
  let at = -1
  const show = (place) => {
    if (!parts[place]) return
    parts[at]?.classList.remove("here")
    at = place
    parts[at].classList.add("here")
    const [text, one, other] = data.tokens[at]
    const more = one - other
    const percent = (score) => `${(100 * Math.exp(score)).toPrecision(2)} %`
    const times = Math.exp(Math.min(Math.abs(more), 20))
    told.textContent = `${JSON.stringify(text)}: ${percent(one)} under ${data.names[0]}, ${percent(other)} under ${data.names[1]}; `
      + (Math.abs(more) < 0.005 ? "the same" : `${times.toPrecision(3)} times ${more > 0 ? "likelier" : "less likely"}`)
  }
  box.onpointermove = (event) => show(parts.indexOf(event.target))
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key]
    if (step === undefined) return
    event.preventDefault()
    show(Math.max(0, Math.min(parts.length - 1, at + step)))
    parts[at].scrollIntoView({ block: "nearest" })
  }
  told.textContent = data.hint
}
"""
_HEAT = component("temper_heat", html=HTML, css=CSS, js=JS)
LEAST = 0.1  # nats that are marked
Token = tuple[str, float, float]


def draw(tokens: Sequence[Token], names: tuple[str, str], *, key: str) -> None:
    """Draw tokens as (text, log-probability under the first of ``names``, under the second)."""
    _HEAT(
        key=key,
        data={
            "tokens": [list(token) for token in tokens], "names": list(names), "least": LEAST,
            "name": f"Tokens, shaded by how much likelier they are under {names[0]} than under {names[1]}. Arrow keys go through them.",
            "legend": [["up", f"likelier under {names[0]}"], ["down", f"likelier under {names[1]}"]],
            "hint": "Point at a token, or go through them with the arrow keys, to see how likely it was.",
        },
    )  # fmt: skip

"""The keyboard of the dialogue: a new question takes the focus by itself, and Enter on a choice goes on.

Streamlit leaves the focus where the last button was, and takes Enter for sending a form in text and number fields only.
"""

from streamlit.components.v2 import component

JS = """
const here = (window.temperRubric ??= {})

export default function (component) {
  const { place, fields } = component.data
  const box = () => document.querySelector(`.st-key-${place}`)
  here.ends?.abort() // what was heard before: this runs again for every question
  const ends = (here.ends = new AbortController())

  document.addEventListener("keydown", (event) => {
    const target = event.composedPath()[0]
    if (event.key !== "Enter" || event.repeat || !(target instanceof HTMLInputElement)) return
    if (!box()?.contains(target) || !["radio", "checkbox"].includes(target.type)) return
    event.preventDefault()
    const chosen = box().querySelector("input:checked")
    if (!chosen) target.click() // Enter on a choice, where none is made yet, makes it
    setTimeout(() => document.querySelector(".st-key-rubric_next button")?.click(), chosen ? 0 : 150)
  }, { capture: true, signal: ends.signal })

  const look = (tries) => {
    const found = box()
    const lost = document.activeElement === document.body || !document.activeElement?.isConnected
    const field = fields ? (found?.querySelector("input:checked") ?? found?.querySelector("input")) : found
    if (field && (lost || !here.given)) {
      if (!fields) field.tabIndex = -1 // the next Tab goes on from its beginning
      field.focus()
      if (field.type === "number") field.select() // what is typed takes the place of what is proposed
      here.given = true
    }
    // a field of the question before may still be there, and take the focus with it when it goes
    if (tries > 0) here.later = setTimeout(() => look(tries - 1), 50)
  }
  if (here.place !== place || here.parent !== component.parentElement) {
    clearTimeout(here.later)
    here.given = false
    here.later = setTimeout(() => look(60), 50)
  }
  here.place = place
  here.parent = component.parentElement
  return () => ends.abort()
}
"""
CSS = """
[class*="st-key-rubric_advice"]:focus {
  outline: none;
}
"""
_KEYS = component("temper_rubric_keys", html="<span hidden></span>", css=CSS, js=JS, isolate_styles=False)


def listen(place: str, fields: bool) -> None:
    """Give the first of the ``fields`` at ``place`` (the key of a container), or the place itself, the focus once; listen for Enter."""
    _KEYS(key="rubric_keys", data={"place": place, "fields": fields})

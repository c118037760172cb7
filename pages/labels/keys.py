"""The keyboard of the labelling screen: one key a choice, never twice for one press, and never while somebody types.

Streamlit's own shortcuts repeat while a key is held. This listens itself: a key that repeats, or that is pressed before the pair
has been shown for a moment, does nothing; neither does a click that early. The two answers also scroll together from here, and the
next pair begins at its top.
"""

from collections.abc import Mapping
from typing import Any

from streamlit.components.v2 import component

JS = """
const here = (window.temperLabels ??= { token: null, since: 0 })

function typing(event) {
  const target = event.composedPath()[0]
  return target instanceof Element && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
}

// the pair that is shown may be another one than this knows of yet: what its fields are called tells
function early(data) {
  return !document.querySelector(`.st-key-reason_${data.token}`) || performance.now() - here.since < data.soonest * 1000
}

// what a key means; where a layout has another sign on it (digits in French, letters in Greek), what it is elsewhere
function meant(event, keys) {
  const sign = event.key.toLowerCase()
  if (keys[sign] || event.shiftKey || event.key.length > 1) return keys[sign]
  const other = event.code.startsWith("Digit") || sign > "~"
  return other ? keys[event.code.replace(/^(Key|Digit)/, "").toLowerCase()] : undefined
}

// a pair is read from its beginning, however far down the one before it was
function toTheTop() {
  for (const box of ["labels_left", "labels_right"].map(scrolled)) if (box) box.scrollTop = 0
  const prompt = document.querySelector(".st-key-labels_prompt")
  if (prompt && prompt.getBoundingClientRect().top < 0) prompt.scrollIntoView()
}

function scrolled(place) {
  const box = document.querySelector(`.st-key-${place}`)
  return box && [box, ...box.querySelectorAll("div")].find((part) => /auto|scroll/.test(getComputedStyle(part).overflowY))
}

export default function (component) {
  const { data } = component
  if (here.token !== data.token) {
    here.token = data.token
    here.since = performance.now()
    toTheTop()
  }
  const app = document.querySelector(".stApp")
  if (app) document.documentElement.style.setProperty("--temper-background", getComputedStyle(app).backgroundColor)
  here.ends?.abort() // what was heard before: this runs again for every pair
  const ends = (here.ends = new AbortController())
  const heard = { capture: true, signal: ends.signal }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    if (typing(event)) {
      if (event.key === "Escape") event.composedPath()[0].blur()
      return
    }
    const wanted = meant(event, data.keys)
    if (!wanted || document.querySelector("[role=dialog]")) return
    event.preventDefault()
    if (event.repeat || (wanted.votes && early(data))) return
    const place = document.querySelector(`.st-key-${wanted.place}`)
    const field = wanted.field && place?.querySelector("textarea")
    if (field) {
      field.focus()
      return
    }
    const button = wanted.index === undefined
      ? place?.querySelector("button")
      : place?.querySelectorAll("[role=radio]")[wanted.index]
    if (button && !button.disabled) button.click()
  }, heard)

  document.addEventListener("click", (event) => {
    const inside = event.target instanceof Element && event.target.closest(".st-key-labels_choices")
    if (inside && early(data)) {
      event.preventDefault()
      event.stopImmediatePropagation()
    }
  }, heard)

  const boxes = ["labels_left", "labels_right"].map(scrolled)
  if (boxes.every(Boolean)) {
    boxes.forEach((box, i) => {
      box.addEventListener("scroll", () => {
        if (!box.matches(":hover") && !box.contains(document.activeElement)) return
        const other = boxes[1 - i]
        const room = box.scrollHeight - box.clientHeight
        if (room > 0) other.scrollTop = (box.scrollTop / room) * (other.scrollHeight - other.clientHeight)
      }, { signal: ends.signal, passive: true })
    })
  }
  return () => ends.abort()
}
"""
# the choices stay in sight below a long pair
CSS = """
[data-testid="stLayoutWrapper"]:has(> .st-key-labels_choices) {
  position: sticky; bottom: 0; z-index: 5; padding: 0.6rem 0; background: var(--temper-background, Canvas);
  border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent);
}
.st-key-labels_choices button { min-width: 5.5rem; }
.st-key-labels_prompt { scroll-margin-top: 4rem; }
"""
_KEYS = component("temper_label_keys", html="<span hidden></span>", css=CSS, js=JS, isolate_styles=False)


def listen(keys: Mapping[str, Mapping[str, Any]], token: str, soonest: float) -> None:
    """Listen for ``keys`` while the pair of ``token`` is shown. Each names a ``place`` (the key of a widget), the ``index`` of the
    button in it or that its ``field`` takes the focus, and whether it ``votes``: not before ``soonest`` seconds."""
    _KEYS(
        key="labels_keys", data={"keys": {key: dict(wanted) for key, wanted in keys.items()}, "token": token, "soonest": soonest}
    )

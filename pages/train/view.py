"""Draws what the form comes to: how long the rows are, what the model reads, what a run will need and how it will batch."""

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.errors import TemperError
from engine.methods import arguments, batching, estimate
from engine.methods.method import Method, parse_settings
from pages.parts import charts, inert, mask, messages, words
from pages.parts.badges import Badge
from pages.train import preview
from pages.train.preview import Seen
from storage.home import Home
from storage.records import Dataset, Model

SIDES = ("chosen", "rejected")
FITS = {
    "fits": Badge("Fits", ":material/check_circle:", "green"),
    "tight": Badge("Tight", ":material/warning:", "orange"),
    "exceeds": Badge("Exceeds", ":material/error:", "red"),
}


def lengths(method: Method, seen: Seen, settings: Mapping[str, Any]) -> None:
    """Draw how many tokens the rows have and what the maximum length would cut."""
    st.subheader("Row lengths")
    if seen.waiting:
        with st.container(border=True):
            st.markdown(":shimmer[Counting tokens with the model's own tokenizer…]")
            st.caption("The first time takes some seconds. You can go on with the form, and launch without waiting.")
        return
    if seen.problem is not None:
        messages.show(seen.problem)
        st.button("Ask again", icon=":material/refresh:", key="preview_again", on_click=preview.again, args=(seen.question,))
        return
    if seen.preview is None:
        st.caption("Choose a model and data to see them as tokens.")
        return
    told, limit = seen.preview, int(settings["max_length"])
    cuts = not joins(method)
    charts.histogram(
        told.lengths.edges, told.lengths.counts, key="train_lengths", unit="tokens",
        limit=limit if cuts else None, limit_name=f"{limit:,} tokens",
        alt=f"Row lengths in tokens: {words.plural(told.rows, 'row')}, longest {told.longest}, {told.cut} longer than {limit}",
    )  # fmt: skip
    mean = told.total_tokens / max(1, told.rows)
    st.caption(
        f"{words.plural(told.rows, 'row')}, {words.short(told.total_tokens)} tokens in all, {mean:,.0f} a row, "
        f"longest {told.longest:,}."
        + (f" Estimated from {words.plural(told.sampled, 'row')}." if told.sampled < told.rows else "")
    )
    if not cuts:
        st.caption(f":material/check_circle: The rows are joined and cut into blocks of {limit:,} tokens. Nothing is lost.")
    elif told.cut:
        lost = "are not asked" if asks(method) else "lose their end"
        st.warning(
            f"{words.plural(told.cut, 'row')} ({told.cut / told.rows:.1%}) are longer than {limit:,} tokens and {lost}. "
            f"A maximum length of {told.longest:,} keeps everything, at the price of memory.",
            icon=":material/content_cut:",
        )
    else:
        st.caption(":material/check_circle: Nothing is cut.")


def asks(method: Method) -> bool:
    """Whether a method lets the model answer the rows itself."""
    return "prompt" in method.shapes


def joins(method: Method) -> bool:
    """Whether a method joins its rows into blocks, instead of taking them one by one."""
    return "text" in method.shapes


def _legend(method: Method) -> tuple[str, str]:
    """What marked and plain parts of a row are to a method."""
    if asks(method):
        return "is learnt from", "is only read: the model answers it itself while it trains"
    if method.family == "judgements":
        return "is compared: the chosen answer is to be the likelier one, or the one of higher reward", "is only read"
    return "carries loss: the model learns to write it", "is only read"


def example(method: Method, seen: Seen) -> None:
    """Draw the first row as the model reads it, with what is learnt from."""
    legend = _legend(method)
    if seen.preview is None:
        return
    st.subheader(
        "The first row as the model reads it" if len(seen.preview.examples) == 1 else "The first pair as the model reads it"
    )
    if seen.preview.template == "standard":
        st.caption(
            ":material/info: This tokenizer brings no chat template, so the standard one is used: the role and a colon on a line, such "
            "as `user:`, and the text on the next."
        )
    for place, side in enumerate(seen.preview.examples):
        name = f"The {SIDES[place]} answer" if len(seen.preview.examples) > 1 else "The first row"
        if len(seen.preview.examples) > 1:
            st.caption(f"**{SIDES[place].capitalize()}**")
        mask.draw(side, key=f"train_mask_{place}", name=f"{name}; marked parts are learnt from", legend=legend)


def plan(
    home: Home, method: Method, model: Model | None, dataset: Dataset | None, settings: Mapping[str, Any], seen: Seen
) -> bool:
    """Draw what the run will need; False when it will probably not fit into memory."""
    st.subheader("What it takes")
    if model is None or dataset is None or None in settings.values():
        st.caption("Complete the form to see memory, time and batching.")
        return True
    try:
        values, needed = need(home, method, model, dataset, settings, seen)
    except TemperError:  # it is told beside the button that it keeps from being pressed
        st.caption("Mend the settings to see memory, time and batching.")
        return True
    rows = _size(method, dataset, settings, seen)[0]
    badge = FITS[needed.fits]
    lines = {
        "Memory": f"{badge.markdown}  about {words.size(needed.memory)} of {words.size(needed.available)} free",
        "Steps": steps_line(method, values, needed.steps, rows),
        "Time": f"about {words.duration(needed.seconds)}, {needed.basis}" if needed.seconds else f"not known: {needed.basis}",
    }
    if settings.get("learning_rate") == 0:
        lines["Learning rate"] = f"{needed.learning_rate:g}, chosen from the model's size"
    if needed.rows_at_once < int(settings.get("batch_size", 1)):
        lines["At once"] = f"{words.plural(needed.rows_at_once, 'row')} at once, so that a step fits into memory"
    way = batching_line(method, settings, seen)
    if way:
        lines["Batching"] = way
    st.table(lines, border="horizontal", alt="Predicted memory, steps, time and batching")
    if seen.preview is None:
        st.caption("Until the tokens are counted, every row is taken to be as long as allowed.")
    return needed.fits != "exceeds"


def need(
    home: Home, method: Method, model: Model, dataset: Dataset, settings: Mapping[str, Any], seen: Seen
) -> tuple[Any, estimate.Estimate]:
    """The settings as the method takes them, and what a run with them will need, by what is known of the rows; BadInput where they
    have to be mended."""
    values = parse_settings(method.settings, settings)
    return values, estimate.estimate(home, model, method.name, values, *_size(method, dataset, settings, seen))


def _size(method: Method, dataset: Dataset, settings: Mapping[str, Any], seen: Seen) -> tuple[int, float, int]:
    """How many rows a method will read, and how many tokens they have on the average and at most, as far as it is known."""
    told, length = seen.preview, int(settings.get("max_length", 512))
    answers = 2 if dataset.shape == "preference" and "unpaired" in method.shapes else 1  # a pair is two labelled answers to KTO
    if told is None:
        return dataset.rows * answers, length, length
    if joins(method):
        return math.ceil(told.total_tokens / length), length, length
    return dataset.rows * answers, told.total_tokens / max(1, told.rows), told.longest


def steps_line(method: Method, values: Any, steps: int, rows: int) -> str:
    """How the number of steps comes about."""
    what, held = "block" if joins(method) else "row", arguments.held_out(values, rows)
    each, several = "answer" if asks(method) else what, values.computed(1, 1)[0]
    answers = f", {several} to each prompt" if several > 1 else ""
    told = f"{steps:,} of {words.plural(values.batch_size, each)} each{answers}"
    if not values.steps:
        told += f": {'once' if values.epochs == 1 else f'{values.epochs:g} times'} over {words.plural(rows - held, what)}"
        replayed = values.replayed(rows - held)
        told += f" and {words.count(replayed)} to replay" if replayed else ""
    return told + (f"; {words.count(held)} held out" if held else "")


def batching_line(method: Method, settings: Mapping[str, Any], seen: Seen) -> str:
    """How rows of different lengths will share a step, and why, as far as the lengths tell it."""
    asked = settings.get("batching")
    if asked is None:
        return "blocks of equal length, no padding" if joins(method) else ""
    if asked != "auto":
        return f"{inert.plain(asked)}, as set"
    if seen.preview is None:
        return "chosen by the row lengths"
    told, limit = seen.preview.lengths, int(settings.get("max_length", 512))
    middles = [min(limit, (low + high) // 2) for low, high in zip(told.edges, told.edges[1:], strict=False)]
    spread = [length for length, count in zip(middles, _shares(told.counts), strict=True) for _ in range(count)]
    way = batching.choose(spread, int(settings.get("batch_size", 1)), ragged=True)
    return f"{inert.plain(way.way)}: {inert.plain(way.reason)}"


def _shares(counts: tuple[int, ...], most: int = 2000) -> list[int]:
    """The counts, scaled down to about ``most`` in all."""
    scale = min(1.0, most / max(1, sum(counts)))
    return [round(count * scale) or int(count > 0) for count in counts]

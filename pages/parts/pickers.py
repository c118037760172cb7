"""Choosing a model or a data set, the same way on every page."""

from collections.abc import Collection

import streamlit as st

from pages.parts import words
from pages.parts.badges import SHAPES
from storage import datasets, models
from storage.home import Home
from storage.records import Dataset, Model


def describe_model(model: Model) -> str:
    """One line about a model for a list to choose from."""
    return f"{model.name}  ·  {words.short(model.parameters)} {'adapter' if model.kind == 'adapter' else 'weights'}"


def describe_dataset(dataset: Dataset) -> str:
    """One line about a data set for a list to choose from."""
    return f"{dataset.title}  ·  {words.plural(dataset.rows, 'row')}  ·  {SHAPES[dataset.shape].word.lower()}"


def model(
    home: Home,
    label: str,
    *,
    key: str,
    default: str | None = None,
    help: str | None = None,
    optional: bool = False,
    but: int | None = None,
) -> Model | None:
    """Ask for one model of the registry ``but`` one, newest first; None where there is none or none is chosen."""
    found = {m.id: m for m in models.all(home, "language") if m.id != but}
    at = next((i for i, m in enumerate(found.values()) if m.name == default), None if optional else 0)
    chosen = st.selectbox(
        label, list(found), index=at, key=key, help=help, disabled=not found, persist_state="session",
        format_func=lambda i: describe_model(found[i]), placeholder="No model yet" if not found else "None",
    )  # fmt: skip
    return found.get(chosen) if chosen is not None else None


def several_models(
    home: Home, label: str, *, key: str, default: Collection[int] = (), most: int = 4, help: str | None = None
) -> list[Model]:
    """Ask for up to ``most`` models, in the order they were chosen."""
    found = {m.id: m for m in models.all(home, "language")}
    chosen = st.multiselect(
        label, list(found), default=[i for i in default if i in found], key=key, help=help, max_selections=most,
        format_func=lambda i: describe_model(found[i]), persist_state="session", placeholder="Choose models",
    )  # fmt: skip
    return [found[i] for i in chosen if i in found]


def dataset(
    home: Home,
    label: str,
    *,
    key: str,
    shapes: Collection[str] | None = None,
    latest: bool = False,
    prefer: str | None = None,
    default: str = "",
    help: str | None = None,
    optional: bool = False,
) -> Dataset | None:
    """Ask for one frozen data set of these shapes, newest first; ``latest`` shows only the newest version of each name.

    The one called ``default`` is chosen to begin with, else the first one of the shape ``prefer``, where there is one; where it is
    ``optional`` the choice can be emptied.
    """
    found: dict[int, Dataset] = {}
    names: set[str] = set()
    for one in datasets.all(home):  # newest first
        if (shapes is None or one.shape in shapes) and not (latest and one.name in names):
            found[one.id] = one
            names.add(one.name)
    order = sorted(found.values(), key=lambda one: (one.name != default, one.shape != prefer))  # the newest of equals stays first
    offered = [*([0] if optional else []), *found]  # 0 is none
    chosen = st.selectbox(
        label, offered, index=offered.index(order[0].id) if order else 0, key=key, help=help, disabled=not found,
        persist_state="session", placeholder="No fitting data set yet",
        format_func=lambda i: describe_dataset(found[i]) if i else "None",
    )  # fmt: skip
    return found.get(chosen) if chosen else None

"""What the form holds: where each value is kept, how a link or an earlier run fills it, and what it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine import gallery
from engine.errors import BadInput, NotFound, TemperError
from engine.jobs import submit
from engine.methods import METHODS
from engine.methods.method import Method, Setting, settings_of
from pages.parts import go, messages
from storage import datasets, db, models, runs
from storage.home import Home
from storage.records import Dataset, Model

METHOD, FAMILY, MODEL, NAME = "train_method", "train_family", "train_model", "train_name"
SEED, DTYPE, PARENT = "train_seed", "train_dtype", "train_parent"
KIND, ROAD, ROAD_MODEL = "train_kind", "road_chosen", "road_model"
ONE_METHOD, WHOLE_ROAD = "method", "road"  # what can be launched


def first_of_family(families: Mapping[str, list[str]]) -> None:
    """As the callback of the family's control: the family's first method is chosen."""
    st.session_state[METHOD] = families[st.session_state[FAMILY]][0]


def data_key(method: Method) -> str:
    """Where the choice of data is kept: one for each method, since each takes other data."""
    return f"train_data_{method.name}"


def setting_key(method: Method, setting: Setting) -> str:
    """Where the value of a setting is kept."""
    return f"train_{method.name}_{setting.name}"


@dataclass(frozen=True)
class Choice:
    """Everything that the form says, ready to be submitted."""

    method: Method
    model: Model | None
    dataset: Dataset | None
    settings: Mapping[str, Any]  # without those whose field was emptied
    empty: tuple[str, ...]  # settings whose field was emptied
    name: str
    seed: int
    dtype: str
    parent_id: int | None

    def problem(self, home: Home) -> TemperError | None:
        """What is wrong with the settings or with what they are asked of, as launching would say it."""
        if self.model is None or self.dataset is None or self.empty:
            return None
        try:
            submit.checked(home, self.method, self.dataset, self.settings, self.model)
        except TemperError as problem:
            return problem
        return None

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that differ from their defaults."""
        defaults = {s.name: s.default for s in settings_of(self.method.settings)}
        return {name: value for name, value in self.settings.items() if value != defaults[name]}


def chosen(home: Home) -> Choice:
    """What the form says now."""
    held = st.session_state
    method = METHODS[held[METHOD]]
    values = {s.name: held.get(setting_key(method, s), s.default) for s in settings_of(method.settings)}
    return Choice(
        method=method,
        model=models.get(home, held.get(MODEL) or 0),
        dataset=datasets.get(home, held.get(data_key(method)) or 0),
        settings={name: value for name, value in values.items() if value is not None},
        empty=tuple(name for name, value in values.items() if value is None),
        name=str(held.get(NAME) or "").strip(),
        seed=int(held.get(SEED) or 0),
        dtype=str(held.get(DTYPE) or "auto"),
        parent_id=parent_id(home),
    )


def parent_id(home: Home) -> int | None:
    """The run that this one would change: the one the form was filled from, while method, model and data are still its own."""
    held = st.session_state
    run = runs.get(home, held.get(PARENT) or 0)
    if run is None:
        return None
    method, recipe = METHODS[held[METHOD]], run.recipe
    same = (method.name, held.get(MODEL), held.get(data_key(method))) == (recipe.method, recipe.model_id, recipe.dataset_id)
    return run.id if same else None


def fill(home: Home) -> None:
    """Fill the form from the address: ``?again=RUN`` with ``&set=key=value``, or ``?method=``, ``?model=`` and ``?data=``; or the
    form of a road by ``?road=`` and ``?model=``.

    Each address fills it once as long as the page is open, so that what is typed afterwards stays.
    """
    asked = {
        key: st.query_params.get_all(key) for key in ("again", "set", "method", "model", "data", "road") if key in st.query_params
    }
    if st.session_state.get(go.FILLED, {}) == asked:
        return
    st.session_state[go.FILLED] = asked
    if not asked:
        return
    try:
        if "again" in asked:
            from_run(home, asked["again"][0], asked.get("set", []))
        elif "road" in asked:
            from_road(home, asked["road"][0], asked.get("model", []))
        else:
            from_names(home, {key: values[0] for key, values in asked.items()})
    except TemperError as problem:
        messages.keep(problem, "train")


def from_run(home: Home, number: str, changes: list[str]) -> None:
    """Fill the form with the recipe of a run and some changes to it."""
    run = submit.find(home, db.number(number) or 0)
    if run.kind != "train":
        raise BadInput(f"Run {run.id} is of the kind {run.kind}; only a training run can be run again.")
    recipe, held = run.recipe, st.session_state
    method = submit.method_named(recipe.method)
    held[METHOD], held[NAME], held[SEED], held[DTYPE], held[PARENT] = method.name, run.name, recipe.seed, recipe.dtype, run.id
    found = {"model": models.get(home, recipe.model_id), "data set": datasets.get(home, recipe.dataset_id)}
    for key, there in ((MODEL, found["model"]), (data_key(method), found["data set"])):
        if there is not None:
            held[key] = there.id
    given = dict(recipe.settings)
    for change in changes:
        key, _, value = change.partition("=")
        given[key] = value
    for setting in settings_of(method.settings):
        held[setting_key(method, setting)] = setting.parse(given.get(setting.name, setting.default))
    gone = " and the ".join(what for what, there in found.items() if there is None)
    if gone:
        raise NotFound(f"The {gone} of run {run.id} is no longer here. The rest is filled in; look at what was chosen instead.")


def from_road(home: Home, name: str, begins: list[str]) -> None:
    """Choose a road of the gallery, and the model that it begins with."""
    held = st.session_state
    held[KIND], held[ROAD] = WHOLE_ROAD, gallery.find(name).name
    model = models.find(home, begins[0]) if begins else None
    if model is not None:
        held[ROAD_MODEL] = model.id


def from_names(home: Home, asked: Mapping[str, str]) -> None:
    """Choose the method, model and data that a link names; data alone decides for the first method that takes it."""
    held = st.session_state
    held[PARENT] = None
    if "method" in asked:
        held[KIND] = ONE_METHOD
    data = datasets.find(home, asked["data"]) if "data" in asked else None
    if "method" in asked:
        held[METHOD] = submit.method_named(asked["method"]).name
    elif data is not None:
        held[METHOD] = next((m.name for m in METHODS.values() if data.shape in m.shapes), held.get(METHOD) or next(iter(METHODS)))
    model = models.find(home, asked["model"]) if "model" in asked else None
    if model is not None:
        held[MODEL] = model.id
    if data is not None:
        held[data_key(METHODS[held[METHOD]])] = data.id


def reset(method: Method) -> None:
    """Put every setting of the method back to its default."""
    for setting in settings_of(method.settings):
        st.session_state[setting_key(method, setting)] = setting.default

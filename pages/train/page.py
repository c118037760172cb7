"""Train: choose method, model and data, set what needs setting, see what the model will read and what it will take, launch; or
begin a whole road of methods."""

import streamlit as st

from engine.methods import METHODS
from pages.parts import messages, session
from pages.train import choices, form, launch, preview, view, whole

home = session.home()
launch.follow()
whole.follow()
st.title("Train")
choices.fill(home)
messages.kept("train")

if form.kind() == form.ROAD:
    whole.draw(home)
    st.stop()

left, right = st.columns([5, 4], gap="large")
with left:
    method = METHODS[form.method()]
    model = form.model(home)
    dataset = form.dataset(home, method)
    settings = form.fitted(method, form.settings(home, method), model)
seen = preview.seen(home, model, dataset, settings)
with right:
    view.lengths(method, seen, settings)
    fits = view.plan(home, method, model, dataset, settings, seen)
    launch.draw(home, fits)
with left:
    view.example(method, seen)
preview.wait(seen)

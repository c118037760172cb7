"""Draws where a model comes from: data version, recipe, run, model."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import badges, inert, words
from storage import datasets, models, runs
from storage.home import Home
from storage.records import Model, Run


def chain(home: Home, model: Model) -> None:
    """The four links of a trained model, or the source of one that came from outside."""
    st.markdown("**Lineage**")
    run = runs.get(home, model.run_id) if model.run_id else None
    if run is None or run.kind != "train":
        with st.container(border=True):
            st.caption(f":material/inventory_2: Not trained here. Source: {inert.plain(model.source)}")
        return
    recipe = run.recipe
    start, data = models.get(home, recipe.model_id), datasets.get(home, recipe.dataset_id)
    with st.grid(4, min_column_width=180, gap="small"):
        with _link(":material/database:", "Data"):
            st.markdown(f"**{inert.plain(data.title)}**" if data else "No longer there")
            if data:
                st.caption(f"{words.plural(data.rows, 'row')}, {badges.SHAPES[data.shape].word.lower()}")
                st.caption(f"sha256 {data.sha256[:12]}")
        with _link(":material/description:", "Recipe"):
            st.markdown(f"**{inert.plain(recipe.method)}** on {inert.plain(start.name) if start else 'a base no longer there'}")
            st.caption(f"seed {recipe.seed}, dtype {inert.plain(recipe.dtype)}")
            with st.popover("Settings", icon=":material/tune:", type="tertiary"):
                inert.code(inert.json_text(dict(recipe.settings)), "json", height=320)
        with _link(":material/monitoring:", "Run"):
            st.page_link("pages/runs/page.py", label=f"{run.id}: {inert.plain(run.name, 40)}", query_params={"run": str(run.id)})
            badges.STATUS[run.status].draw()
            st.caption(_took(run))
        with _link(":material/deployed_code:", "Model"):
            st.markdown(f"**{inert.plain(model.name)}**")
            st.caption(f"{badges.KINDS[model.kind].word}, {words.size(model.bytes)}")
            st.caption(f"fingerprint {inert.plain(model.fingerprint[:12])}")


def _link(icon: str, name: str) -> DeltaGenerator:
    box = st.container(border=True, height="stretch", gap="xsmall")
    box.caption(f"{icon} {name}")
    return box


def _took(run: Run) -> str:
    if run.started_at is None or run.ended_at is None:
        return ""
    return f"took {words.duration((words.moment(run.ended_at) - words.moment(run.started_at)).total_seconds())}"

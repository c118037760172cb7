"""The frame around every page: title, logo, table of pages, the engine's strip, and the edge where errors become words.

Run it with `make run`. What a page may do is said in pages/__init__.py.
"""

from pathlib import Path

import streamlit as st

from pages.parts import messages, session, signing, strip
from storage.db import NotMigrated, require_migrated

ASSETS = Path(__file__).parent / "assets"
PAGES = (
    # folder, title, icon, section, what the page is for
    ("home", "Home", ":material/home:", "", "Where things stand: the road, live runs, the machine."),
    ("rubric", "Rubric", ":material/explore:", "Decide", "From a wish to a method: whether to train at all, and how."),
    (
        "bakeoff",
        "Bake-off",
        ":material/balance:",
        "Decide",
        "Prompting, retrieval and training on the same questions, side by side.",
    ),
    ("datasets", "Datasets", ":material/database:", "Prepare", "Bring in a file, see every problem, freeze a version."),
    (
        "labels",
        "Labels",
        ":material/thumbs_up_down:",
        "Prepare",
        "Two answers, one choice at a time; how far labellers agree; freeze.",
    ),
    ("knowledge", "Knowledge", ":material/menu_book:", "Prepare", "Documents that answers are looked up in; try a search."),
    ("train", "Train", ":material/model_training:", "Prepare", "Choose method, model and data, rehearse, launch."),
    ("runs", "Runs", ":material/monitoring:", "Watch", "Live curves, phases, log and samples; stop, resume, run again."),
    ("chat", "Chat", ":material/forum:", "Watch", "One prompt to several models side by side."),
    (
        "deployments",
        "Deployments",
        ":material/rocket_launch:",
        "Keep",
        "A model with its prompt, documents and guards, frozen and served.",
    ),
    ("models", "Models", ":material/deployed_code:", "Keep", "Every model with its lineage and scores; download and clean up."),
)

st.set_page_config(page_title="Temper", page_icon=str(ASSETS / "icon.svg"), layout="wide", initial_sidebar_state="auto")
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")

signing.gate()

sections: dict[str, list[st.Page]] = {}
for folder, title, icon, section, purpose in PAGES:
    page = st.Page(f"pages/{folder}/page.py", title=title, icon=icon, url_path=folder, default=folder == "home", help=purpose)
    sections.setdefault(section, []).append(page)
chosen = st.navigation(sections, expanded=True)

home = session.home()
with messages.edge():
    try:
        require_migrated(home)
    except NotMigrated:
        strip.waiting(home)
        st.stop()
    with st.sidebar:
        strip.engine(home)
    chosen.run()

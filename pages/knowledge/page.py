"""Knowledge: indexes of documents: make one, bring documents in, see what it holds, try a search. The address names one (?index=NAME)."""

import streamlit as st

from pages.knowledge import bring, choose, search, view
from pages.parts import go, messages, session

home = session.home()
choose.follow()
with messages.edge():
    index = choose.draw(home)
    if index is not None:
        view.heading(home, index)
        bring.draw(home, index)
        bring.under_way(home, index)
        if index.version:
            view.changed(home, index)
            search.draw(home, index)
            view.documents(home, index)
            view.versions(home, index)
        with st.container(horizontal=True, vertical_alignment="center"):
            if index.version:
                go.button(
                    "Measure it in a bake-off", ":material/balance:", "bakeoff", key="knowledge_bake", query=choose.onward(index)
                )
            view.delete(home, index)

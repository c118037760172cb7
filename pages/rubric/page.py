"""Rubric: one question at a time, then the advice: whether to train at all, and how. Earlier advice, and whether it held.

The address holds the answers (pages/rubric/draft.py), or which advice is looked at.
"""

import streamlit as st

from engine import advice
from engine.rubric import advise, asked
from pages.parts import messages, session
from pages.rubric import draft, earlier, keys, question, saving, view

home = session.home()
saving.follow()
st.title("Rubric")
messages.kept("rubric")

if draft.ADVICE in st.query_params:
    kept = advice.find(home, st.query_params[draft.ADVICE])
    earlier.one(home, kept)
else:
    given = draft.answers()
    shown = draft.shown(given)
    if shown is not None:
        left, right = st.columns([3, 2], gap="large")
        with left:
            place = question.ask(home, shown, given)
        with right:
            view.answered(given, shown)
    else:
        place = "rubric_advice"
        with st.container(key=place):
            view.advised(home, advise(given), key="now")
            saving.draw()
        view.answered(given, None)
    keys.listen(place, fields=shown is not None)
    if asked(given) is None or not given:
        earlier.every(home)

"""Deployments: models with what stands around them, frozen under a name: what they are made of, their scores, how they are asked.
The address names one (?deployment=NAME@VERSION)."""

from pages.deployments import form, scores, view
from pages.parts import messages, session
from storage import deployments

home = session.home()
form.follow()
with messages.edge():
    found = deployments.all(home)
    form.header(home, found)
    chosen = view.listed(home, found)
    if chosen is not None:
        view.heading(home, chosen)
        view.made_of(home, chosen)
        view.asking(home, chosen)
        scores.table(home, chosen)
        scores.form(home, chosen)
        scores.under_way(home, chosen)
        form.onward(home, chosen)
        view.delete(home, chosen)

"""The team: who has labelled how much, what they go by, and how much of it is shown to several or again."""

import polars as pl
import streamlit as st

from engine.errors import TemperError
from engine.preferences import projects
from pages.parts import inert, messages, words
from storage import preferences
from storage.home import Home
from storage.records import Project

KEY = "labels_team"


def draw(home: Home, project: Project) -> None:
    """Draw progress and settings."""
    counts, people = preferences.counts(home, project.id), preferences.progress(home, project.id)
    with st.grid(4, min_column_width=150, gap="small"):
        st.metric("Pairs", words.count(counts.pairs), border=True)
        st.metric("Labelled by enough people", words.count(counts.done), border=True)
        st.metric("Votes of people", words.count(counts.votes), border=True)
        st.metric("Votes of judges", words.count(counts.judged), border=True)
    if counts.asked:
        st.progress(counts.done / counts.asked, text=f"{words.percent(counts.done / counts.asked)} labelled")
    if people:
        frame = pl.DataFrame(
            {
                "Labeller": [each.labeller for each in people],
                "Kind": [each.kind for each in people],
                "Votes": [each.votes for each in people],
                "Skipped": [each.skipped for each in people],
                "Last": [words.ago(each.last_at) for each in people],
            }
        )
        st.dataframe(frame, hide_index=True, key="labels_people", alt="Labellers and how much each has done")
    else:
        st.caption("Nobody has voted yet. Whoever opens this page and types a name under Label gets a queue of their own.")
    settings(home, project)


def settings(home: Home, project: Project) -> None:
    """Draw the form of the project's settings."""
    chosen = projects.settings(project)
    st.subheader("How it is labelled", anchor=False)
    with st.form(f"{KEY}_{project.id}"):
        st.text_area("Instructions", value=chosen.instructions, key=key(project, "instructions"), height=160, help="Markdown")
        st.multiselect(
            "Compared in single respects too", list(dict.fromkeys([*chosen.criteria, *projects.SUGGESTED])), key=key(project, "criteria"),
            default=list(chosen.criteria), accept_new_options=True, max_selections=projects.MOST_CRITERIA, placeholder="None",
        )  # fmt: skip
        st.checkbox("Ask how clearly (slightly, clearly)", value=chosen.strength, key=key(project, "strength"))
        with st.grid(4, min_column_width=170, gap="small"):
            _share(
                project,
                "Seen by several, %",
                chosen.overlap,
                "overlap",
                "The share of pairs that several people see; agreement is told from them",
            )
            st.number_input("By how many", 1, 100, value=chosen.raters, key=key(project, "raters"))
            _share(
                project,
                "Shown again, %",
                chosen.repeats,
                "repeats",
                "Of what somebody sees: pairs of their own, once more, to tell consistency",
            )
            _share(
                project,
                "Known answers, %",
                chosen.gold,
                "gold",
                "Of what somebody sees: pairs marked with a known answer under Pairs",
            )
        st.form_submit_button("Save", type="primary", icon=":material/save:", on_click=save, args=(home, project))
    messages.kept(KEY)
    shown = projects.examples(home, project)
    if shown:
        st.caption(f"The instructions show {words.plural(len(shown), 'example')}; pairs become examples under Pairs.")


def key(project: Project, name: str) -> str:
    """The key of a setting's field: each project's own, or what stands in one project's form would be saved for another."""
    return f"{KEY}_{project.id}_{name}"


def _share(project: Project, label: str, value: float, name: str, help: str) -> None:
    st.number_input(label, 0.0, 100.0, value=100 * value, step=5.0, format="%g", key=key(project, name), help=help)


def save(home: Home, project: Project) -> None:
    """Keep what the form says."""
    held = st.session_state
    given = {name: held[key(project, name)] for name in ("instructions", "strength", "raters")}
    given |= {name: held[key(project, name)] / 100 for name in projects.SHARES} | {
        "criteria": list(held[key(project, "criteria")])
    }
    try:
        projects.change_settings(home, project, given)
    except TemperError as problem:
        messages.keep(problem, KEY)
        return
    messages.done(f"{inert.plain(project.name)} is labelled so from now on.")

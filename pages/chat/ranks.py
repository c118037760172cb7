"""Who is better, told from the votes of a project: ratings with their intervals, who beat whom, and what the votes do not tell."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from engine.errors import BadInput
from engine.preferences import arena, projects, ranking
from engine.preferences.ranking import Battle, Ranking
from pages.chat.judging import PROJECT
from pages.parts import charts, inert, messages, words
from storage import preferences
from storage.home import Home

BY = {"people": "People", "judges": "Judges", "all": "Both"}
ALL = "All"


def draw(home: Home) -> None:
    """Draw the ranking of a project, with what to count."""
    there = [project.name for project in preferences.projects(home)]
    if not there:
        _nothing("Ask two models in a talk with Blind switched on, then say which answer is better.")
        return
    with messages.edge():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            at = there.index(PROJECT) if PROJECT in there else 0
            name = st.selectbox("Votes of", there, index=at, key="ranks_project", persist_state="session", width=220)
            by = st.selectbox(
                "Given by", list(BY), key="ranks_by", format_func=BY.__getitem__, persist_state="session", width=130
            )
        found = arena.battles(home, projects.find(home, name), by)
        if not found:
            _nothing(
                f"{inert.plain(name)} has no votes that count: they have to be between answers of two models, and in a chat blind and "
                "without an answer that tells its own name."
            )
            return
        ranked(_some(found))


def _nothing(how: str) -> None:
    messages.empty("No ranking yet", how, ":material/leaderboard:")


def _some(found: Sequence[Battle]) -> list[Battle]:
    """Ask whose votes and which topic count, where there are several; those votes."""
    kept = list(found)
    people, topics = sorted({b.labeller for b in found}), sorted({b.topic for b in found if b.topic})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(people) > 1:
            who = st.selectbox("Labeller", [ALL, *people], key="ranks_labeller", width=180)
            kept = arena.some(kept, labeller=None if who == ALL else who)
        if topics:
            topic = st.selectbox("Topic", [ALL, *topics], key="ranks_topic", width=180)
            kept = arena.some(kept, topic=None if topic == ALL else topic)
    return kept


def ranked(battles: Sequence[Battle]) -> None:
    """Draw the ranking of some battles."""
    if not battles:
        raise BadInput("No vote is left by these choices. Choose All.")
    names = sorted({name for battle in battles for name in (battle.first, battle.second)})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        anchor = st.selectbox(
            "Fixed at 1000", ["The mean of all", *names], key="ranks_anchor", width=220,
            help="Ratings tell differences only, so one of them is chosen",
        )  # fmt: skip
        style = st.toggle(
            "Control for style", key="ranks_style",
            help="Rate answers as if all were equally long and had as many headings, lists and bold words (Li et al. 2024)",
        )  # fmt: skip
    found = _rank(tuple(battles), anchor if anchor in names else None, style)
    st.caption(f"{words.plural(found.votes, 'vote')}. Bradley-Terry: 400 points are odds of ten to one. Bars are 95 % intervals.")
    for number, group in enumerate(found.groups, 1):
        if len(found.groups) > 1:
            st.markdown(f"**Group {number}**, which met no other: its ratings compare among themselves only")
        rows = [(s.name, s.rating.value, s.rating.low, s.rating.high) for s in found.standings if s.name in group]
        charts.ratings(
            rows,
            key=f"ranks_ratings_{number}",
            alt="; ".join(f"{n} {v:.0f} ({low:.0f} to {high:.0f})" for n, v, low, high in rows),
        )
    for line in ranking.sentences(found):
        st.markdown(f":material/info: {inert.plain(line, 600)}")
    standings(found)
    st.subheader("Who beat whom")
    told = ranking.wins(battles)
    cells = {pair: (score / count, f"{100 * score / count:.0f} % of {count}") for pair, (score, count) in told.items()}
    order = [s.name for s in found.standings]
    alt = "; ".join(f"{one} against {other}: {cells[one, other][1]}" for one in order for other in order if (one, other) in cells)
    st.caption("The share that the model of a row won against that of a column; a tie is half. Empty: these two never met.")
    charts.matrix(order, cells, key="ranks_matrix", alt=alt)
    elo(battles, len(found.groups))


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={tuple: repr})
def _rank(battles: tuple[Battle, ...], anchor: str | None, style: bool) -> Ranking:
    """The ranking of these very battles, fitted once: every click draws the page anew."""
    return ranking.rank(battles, anchor, style=style)


def standings(found: Ranking) -> None:
    """Draw the ratings as a table, with the group of each model where there are several."""
    ahead = ranking.ahead(found)
    st.dataframe(
        pl.DataFrame(
            {
                **({"Group": [s.group for s in found.standings]} if len(found.groups) > 1 else {}),
                "Rank": [s.rank for s in found.standings], "Model": [s.name for s in found.standings],
                "Rating": [round(s.rating.value) for s in found.standings],
                "95 % interval": [f"{s.rating.low:.0f} to {s.rating.high:.0f}" for s in found.standings],
                "Against the next": [ahead[s.name] for s in found.standings],
                "Battles": [s.battles for s in found.standings], "Won": [s.wins for s in found.standings],
                "Ties": [s.ties for s in found.standings],
            }
        ),
        hide_index=True, key="ranks_table",
    )  # fmt: skip
    st.caption(
        "A model's rank is one more than the number of models that are surely better, so several can share one"
        + (", among those of its group." if len(found.groups) > 1 else ".")
        + " More votes are counted as they come now, among all models. A vote among more than two answers is several battles."
    )


def elo(battles: Sequence[Battle], groups: int) -> None:
    """Draw Elo's ratings, which depend on the order of the votes."""
    with st.expander("Elo, for comparison", icon=":material/swap_vert:", on_change="rerun", key="ranks_elo") as box:
        if not box.open:
            return
        st.caption("Elo goes through the votes one by one, so the same votes in another order give other ratings: the bars are the lowest "
                   "and highest of 200 orders. It is no better told than above; it is only better known.")  # fmt: skip
        if groups > 1:
            st.caption("Models of two groups start from the same rating and never met, so Elo does not compare them either.")
        found = sorted(ranking.elo(battles).items(), key=lambda each: -each[1].value)
        rows = [(name, span.value, span.low, span.high) for name, span in found]
        charts.ratings(rows, key="ranks_elo_chart", alt="; ".join(f"{n} {v:.0f} ({a:.0f} to {b:.0f})" for n, v, a, b in rows))

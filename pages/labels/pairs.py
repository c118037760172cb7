"""The pairs of a project: where they come from, which are labelled first, and one of them with all that was said of it."""

import json
from collections.abc import Mapping

import polars as pl
import streamlit as st

from engine.errors import BadInput, TemperError
from engine.preferences import desk, projects, quality
from engine.preferences.projects import Example
from pages.labels import people, sources
from pages.parts import inert, messages, readable, words
from storage import preferences
from storage.home import Home
from storage.preferences import DECIDING
from storage.records import Pair, Project, Vote

ALL, DISPUTED, GOLD, OPEN = "All", "To decide", "Known answers", "Not finished"
SHOWN = 500  # rows of the table
CALLED = {"first": "Answer 1", "second": "Answer 2", "tie": "Tie", "bad": "Both bad", "skip": "Skipped"}


def draw(home: Home, project: Project) -> None:
    """Draw the sources and the pairs."""
    counts = preferences.counts(home, project.id)
    sources.draw(home, project, expanded=not counts.pairs)
    if not counts.pairs:
        return
    differ = disputed(str(home.root), project.id, counts.version)
    kinds = {ALL: counts.pairs, OPEN: counts.asked - counts.done, DISPUTED: len(differ), GOLD: counts.gold}
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Pairs", anchor=False, width="content")
        asked = st.query_params.pop("only", None)
        if asked in kinds:
            st.session_state["labels_only"] = asked
        only = st.segmented_control(
            "Which", list(kinds), default=None if "labels_only" in st.session_state else ALL, key="labels_only", required=True,
            label_visibility="collapsed", format_func=lambda kind: f"{kind} ({kinds[kind]:,})", persist_state="session",
        )  # fmt: skip
    if only == DISPUTED:
        shown = [pair for i in differ[:SHOWN] if (pair := preferences.pair(home, i)) is not None]
    else:
        shown = preferences.some_pairs(home, project.id, {OPEN: "open", GOLD: "gold"}.get(str(only), "all"), SHOWN)
    if kinds[str(only or ALL)] > SHOWN:
        st.caption(f"The first {words.count(SHOWN)} are shown; `labels export` writes all of them.")
    votes = preferences.votes(home, project.id, [pair.id for pair in shown])
    chosen = table(shown, votes, str(only))
    if chosen is not None:
        one(home, project, chosen, [vote for vote in votes if vote.pair_id == chosen.id])


@st.cache_data(max_entries=16, show_spinner=False)
def disputed(root: str, project_id: int, version: int) -> tuple[int, ...]:
    """The pairs that wait for a decision, at this version of the votes."""
    home = Home.resolve(root)
    return quality.disputed(set(preferences.gold_of(home, project_id)), preferences.votes(home, project_id))


def table(pairs: list[Pair], votes: list[Vote], only: str) -> Pair | None:
    """The pairs as a table; the one that is looked at."""
    if not pairs:
        st.caption(
            {DISPUTED: "Nothing waits for a decision.", GOLD: "No answer is known yet: look at a pair to mark it."}.get(
                only, "None."
            )
        )
        return None
    given: dict[int, list[str]] = {}
    for vote in votes:
        given.setdefault(vote.pair_id, []).append(f"{vote.labeller}: {CALLED[vote.choice].lower()}")
    frame = pl.DataFrame(
        {
            "Pair": [pair.id for pair in pairs],
            "Prompt": [str(pair.prompt[-1].get("content", ""))[:200] for pair in pairs],
            "Answer 1": [pair.first[:120] for pair in pairs],
            "Answer 2": [pair.second[:120] for pair in pairs],
            "Votes": ["; ".join(given.get(pair.id, [])) for pair in pairs],
            "Known": [CALLED[pair.gold] if pair.gold else "" for pair in pairs],
        }
    )
    state = st.dataframe(
        frame, hide_index=True, height=min(420, 38 + 35 * len(pairs)), on_select="rerun", selection_mode="single-row",
        key=f"labels_pairs_{only}_{len(pairs)}", alt="Pairs with their votes",
        column_config={
            "Pair": st.column_config.NumberColumn(width="small", format="%d"), "Prompt": st.column_config.TextColumn(width=250),
            "Answer 1": st.column_config.TextColumn(width=170), "Answer 2": st.column_config.TextColumn(width=170),
        },
    )  # fmt: skip
    rows = state["selection"]["rows"]
    if not rows:
        st.caption("Choose a row to see the pair, what was said of it, and to decide it or mark a known answer.")
        return None
    return pairs[rows[0]] if rows[0] < len(pairs) else None


def one(home: Home, project: Project, pair: Pair, votes: list[Vote]) -> None:
    """One pair: who wrote what, each vote, and what can be done with it."""
    with st.container(border=True):
        st.markdown(f"**Pair {pair.id}**")
        inert.conversation(pair.prompt)
        for column, name, answer in zip(st.columns(2), ("first", "second"), (pair.first, pair.second), strict=True):
            with column, st.container(border=True, height="stretch"):
                st.caption(f"**{CALLED[name]}**, {_writer(pair.origin.get(name))}")
                readable.text(answer)
        for vote in votes:
            _vote(vote)
        if pair.chosen_by:
            by = pair.chosen_by
            drawn = "drawn by chance" if by["group"] == "random" else "chosen as uncertain"
            st.caption(
                f":material/sort: Put first: {drawn}; {inert.plain(by['by'])} says {CALLED[by['says']].lower()}, {by['sure']:.0%} sure"
            )
        _acts(home, project, pair)
        if pair.extra or pair.origin:
            with st.expander("Origin and other columns", key=f"labels_origin_{pair.id}"):
                inert.code(
                    json.dumps(
                        {"origin": pair.origin, **({"extra": pair.extra} if pair.extra else {})}, ensure_ascii=False, indent=1
                    ),
                    "json",
                )


def _writer(origin: object) -> str:
    """Who wrote an answer, with which weights and how."""
    if not isinstance(origin, Mapping):
        return "writer not known"
    parts = [inert.plain(origin.get("name", "not known"), 60)]
    if origin.get("fingerprint"):
        parts.append(f"`{inert.plain(str(origin['fingerprint'])[:12])}`")
    if isinstance(origin.get("sampling"), Mapping):
        drawn = origin["sampling"]
        parts.append(f"temperature {drawn.get('temperature', 0):g}, seed {drawn.get('seed', 0)}")
    return ", ".join(parts)


def _vote(vote: Vote) -> None:
    marks = [f"**{inert.plain(vote.labeller, 60)}**: {CALLED[vote.choice].lower()}"]
    if vote.strength:
        marks.append("clearly" if vote.strength == 2 else "slightly")
    if vote.preference is not None:
        marks.append(f"preference {vote.preference:.3f}")
    marks += [f"{inert.plain(name)}: {CALLED[said].lower()}" for name, said in vote.criteria.items()]
    if vote.seconds is not None:
        marks.append(f"{vote.seconds:.1f} s")
    icon = (
        ":material/gavel:" if vote.round == DECIDING else ":material/smart_toy:" if vote.kind == "judge" else ":material/person:"
    )
    extra = " (decides)" if vote.round == DECIDING else " (seen again)" if vote.round > 0 else ""
    st.markdown(f"{icon} {', '.join(marks)}{extra}")
    if vote.reason:
        st.caption(inert.plain(vote.reason, 1_000))
    if vote.edited:
        with st.expander("Their better text", key=f"labels_edited_{vote.seq}"):
            inert.text(vote.edited)


def _acts(home: Home, project: Project, pair: Pair) -> None:
    """Decide the pair, mark its answer as known, show it in the instructions."""
    key = f"labels_act_{pair.id}"
    example = next((e for e in projects.settings(project).examples if e.pair_id == pair.id), None)
    with st.form(key, border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.segmented_control(
                "What holds", projects.CHOICES, key=f"{key}_choice", format_func=CALLED.__getitem__, default=pair.gold
            )
            st.text_input("Why", key=f"{key}_why", width=320, value=example.why if example else "")
        with st.container(horizontal=True):
            for what, label, icon in (
                ("decide", "Decide so", ":material/gavel:"),
                ("gold", "Mark as known, to check labellers", ":material/verified:"),
                ("example", "Show in the instructions", ":material/menu_book:"),
            ):
                st.form_submit_button(label, icon=icon, key=f"{key}_{what}", on_click=act, args=(home, project, pair, what))
            if pair.gold:
                st.form_submit_button(
                    "No longer known", key=f"{key}_unknown", on_click=act, args=(home, project, pair, "unknown")
                )
            if example:
                st.form_submit_button("No longer shown", key=f"{key}_hide", on_click=act, args=(home, project, pair, "hide"))
    messages.kept(key)


def act(home: Home, project: Project, pair: Pair, what: str) -> None:
    """Do what was pressed with what the form says."""
    key = f"labels_act_{pair.id}"
    choice, why = st.session_state.get(f"{key}_choice"), str(st.session_state.get(f"{key}_why") or "")
    try:
        if what in ("unknown", "hide"):
            projects.mark_gold(home, pair, None) if what == "unknown" else projects.show_as_example(home, project, None, pair.id)
        elif choice is None:
            raise BadInput("Nothing is chosen under What holds. Choose there first.")
        elif what == "decide":
            desk.decide(home, pair, people.known() or "adjudicator", choice, why)
            messages.done(f"Pair {pair.id} is decided: {CALLED[choice].lower()}.", ":material/gavel:")
        elif what == "gold":
            projects.mark_gold(home, pair, choice)
            messages.done(
                f"Pair {pair.id} is known, and shown to everybody: {words.percent(projects.settings(project).gold)} of what they see."
            )
        else:
            projects.show_as_example(home, project, Example(pair.id, choice, why), pair.id)
            messages.done(f"Pair {pair.id} stands in the instructions.", ":material/menu_book:")
    except TemperError as problem:
        messages.keep(problem, key)

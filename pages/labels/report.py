"""Quality: how far the votes can be trusted, pictures first."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from engine.preferences import quality
from engine.preferences.agreement import Agreement
from engine.preferences.quality import Hunted, Judged, Labeller, Report
from pages.parts import charts, go, inert, messages, words
from storage import preferences
from storage.home import Home
from storage.records import Interval, Project


@st.cache_data(max_entries=16, show_spinner=False)
def found(root: str, project_id: int, version: int) -> Report:
    """The report on the votes as they stand at this version."""
    project = preferences.project(Home.resolve(root), project_id)
    assert project is not None
    return quality.report(Home.resolve(root), project)


def draw(home: Home, project: Project) -> None:
    """Draw the report."""
    counts = preferences.counts(home, project.id)
    if not counts.votes and not counts.judged:
        messages.empty(
            "Nothing to judge yet", "Once there are votes, this shows how far they can be trusted.", ":material/verified:"
        )
        return
    seen = found(str(home.root), project.id, counts.version)
    _figures(project, seen)
    people = [each for each in seen.labellers if each.kind == "person"]
    if people:
        st.subheader("Labellers", anchor=False)
        _bias(people)
        _table(people)
        _kappas(seen)
    _judges(seen.judges)
    _hunted(seen.hunted)
    if seen.contradictions:
        with st.expander(f"Contradictions ({len(seen.contradictions)})", icon=":material/cycle:"):
            for circle in seen.contradictions[:50]:
                with st.container(border=True):
                    st.markdown(f"**{inert.plain(circle.labeller, 60)}** prefers in a circle:")
                    for i, answer in enumerate(circle.answers, 1):
                        inert.text(f"{i}. {answer}", 400)


def _figures(project: Project, seen: Report) -> None:
    """The figures that stand for all labellers."""
    with st.grid(4, min_column_width=150, gap="small"):
        _agreement(
            "Krippendorff's alpha",
            seen.alpha,
            "Agreement beyond chance over all labellers: 1 is perfect, 0 is chance; from 0.67 on it is called tentative, from 0.8 on good",
        )
        _agreement(
            "With strength",
            seen.scaled,
            "The same on the scale from clearly the first to clearly the second answer, by its order",
        )
        _metric("Known answers found", seen.gold, "Pairs marked with a known answer; chance is 50 %")
        _metric("Same again", seen.same, "Pairs shown to the same person a second time, and judged as before")
        _metric(
            "Chose the left",
            seen.left,
            "50 % is fair: the sides are drawn by chance. An interval that does not hold 50 % is a bias",
        )
        _metric("Chose the longer", seen.longer, "People often take longer answers for better ones")
        with st.container(border=True, height="stretch"):
            st.metric(
                "Contradictions",
                words.count(len(seen.contradictions)),
                help="Circles: A over B, B over C, C over A, on one prompt",
            )
        with st.container(border=True, height="stretch"):
            st.metric("To decide", words.count(len(seen.disputed)), help="Pairs on which people differ")
            if seen.disputed:
                go.button(
                    "Decide them",
                    ":material/gavel:",
                    "labels",
                    key="labels_decide",
                    type="tertiary",
                    project=project.id,
                    view="pairs",
                    only="To decide",
                )


def _agreement(label: str, figure: Agreement, help: str) -> None:
    with st.container(border=True, height="stretch"):
        st.metric(label, "not defined" if figure.value is None else f"{figure.value:.2f}", help=help)
        if figure.value is None:
            st.caption(figure.why)
        elif figure.low is not None and figure.high is not None:
            st.caption(f"{figure.low:.2f} to {figure.high:.2f}, {words.plural(figure.n, 'pair')} seen by several")


def _metric(label: str, share: Interval | None, help: str) -> None:
    with st.container(border=True, height="stretch"):
        st.metric(label, "–" if share is None else words.percent(share.value), help=help)
        st.caption(
            "nothing bears on it yet" if share is None else f"{100 * share.low:.0f} to {100 * share.high:.0f} %, n = {share.n:,}"
        )


def _bias(people: Sequence[Labeller]) -> None:
    """Each labeller's choices of the left and of the longer answer, with intervals, against even chances."""
    bars = [
        (name, [(each.name, share) for each in people if (share := getattr(each, key)) is not None])
        for name, key in (("Chose the left", "left"), ("Chose the longer", "longer"), ("Known answers found", "gold"))
    ]
    if any(rows for _, rows in bars):
        charts.shares(bars, key="labels_bias", even=0.5)


def _table(people: Sequence[Labeller]) -> None:
    frame = pl.DataFrame(
        {
            "Labeller": [each.name for each in people],
            "Votes": [each.votes for each in people],
            "Skipped": [each.skipped for each in people],
            "Seconds": [each.seconds for each in people],
            "Under 1 s": [each.hurried for each in people],
            "Left": [_shown(each.left) for each in people],
            "Longer": [_shown(each.longer) for each in people],
            "Known": [_shown(each.gold) for each in people],
            "Same again": [_shown(each.same) for each in people],
            "As others": [_shown(each.others) for each in people],
            "Circles": [each.contradictions for each in people],
        }
    )
    st.dataframe(
        frame, hide_index=True, key="labels_labellers", alt="What the votes of each labeller tell",
        column_config={"Seconds": st.column_config.NumberColumn(format="%.1f", help="The median from a pair's display to the vote")},
    )  # fmt: skip


def _shown(share: Interval | None) -> str:
    return "" if share is None else f"{100 * share.value:.0f} % of {share.n:,}"


def _kappas(seen: Report) -> None:
    if not seen.kappas:
        return
    with st.expander("Each two labellers", icon=":material/group:"):
        frame = pl.DataFrame(
            {
                "One": [one for one, _, _ in seen.kappas],
                "Other": [other for _, other, _ in seen.kappas],
                "Pairs in common": [kappa.n for _, _, kappa in seen.kappas],
                "Cohen's kappa": [
                    f"{kappa.value:.2f}" if kappa.value is not None else f"not defined: {kappa.why}"
                    for _, _, kappa in seen.kappas
                ],
            }
        )
        st.dataframe(frame, hide_index=True, key="labels_kappas", alt="Agreement of each two labellers")


def _judges(judges: Sequence[Judged]) -> None:
    for judge in judges:
        st.subheader(f"{inert.plain(judge.name, 60)}, a judge", anchor=False)
        if judge.unread:
            st.caption(
                f"{words.count(judge.unread)} of its {words.plural(judge.votes, 'reply', 'replies')} could not be read as a verdict."
            )
        if judge.right is None:
            if judge.unread < judge.votes:
                st.caption("People have not labelled the pairs that it judged yet.")
            continue
        kappa = f"{judge.kappa.value:.2f}" if judge.kappa.value is not None else f"not defined: {judge.kappa.why}"
        st.markdown(f"It says what people say on **{words.score(judge.right)}** of pairs; Cohen's kappa with them is {kappa}.")
        if judge.calibration is not None:
            bins = [
                (b.confidence, {"value": b.right.value, "low": b.right.low, "high": b.right.high, "n": b.right.n})
                for b in judge.calibration.bins
            ]
            charts.calibration(bins, key=f"labels_judge_{judge.name}", error=judge.calibration.error)


def _hunted(hunted: Sequence[Hunted]) -> None:
    for each in hunted:
        st.subheader(f"What {inert.plain(each.by, 60)} put first", anchor=False)
        lines = [
            f"{what}: people agree with it on {words.score(share)}" if share else f"{what}: none labelled yet"
            for what, share in (("Pairs it was unsure of", each.uncertain), ("Pairs drawn by chance", each.control))
        ]
        st.markdown("  \n".join(lines))
        st.caption(
            "Only the pairs drawn by chance tell how good it is. The lower it lies on the others, the more there was to learn from them."
        )

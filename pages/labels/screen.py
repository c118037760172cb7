"""The screen of a labeller: a prompt, two answers, one choice. Everything about one pair lies in one form under its own token, so
that neither a reason nor a strength ever lands on the next pair."""

import math
import time
from collections.abc import Sequence

import streamlit as st

from engine.errors import BadInput, TemperError
from engine.preferences import desk, projects
from engine.preferences.desk import Given, Shown
from pages.labels import keys, people
from pages.parts import difference, go, inert, messages, readable, words
from storage import preferences, showings
from storage.home import Home
from storage.records import Project

READ, WRITTEN, DIFFERENT = "Read", "As written", "Differences"
VIEWS = (READ, WRITTEN, DIFFERENT)
# choice -> what it is called, its key, its icon
CHOICES = {
    "left": ("Left", "1", ":material/arrow_back:"),
    "tie": ("Tie", "3", ":material/balance:"),
    "right": ("Right", "2", ":material/arrow_forward:"),
    "bad": ("Both bad", "4", ":material/thumb_down:"),
    "skip": ("Skip", "5", ":material/skip_next:"),
}
STRENGTHS = {1: ("Slightly", "q"), 2: ("Clearly", "w")}
CRITERIA = ("asd", "fgh", "jkl", "uio", "bnm")  # keys of the first criteria: left, alike, right
COMPARED = {"left": "Left", "tie": "Alike", "right": "Right"}
TALL = 380  # pixels of an answer; longer ones scroll
LONG = 700  # characters from which an answer gets a box of that height


def draw(home: Home, project: Project, labeller: str) -> None:
    """Draw the screen of a labeller."""
    instructions(home, project, labeller)
    pair(home, project.id, labeller)


def instructions(home: Home, project: Project, labeller: str) -> None:
    """Draw what labellers shall go by, open until they have begun."""
    chosen, shown = projects.settings(project), projects.examples(home, project)
    if not chosen.instructions.strip() and not shown:
        return
    begun = preferences.votes_by(home, project.id, labeller) > 0
    with st.expander("Instructions", icon=":material/menu_book:", expanded=not begun, key="labels_instructions"):
        readable.text(chosen.instructions)
        for example, held in shown:
            with st.container(border=True, gap="xsmall"):
                inert.conversation(held.prompt)
                for column, name, answer in zip(st.columns(2), projects.CHOICES[:2], (held.first, held.second), strict=True):
                    with column, st.container(border=True, height="stretch"):
                        if example.choice == name:
                            st.markdown(":material/check: **The better one**")
                        readable.text(answer)
                if example.choice not in projects.CHOICES[:2]:
                    st.markdown(f"**{'They are equally good' if example.choice == 'tie' else 'Both are bad'}**")
                if example.why:
                    st.caption(f"Why: {inert.plain(example.why, 2_000)}")


@st.fragment
def pair(home: Home, project_id: int, labeller: str) -> None:
    """Draw the pair before a labeller. Only this part is drawn anew for the next one."""
    with messages.edge():
        project = projects.find(home, f"#{project_id}")
        shown = desk.look(home, project, labeller)
        _bar(home, project, labeller, shown)
        if not shown:
            messages.kept("labels")
            _finished(home, project, labeller)
            return
        token, held = shown[0].showing.token, st.session_state.get("labels_shown")
        if held is None or held[0] != token:  # before it is drawn: another run may cut this one short
            st.session_state["labels_shown"] = (token, time.monotonic())
        _form(project, shown[0], home)
        keys.listen(_heard(project), token, desk.SOONEST)


def _bar(home: Home, project: Project, labeller: str, shown: Sequence[Shown]) -> None:
    """What has been done, undo, and how the answers are shown."""
    counts, own = preferences.counts(home, project.id), preferences.votes_by(home, project.id, labeller)
    left = desk.can_undo(home, project, labeller)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.markdown(
                f":material/person: **{inert.plain(labeller, 60)}**, {words.plural(own, 'vote')}  ·  "
                f"{words.count(counts.done)} of {words.plural(counts.asked, 'pair')} finished",
                width="content",
                help="A pair is finished when as many people have labelled it as the project asks for",
            )
            st.button(
                "Undo · Z", icon=":material/undo:", key="labels_undo", type="tertiary", disabled=not left, on_click=undo,
                args=(home, project, labeller), help=f"Takes back your last vote; {left} can be taken back",
            )  # fmt: skip
            people.change()
        if shown:
            st.segmented_control(
                "How the answers are shown", VIEWS, default=READ, key="labels_view", required=True, label_visibility="collapsed",
                persist_state="session", format_func=lambda view: f"{view} · V" if view == DIFFERENT else view,
            )  # fmt: skip


def _form(project: Project, shown: Shown, home: Home) -> None:
    """The pair with everything that can be said of it."""
    token, chosen = shown.showing.token, projects.settings(project)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        said = _before(shown)
        st.caption(said or " ", width="content")
        _edit_buttons(token)
    with st.form(f"labels_{token}", border=False, enter_to_submit=False):
        with st.container(border=True, key="labels_prompt"):
            for turn in shown.pair.prompt:
                _turn(turn)
        _answers(shown)
        edited = st.session_state.get("labels_edit")
        if edited is not None and edited[0] == token:
            st.text_area(
                f"A better text of the {edited[1]} answer", value=shown.left if edited[1] == "left" else shown.right,
                key=f"edited_{edited[1]}_{token}", height=160, max_chars=desk.pairs.LONGEST_ANSWER,
                help="Kept as better than both; then choose this side",
            )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="bottom", key="labels_more"):
            _respects(chosen, token)
            st.text_area(
                "Reason · T", key=f"reason_{token}", value=shown.before.reason if shown.before else "", height=68, width=420,
                max_chars=desk.LONGEST_REASON, placeholder="Optional; Esc leaves the field, so that keys choose again",
            )  # fmt: skip
        with st.container(key="labels_choices"):
            # in sight wherever the page is scrolled to; always there, so that the choices below it keep their place
            with st.container():
                messages.kept("labels")
            with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
                for choice, (name, key, icon) in CHOICES.items():
                    st.form_submit_button(
                        f"{name} · {key}", icon=icon, key=f"vote_{choice}", on_click=vote, args=(home, project.id, token, choice),
                        type="primary" if choice in desk.SIDES else "secondary",
                    )  # fmt: skip


def _turn(turn: dict[str, object]) -> None:
    role = str(turn.get("role", ""))
    icon, name = inert.ROLES.get(role, (":material/chat_bubble:", inert.plain(role, 40)))
    with st.container(gap="xsmall"):
        st.caption(f"{icon} **{name}**")
        _text(str(turn.get("content", "")))


def _text(value: str) -> None:
    """A text as it is asked to be shown."""
    if st.session_state.get("labels_view", READ) == READ:
        readable.text(value)
    else:
        inert.text(value)


def _answers(shown: Shown) -> None:
    """Both answers beside each other; nothing tells who wrote them."""
    height = TALL if max(len(shown.left), len(shown.right)) > LONG else "content"
    marked = None
    if st.session_state.get("labels_view") == DIFFERENT:
        marked = difference.marked(shown.left, shown.right)
        if not any(own for runs in marked for _, own in runs):
            same = shown.left == shown.right
            st.caption("The answers are the same." if same else f"Too long to mark: over {difference.LONGEST:,} words and signs.")
    for i, (column, side, answer) in enumerate(zip(st.columns(2), ("left", "right"), (shown.left, shown.right), strict=True)):
        with column:
            st.caption(f"**{CHOICES[side][0]}**")
            with st.container(border=True, height=height, key=f"labels_{side}"):
                if not answer.strip():
                    st.caption("(nothing)")
                elif marked is not None:
                    difference.draw(marked[i], key=f"difference_{side}")
                else:
                    _text(answer)


def _respects(chosen: projects.Settings, token: str) -> None:
    """How clearly, and in single respects."""
    if chosen.strength:
        with st.container(key="labels_strength", width="content"):
            st.segmented_control(
                "How clearly", list(STRENGTHS), key=f"strength_{token}",
                format_func=lambda strength: f"{STRENGTHS[strength][0]} · {STRENGTHS[strength][1].upper()}",
            )  # fmt: skip
    for i, criterion in enumerate(chosen.criteria):
        letters = CRITERIA[i].upper() if i < len(CRITERIA) else "   "
        labels = {side: f"{name} · {letter}".rstrip(" ·") for (side, name), letter in zip(COMPARED.items(), letters, strict=True)}
        with st.container(key=f"labels_criterion_{i}", width="content"):
            st.segmented_control(
                f"More {inert.plain(criterion)}", list(COMPARED), key=f"criterion_{i}_{token}", format_func=labels.__getitem__
            )


def _before(shown: Shown) -> str:
    """What was said of this pair before, where it was taken back."""
    if shown.before is None:
        return ""
    return f":material/undo: Taken back: you had said **{CHOICES[desk.as_shown(shown.before)][0].lower()}**."


def _edit_buttons(token: str) -> None:
    """Turn correcting an answer on, and off again."""
    edited = st.session_state.get("labels_edit")
    current = edited[1] if edited is not None and edited[0] == token else None
    with st.container(horizontal=True, width="content", gap="xsmall", key="labels_edits"):
        for side, key in (("left", "E"), ("right", "P")):
            st.button(
                f"{'Stop editing' if current == side else f'Edit the {side}'} · {key}", icon=":material/edit:", key=f"edit_{side}",
                type="tertiary", on_click=edit, args=(token, None if current == side else side),
                help="Write a better text of the better answer",
            )  # fmt: skip


def _heard(project: Project) -> dict[str, dict[str, object]]:
    """Which key does what. The places are the same for every pair, so that no key means something in the one before."""
    chosen = projects.settings(project)
    heard: dict[str, dict[str, object]] = {
        key: {"place": f"vote_{choice}", "votes": True} for choice, (_, key, _) in CHOICES.items()
    }
    heard |= {
        "z": {"place": "labels_undo", "votes": True}, "e": {"place": "edit_left"}, "p": {"place": "edit_right"},
        "t": {"place": "labels_more", "field": True},
        "v": {"place": "labels_view", "index": 0 if st.session_state.get("labels_view") == DIFFERENT else 2},
    }  # fmt: skip
    if chosen.strength:
        heard |= {key: {"place": "labels_strength", "index": i} for i, (_, key) in enumerate(STRENGTHS.values())}
    for i, letters in enumerate(CRITERIA[: len(chosen.criteria)]):
        heard |= {letter: {"place": f"labels_criterion_{i}", "index": j} for j, letter in enumerate(letters)}
    return heard


def _finished(home: Home, project: Project, labeller: str) -> None:
    """Nothing waits for this labeller."""
    others = showings.held(home, project.id, labeller)
    counts = preferences.counts(home, project.id)
    if not counts.pairs:
        messages.empty("No pairs yet", "Let models write some, or bring in a file, under Pairs.", ":material/inventory_2:")
        return
    if others:
        minutes = int(showings.HELD.total_seconds() // 60)
        messages.empty(
            "Others have the last pairs before them",
            f"{words.plural(others, 'pair')}; what they do not label within {minutes} minutes comes back. Look again later.",
            ":material/group:",
        )
        return
    messages.empty("All done", "Every pair that waited for you is labelled.", ":material/check_circle:")
    with st.container(horizontal=True, horizontal_alignment="center"):
        for view, icon in (("Quality", ":material/verified:"), ("Freeze", ":material/ac_unit:")):
            go.button(view, icon, "labels", key=f"labels_to_{view}", project=project.id, view=view.lower(), labeller=labeller)


def vote(home: Home, project_id: int, token: str, choice: str) -> None:
    """Store what the form says, unless the pair has only just been shown."""
    held = st.session_state
    shown = held.get("labels_shown")
    if shown is None or shown[0] != token or time.monotonic() - shown[1] < desk.SOONEST:
        return
    try:
        stored = desk.vote(home, token, _given(home, project_id, token, choice))
        if desk.as_shown(stored) != choice or stored.undone_at is not None:  # another tab was first
            messages.done(
                f"This pair had a vote of yours already: {CHOICES[desk.as_shown(stored)][0].lower()}.", ":material/info:"
            )
    except TemperError as problem:
        messages.keep(problem, "labels")


def _given(home: Home, project_id: int, token: str, choice: str) -> Given:
    """What the form says. BadInput where another answer was edited than is chosen."""
    held, project = st.session_state, projects.find(home, f"#{project_id}")
    edited = held.get("labels_edit")
    text = None
    if edited is not None and edited[0] == token:
        text = str(held.get(f"edited_{edited[1]}_{token}") or "")
        if choice != edited[1]:
            raise BadInput(
                f"You have edited the {edited[1]} answer, and chosen {CHOICES[choice][0].lower()}. Nothing was stored: choose "
                f"{edited[1]}, or stop editing."
            )
    criteria = {
        name: said
        for i, name in enumerate(projects.settings(project).criteria)
        if (said := held.get(f"criterion_{i}_{token}")) is not None
    }
    return Given(choice, held.get(f"strength_{token}"), criteria, str(held.get(f"reason_{token}") or ""), text)


def undo(home: Home, project: Project, labeller: str) -> None:
    """Take the last vote back; a second click right after is a double one."""
    held, now = st.session_state, time.monotonic()
    if now - held.get("labels_undone", -math.inf) < desk.SOONEST:
        return
    held["labels_undone"] = now
    try:
        desk.undo(home, project, labeller)
    except TemperError as problem:
        messages.keep(problem, "labels")


def edit(token: str, side: str | None) -> None:
    """Correct an answer of this pair, or no longer."""
    st.session_state["labels_edit"] = (token, side) if side else None

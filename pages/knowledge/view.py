"""Draws one index: what it is, what the last update changed, its documents and versions, and the way to take them out."""

from functools import partial

import polars as pl
import streamlit as st

from engine.jobs import indexing
from engine.retrieval import indexes
from pages.knowledge import bring, choose
from pages.parts import confirm, inert, messages, queue, words
from storage import deployments, passages
from storage.home import Home
from storage.records import Index

HASH = st.column_config.TextColumn("sha256", width="small")


def heading(home: Home, index: Index) -> None:
    """Draw name, figures and how it cuts and embeds."""
    st.subheader(inert.plain(index.name), anchor=False)
    settings = index.settings
    facts = [
        f"passages of at most {words.count(settings['passage_tokens'])} tokens, up to {settings['overlap']} of them shared with the one before",
        f"embedder {inert.plain(settings['embedder'])}",
    ]
    facts += [f"reranker {inert.plain(settings['reranker'])}"] if settings.get("reranker") else []
    if index.version:
        facts.append(f"changed {words.ago(index.changed_at)}")
    st.caption("  ·  ".join(facts))
    if not index.version:
        st.caption(":material/info: It holds nothing yet.")
        return
    with st.grid(4, min_column_width=130, gap="small"):
        st.metric("Documents", words.count(index.documents), border=True)
        st.metric("Passages", words.count(index.passages), border=True)
        st.metric("Version", str(index.version), border=True)
        st.metric("On disk", words.size(passages.size(home, index)), border=True)


def changed(home: Home, index: Index) -> None:
    """Draw what the last update did."""
    told = next((run.summary for run in bring.of_index(home, index) if run.status == "succeeded" and run.summary), None)
    if told is None:
        return
    counted = ", ".join(f"{words.count(told[name])} {said}" for name, said in (
        ("added", "added"), ("changed", "changed"), ("removed", "taken out"), ("same", "as before"),
    ))  # fmt: skip
    embedded = f"{words.plural(told['passages_embedded'], 'passage')} embedded"
    st.caption(f":material/history: Last update, version {told['version']}: {counted}; {embedded}.")
    unread = told.get("unread") or ()
    if unread:
        with st.expander(f"{words.plural(len(unread), 'document')} could not be read", icon=":material/warning:"):
            st.dataframe(
                {"Document": [one["name"] for one in unread], "Why": [one["reason"] for one in unread]}, hide_index=True,
                alt="Documents that could not be read", column_config={"Why": st.column_config.TextColumn(width="large")},
            )  # fmt: skip


def documents(home: Home, index: Index) -> None:
    """Draw the documents; those that are chosen can be taken out."""
    st.subheader("Documents")
    held = indexes.held(home, index)
    frame = pl.DataFrame(
        {"Document": [one.name for one in held], "Passages": [one.passages for one in held], "sha256": [one.sha256[:12] for one in held]},
        schema={"Document": pl.String, "Passages": pl.Int64, "sha256": pl.String},
    )  # fmt: skip
    state = st.dataframe(
        frame, hide_index=True, on_select="rerun", selection_mode="multi-row", key=f"knowledge_documents_{index.id}_{index.version}",
        height=min(420, 38 + 35 * max(1, len(held))), alt="Documents of the index",
        column_config={"Document": st.column_config.TextColumn(width="large"), "sha256": HASH},
    )  # fmt: skip
    chosen = [held[row].name for row in state["selection"]["rows"] if row < len(held)]
    messages.kept("knowledge_remove")
    if chosen:
        st.button(
            f"Take {words.plural(len(chosen), 'document')} out", icon=":material/playlist_remove:", key="knowledge_remove",
            on_click=remove, args=(home, index, chosen), help="The next version is without them; earlier versions keep them",
        )  # fmt: skip
    else:
        st.caption("Choose rows to take documents out.")


def remove(home: Home, index: Index, names: list[str]) -> None:
    """As a callback: queue taking documents out."""
    verb = partial(indexing.update, home, index=f"#{index.id}", remove=names)
    queue.put(home, "knowledge_remove", verb, f"remove {index.id} {hash(tuple(names))}")


def versions(home: Home, index: Index) -> None:
    """Draw the versions, each of which can still be searched and deployed."""
    with st.expander(f"Versions ({index.version})", icon=":material/history:", key="knowledge_versions"):
        with indexes.whole(home, index):
            found = [one for one in passages.versions(home, index) if one.number <= index.version]
        st.dataframe(
            {
                "Version": [one.number for one in reversed(found)],
                "Documents": [one.documents for one in reversed(found)],
                "Passages": [one.passages for one in reversed(found)],
                "sha256": [one.sha256[:12] for one in reversed(found)],
            },
            hide_index=True, alt="Versions, newest first", column_config={"sha256": HASH},
        )  # fmt: skip
        st.caption("Bake-offs and deployments hold a version, and search it exactly as it was.")


def delete(home: Home, index: Index) -> None:
    """Delete the index, after what goes was said; refused while a deployment rests on it."""
    resting = list(dict.fromkeys(one.title for one in deployments.resting(home, index=index.id)))
    if st.button("Delete", icon=":material/delete:", key="knowledge_delete", disabled=bool(resting)):
        lines = [
            f"**{inert.plain(index.name)}** goes with {words.plural(index.documents, 'document')} and all its versions. "
            "The files that it was made of stay."
        ]
        confirm.confirm(
            "Delete this index?", lines, "Delete", partial(gone, home, index), said=f"{inert.plain(index.name)} is deleted."
        )
    if resting:
        st.caption(f"Cannot be deleted: {inert.plain(', '.join(resting), 300)} {'rests' if len(resting) == 1 else 'rest'} on it.")


def gone(home: Home, index: Index) -> None:
    """Delete the index, and look at none."""
    indexes.delete(home, index)
    st.query_params.pop(choose.ADDRESS, None)
    st.session_state.pop(choose.CHOSEN, None)

"""The verbs on indexes: create, find, update by content, take out, delete, verify.

An update cuts and embeds only what is new, stages it, and makes a version of it at the end, in one transaction. What a stop or
a kill leaves staged is taken up by the next update of the same documents.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy

from engine import names
from engine.data import curate
from engine.errors import BadInput, Damaged, NotFound, TryLater, UnreadableFile, WrongShape
from engine.methods.method import parse_settings, setting
from engine.retrieval import documents, embedding
from engine.retrieval.documents import Document, Unread
from engine.retrieval.passages import cut
from storage import deployments, indexes, passages, publishing
from storage.db import sqlite3
from storage.home import Home
from storage.publishing import Cut
from storage.records import Dataset, Index

AT_ONCE = 256  # passages that are embedded between two signs of life
MARKS = 2  # tokens that an embedder puts around a text


@dataclass(frozen=True)
class Settings:
    """What is decided when an index is made, and holds for all its versions."""

    passage_tokens: int = setting(128, "Most tokens of a passage, by the embedder's tokenizer", low=16, high=8192)
    overlap: int = setting(
        24, "Most tokens that a passage repeats of the one before it; less than half of a passage", low=0, high=4095
    )
    embedder: str = setting(
        embedding.BUILT_IN, "What makes vectors: built-in, a folder, or a hub id of a sentence-transformers model"
    )
    reranker: str = setting("", "A cross-encoder that orders what was found anew: a folder or a hub id; none when empty")


@dataclass(frozen=True)
class Changed:
    """What an update did, counted in documents. ``unread`` could not be read, and stay as they were."""

    version: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    same: int = 0
    passages_embedded: int = 0
    unread: tuple[Unread, ...] = ()
    stopped: bool = False


@contextmanager
def whole(home: Home, index: Index) -> Iterator[None]:
    """Damaged where the file of an index is gone or broken."""
    try:
        yield
    except passages.Gone:
        raise Damaged(
            f"The passages of {index.name} are gone ({passages.path(home, index)}). Delete the index and add its documents again."
        ) from None
    except sqlite3.DatabaseError as problem:
        if isinstance(problem, sqlite3.OperationalError):
            raise  # a full disk, or somebody who holds it for too long
        raise Damaged(
            f"The passages of {index.name} are damaged ({problem}). Delete the index and add its documents again."
        ) from problem


def create(home: Home, name: str, *, settings: Mapping[str, Any] | None = None) -> Index:
    """An index that holds nothing yet. BadInput where the name is taken or a setting does not fit."""
    name = names.check(name, "an index")
    chosen: Settings = parse_settings(Settings, settings or {})
    if 2 * chosen.overlap >= chosen.passage_tokens:
        raise BadInput(f"overlap must be less than half of passage_tokens, {chosen.passage_tokens}, and is {chosen.overlap}.")
    place = embedding.folder(home, chosen.embedder)
    stored = asdict(chosen) | {"fingerprint": embedding.fingerprint(place)}
    if chosen.embedder != embedding.BUILT_IN or chosen.passage_tokens > 200:
        most = embedding.longest(place) - MARKS
        if chosen.passage_tokens > most:
            raise BadInput(
                f"The embedder {chosen.embedder} takes in {most} tokens, fewer than passage_tokens, {chosen.passage_tokens}."
            )
    if chosen.reranker:
        stored["reranker_fingerprint"] = embedding.fingerprint(embedding.folder(home, chosen.reranker))
    made = indexes.insert(home, name, stored)
    if made is None:
        raise BadInput(f"There is an index {name} already. Choose another name, or add documents to that one.")
    return made


def find(home: Home, reference: str) -> Index:
    """The index that a name or ``#id`` means; NotFound says which there are."""
    found = indexes.find(home, reference)
    if found is None:
        there = ", ".join(index.name for index in indexes.all(home)) or "none yet"
        raise NotFound(f"There is no index {reference}. There is: {there}.")
    return found


def all(home: Home) -> list[Index]:
    """Every index, newest first."""
    return indexes.all(home)


def at(home: Home, index: Index, version: int) -> Index:
    """The index as it stood at one of its versions, with that version's counts and hash. BadInput where there is no such version."""
    if version == index.version:
        return index
    with whole(home, index):
        for one in passages.versions(home, index):
            if one.number == version and version < index.version:
                return Index(
                    **{
                        **asdict(index),
                        "version": version,
                        "documents": one.documents,
                        "passages": one.passages,
                        "sha256": one.sha256,
                    }
                )
    raise BadInput(
        f"{index.name} has the versions 1 to {index.version}, and {version} is none of them."
        if index.version
        else EMPTY.format(index.name)
    )


EMPTY = "The index {} holds nothing yet. Add documents to it first."


def held(home: Home, index: Index) -> list[passages.Stored]:
    """The documents of a version, by name, each with its number of passages."""
    with whole(home, index):
        return passages.documents(home, index, index.version)


def place_of(home: Home, index: Index, role: str = "embedder") -> Path:
    """Where the embedder or reranker of an index lies. BadInput where it is no longer the one that the index was made with."""
    place = embedding.folder(home, index.settings[role])
    wanted = index.settings["fingerprint" if role == "embedder" else "reranker_fingerprint"]
    if embedding.fingerprint(place) != wanted:
        raise BadInput(
            f"The {role} {index.settings[role]} is not the one that {index.name} was made with: its files have changed. "
            "Put them back, or make the index anew."
        )
    return place


Progress = Callable[[float, int], None]  # documents that are done, the one at work by its share, and of how many
Stop = Callable[[], bool]


def update(
    home: Home,
    index: Index,
    paths_or_documents: Iterable[Path | str | Document],
    *,
    remove: Sequence[str] = (),
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Changed:
    """Take in files, folders and documents whose content is new, and leave out those named in ``remove``: the next version.

    Where nothing is new there is no new version. A stop leaves the index as it was; the next update takes up what was done.
    NotFound for what is not there, UnreadableFile where not one of the documents could be read, TryLater while another update
    of the same index is at work.
    """
    given = list(paths_or_documents)
    texts = {one.name: one for one in given if isinstance(one, Document)}
    found = documents.found(one for one in given if not isinstance(one, Document))
    if twice := texts.keys() & found.keys():
        raise BadInput(f"Two documents would be called {sorted(twice)[0]}. Rename one.")
    if len(texts) + sum(not isinstance(one, Document) for one in given) < len(given):
        raise BadInput("Two of the documents have the same name, and one would take the other's place. Rename one.")
    with home.locked(f"index-{index.id}", wait=False) as alone, whole(home, index):
        if not alone:
            raise TryLater(f"Another update of {index.name} is at work. Try again when it has ended.")
        return _Update(home, _caught_up(home, index), progress or _silent, stop or bool).run(texts, found, remove)


def _silent(done: float, total: int) -> None:
    """Says nothing of how far it is."""


def _caught_up(home: Home, index: Index) -> Index:
    """The index with the newest version that lies in its file: a kill can fall between the file and the row."""
    index = find(home, f"#{index.id}")
    there = passages.versions(home, index)
    if there and there[-1].number > index.version:
        newest = there[-1]
        return indexes.publish(home, index.id, newest.number, newest.documents, newest.passages, newest.sha256)
    return index


@dataclass
class _Update:
    """One update on its way."""

    home: Home
    index: Index
    progress: Progress
    stop: Stop
    embedded: int = 0
    unread: list[Unread] = field(default_factory=list)

    def run(self, texts: Mapping[str, Document], found: Mapping[str, Path], remove: Sequence[str]) -> Changed:
        home, index = self.home, self.index
        there = {one.name: one.sha256 for one in passages.documents(home, index, index.version)}
        leaving = [name for name in dict.fromkeys(remove) if name not in texts and name not in found]
        if missing := [name for name in leaving if name not in there]:
            raise NotFound(f"There is no document {missing[0]} in {index.name}. `index show {index.name}` lists them.")
        fresh = {name: one for name, one in texts.items() if there.get(name) != one.sha256}
        files = {name: file for name, file in found.items() if name not in there or documents.fingerprint(file) != there[name]}
        same = len(texts) + len(found) - len(fresh) - len(files)
        done = self._stage(fresh, files)
        if done is None:
            return Changed(index.version, passages_embedded=self.embedded, same=same, unread=tuple(self.unread), stopped=True)
        if self.unread and not done and not leaving and not same:
            raise UnreadableFile(self.unread[0].reason)
        if done or leaving:
            made = publishing.publish(home, index, done, leaving)
            index = indexes.publish(home, index.id, made.number, made.documents, made.passages, made.sha256)
        changed = sum(name in there for name in done)
        return Changed(index.version, len(done) - changed, changed, len(leaving), same, self.embedded, tuple(self.unread))

    def _stage(self, texts: Mapping[str, Document], files: Mapping[str, Path]) -> list[str] | None:
        """Stage what is new; the names of it, or None where it was stopped."""
        total, settings = len(texts) + len(files), self.index.settings
        done: list[str] = []
        held: list[Cut] = []
        if not total:
            return done
        waiting = publishing.staged(self.home, self.index)
        place = place_of(self.home, self.index)
        count = embedding.counter(place)
        for number, one in enumerate(self._read(texts, files, waiting), start=1):
            if self.stop():
                return None
            if isinstance(one, Unread):
                self.unread.append(one)
                continue
            done.append(one.name)
            if waiting.get(one.name) != one.sha256:
                pieces = cut(one.sections, settings["passage_tokens"], settings["overlap"], count)
                held.append(Cut(one.name, one.sha256, pieces))
            if number == total or sum(len(each.pieces) for each in held) >= AT_ONCE:
                if not self._embed(place, held, lambda share, number=number: self.progress(number - 1 + share, total)):
                    return None
                held = []
        if held and not self._embed(place, held, lambda share: None):
            return None
        self.progress(total, total)
        return done

    def _read(
        self, texts: Mapping[str, Document], files: Mapping[str, Path], waiting: Mapping[str, str]
    ) -> Iterator[Document | Unread]:
        """The documents one after another; what is staged already is not read again."""
        for name in [name for name in files if name in waiting and documents.fingerprint(files[name]) == waiting[name]]:
            yield Document(name, waiting[name], ())
            files = {other: file for other, file in files.items() if other != name}
        yield from texts.values()
        yield from documents.read(files)

    def _embed(self, place: Path, documents: Sequence[Cut], share: Callable[[float], None]) -> bool:
        """Give every text that has none its vector, and stage the documents; False where it was stopped."""
        wanted = publishing.without_vector(self.home, self.index, [piece for one in documents for piece in one.pieces])
        wanted.sort(key=lambda piece: len(piece.written))
        for begin in range(0, len(wanted), AT_ONCE):
            if begin and self.stop():
                return False
            part = wanted[begin : begin + AT_ONCE]
            made = embedding.embed(place, [piece.written for piece in part]).astype(numpy.float16)
            exact = {piece.digest: row.tobytes() for piece, row in zip(part, made, strict=True)}
            publishing.keep_vectors(self.home, self.index, exact)
            self.embedded += len(part)
            share(min(1.0, (begin + len(part)) / len(wanted)))
        publishing.stage(self.home, self.index, documents)
        return True


def update_from_dataset(
    home: Home,
    index: Index,
    dataset: Dataset,
    column: str | None = None,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Changed:
    """Take in the rows of a text data set as documents named ``DATASET#ROW``; rows that it no longer has are left out.

    WrongShape for any other shape: what was asked and answered is no document.
    """
    if dataset.shape != "text" or column not in (None, "text"):
        raise WrongShape(
            f"An index takes the column text of a data set of the shape text, and {dataset.title} holds {dataset.shape}."
        )
    rows = [
        documents.of_text(f"{dataset.name}#{number}", row["text"])
        for number, row in enumerate(curate.every(home, dataset), start=1)
    ]
    there = {one.name for one in held(home, _latest(home, index)) if one.name.startswith(f"{dataset.name}#")}
    return update(home, index, rows, remove=sorted(there - {row.name for row in rows}), progress=progress, stop=stop)


def _latest(home: Home, index: Index) -> Index:
    return find(home, f"#{index.id}")


def remove(home: Home, index: Index, documents: Sequence[str]) -> Changed:
    """The next version, without these documents. NotFound for one that is not there."""
    return update(home, index, [], remove=documents)


def delete(home: Home, index: Index) -> None:
    """Delete an index with all its versions. BadInput while a deployment rests on it."""
    if not indexes.delete(home, index.id):
        resting = ", ".join(one.title for one in deployments.resting(home, index=index.id))
        raise BadInput(f"{index.name} cannot be deleted: {resting} looks passages up in it. Delete that first.")
    passages.delete(home, index)


def verify(home: Home, index: Index) -> None:
    """Damaged unless every passage of the newest version is as it was stored, with its words and its vector."""
    with whole(home, index):
        told = publishing.faults(home, index)
    if told:
        raise Damaged(
            f"{index.name} is no longer as it was stored: {told[0]}"
            + (f", and {len(told) - 1} more" if len(told) > 1 else "")
            + ". Delete the index and add its documents again."
        )

"""``index create | add | remove | list | show | search | measure | delete``: documents that answers are looked up in."""

import argparse
import shlex
from collections.abc import Callable

from engine.commands import output, runs
from engine.data import curate
from engine.errors import BadInput
from engine.retrieval import indexes, search
from engine.retrieval import measure as measuring
from storage import passages
from storage.home import Home
from storage.records import Interval

SHOWN = 300  # characters of a passage
Adder = Callable[..., argparse.ArgumentParser]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("index", help="documents that answers are looked up in").add_subparsers(
        required=True, metavar="WHAT"
    )

    def named(word: str, help: str, command: Callable[[Home, argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = group.add_parser(word, parents=[common], help=help)
        made.add_argument("name", help="name or #id of an index")
        made.set_defaults(command=command)
        return made

    create = named("create", "make an index that holds nothing yet", _create)
    create.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="passage_tokens, overlap, embedder or reranker"
    )
    add = named("add", "take in files and folders, or the rows of a text data set; only what is new is embedded", _add)
    add.add_argument("files", nargs="*", metavar="FILE_OR_FOLDER", help="text, Markdown, HTML or PDF")
    add.add_argument("--data", help="a data set of the shape text: each row is a document")
    remove = named("remove", "leave documents out of the next version", _remove)
    remove.add_argument("documents", nargs="+", metavar="DOCUMENT")
    listed = group.add_parser("list", parents=[common], help="every index")
    listed.set_defaults(command=_list)
    named("show", "its settings, versions and documents, after every byte was checked", _show)
    _declare_questions(named)
    named("delete", "delete an index with all its versions", _delete)


def _declare_questions(named: Adder) -> None:
    look = named("search", "the passages that fit a question best", _search)
    look.add_argument("query")
    measure = named("measure", "how well questions whose answer is known find it", _measure)
    measure.add_argument("--data", required=True, help="questions with checks, or with a column documents")
    measure.add_argument("--limit", type=int, help="so many of them, a fixed random choice")
    for each in (look, measure):
        each.add_argument("--k", type=int, default=4, help="passages to find, 4 by default")
        each.add_argument("--by", choices=search.WAYS, default="both", help="both by default")
        each.add_argument("--version", type=int, help="an older version of the index")


def _create(home: Home, given: argparse.Namespace) -> int:
    made = indexes.create(home, given.name, settings=runs.pairs("--set", given.set))
    if given.json:
        output.as_json(made)
    else:
        print(f"{made.name} is there, #{made.id}. `index add {shlex.quote(made.name)} FOLDER` takes documents in.")
    return 0


def _progress(given: argparse.Namespace) -> Callable[[float, int], None] | None:
    """A line for each tenth of the way."""
    told = -1

    def say(done: float, total: int) -> None:
        nonlocal told
        if (tenth := int(10 * done / max(total, 1))) > told:
            told = tenth
            output.note(f"{int(done)} of {total} documents")

    return None if given.json else say


def _add(home: Home, given: argparse.Namespace) -> int:
    if bool(given.files) == bool(given.data):
        raise BadInput("Name files and folders, or a data set with --data.")
    index = indexes.find(home, given.name)
    if given.data:
        made = indexes.update_from_dataset(home, index, curate.find(home, given.data), progress=_progress(given))
    else:
        made = indexes.update(home, index, given.files, progress=_progress(given))
    return _tell(home, index.id, made, given)


def _remove(home: Home, given: argparse.Namespace) -> int:
    index = indexes.find(home, given.name)
    return _tell(home, index.id, indexes.remove(home, index, given.documents), given)


def _tell(home: Home, number: int, made: indexes.Changed, given: argparse.Namespace) -> int:
    if given.json:
        output.as_json(made)
        return 0
    index = indexes.find(home, f"#{number}")
    print(
        f"{index.title}: {index.documents} documents in {index.passages} passages; {made.added} added, {made.changed} changed, "
        f"{made.removed} removed, {made.same} the same; {made.passages_embedded} passages embedded"
    )
    for one in made.unread:
        print(f"  not read: {one.name}: {one.reason}")
    return 0


def _list(home: Home, given: argparse.Namespace) -> int:
    found = indexes.all(home)
    if given.json:
        output.as_json(found)
    else:
        rows = [(f"#{i.id}", i.title, i.documents, i.passages, i.settings["embedder"], i.changed_at[:16]) for i in found]
        output.table(rows, ("id", "index", "documents", "passages", "embedder", "changed"))
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    index = indexes.find(home, given.name)
    indexes.verify(home, index)
    held, size = indexes.held(home, index), passages.size(home, index)
    if given.json:
        output.as_json({"index": index, "bytes": size, "versions": passages.versions(home, index), "documents": held})
        return 0
    print(f"{index.title}, #{index.id}, {size / 1e6:.1f} MB, {index.sha256[:12]}, whole")
    for key, value in index.settings.items():
        print(f"  {key} {value if value != '' else 'none'}")
    output.table([(one.name, one.passages, one.sha256[:12]) for one in held], ("document", "passages", "content"))
    return 0


def _search(home: Home, given: argparse.Namespace) -> int:
    index = indexes.find(home, given.name)
    hits = search.search(home, index, [given.query], given.k, version=given.version, by=given.by)[0]
    if given.json:
        output.as_json([output.plain(hit) for hit in hits])
        return 0
    for place, hit in enumerate(hits, 1):
        heading = f", {hit.passage.heading}" if hit.passage.heading else ""
        ranks = f"words {hit.words_rank or '-'}, meaning {hit.meaning_rank or '-'}"
        print(f"{place}. {hit.passage.document}{heading}  ({hit.score:.4f}; {ranks})")
        text = " ".join(hit.passage.text.split())
        print(f"   {text[:SHOWN]}{'…' if len(text) > SHOWN else ''}")
    if not hits:
        print("Nothing was found.")
    return 0


def _measure(home: Home, given: argparse.Namespace) -> int:
    index, dataset = indexes.find(home, given.name), curate.find(home, given.data)
    made = measuring.measure(home, index, dataset, given.k, by=given.by, version=given.version, limit=given.limit)
    if given.json:
        output.as_json(made)
        return 0
    print(f"{index.name}@{made.version}, found by {made.by}, {made.recall.n} questions of {dataset.title}:")
    print(f"  recall in the first {made.k}  {_interval(made.recall)}")
    print(f"  mean reciprocal rank  {_interval(made.reciprocal_rank)}")
    if made.left_out:
        print(f"  {made.left_out} rows do not tell what is to be found, and were left out")
    return 0


def _interval(score: Interval) -> str:
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


def _delete(home: Home, given: argparse.Namespace) -> int:
    index = indexes.find(home, given.name)
    indexes.delete(home, index)
    if given.json:
        output.as_json({"deleted": index.name})
    else:
        print(f"{index.name} is deleted.")
    return 0

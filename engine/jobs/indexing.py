"""The verb that queues bringing documents into an index, and what a worker does for it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.data import curate
from engine.errors import BadInput, UnreadableFile, WrongShape
from engine.methods.method import Reporter
from engine.retrieval import indexes
from storage import datasets, files, runs
from storage.home import Home
from storage.records import Run


def update(
    home: Home,
    *,
    index: str,
    paths: Sequence[str] = (),
    dataset: str | None = None,
    remove: Sequence[str] = (),
    token: str | None = None,
) -> Run:
    """Queue a change of an index: files and folders that come in (or in anew), a ``text`` data set whose rows do, documents that go.

    UnreadableFile where a path is not there, WrongShape for a data set of another shape; nothing is stored then.
    """
    found, data = indexes.find(home, index), curate.find(home, dataset) if dataset else None
    if data is not None and data.shape != "text":
        raise WrongShape(f"An index takes data of the shape text, but {data.title} holds {data.shape}. Choose another data set.")
    whole = [str(files.place(path).resolve()) for path in paths]
    for path in whole:
        if not Path(path).exists():
            raise UnreadableFile(f"{path} is not there. Name a file or a folder of this machine.")
    if not whole and data is None and not remove:
        raise BadInput("There is nothing to change: name files, a folder or a data set to bring in, or documents to take out.")
    request = {"index_id": found.id, "paths": whole, "dataset_id": data.id if data else None, "remove": list(remove)}
    return runs.insert(home, kind="index", name=f"documents for {found.name}", request=request, token=token)


def work(home: Home, run: Run, reporter: Reporter) -> dict[str, Any] | None:
    """Change the index as it was asked for; what changed, or None when stopped."""
    request = run.request
    index = indexes.find(home, f"#{request['index_id']}")

    def progress(done: float, total: int) -> None:
        reporter.phase("reading and embedding", done / max(total, 1))

    if request["dataset_id"]:
        data = datasets.get(home, request["dataset_id"])
        if data is None:
            raise BadInput(f"The data set #{request['dataset_id']} is no longer there.")
        changed = indexes.update_from_dataset(home, index, data, progress=progress, stop=reporter.stop_requested)
    else:
        paths = [Path(path) for path in request["paths"]]
        changed = indexes.update(home, index, paths, remove=request["remove"], progress=progress, stop=reporter.stop_requested)
    return None if changed.stopped else {"index": index.name, **asdict(changed)}

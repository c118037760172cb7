"""A data set as one model's tokens: how long the rows are, what would be cut, and which tokens carry loss."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from engine.data import tokens
from engine.errors import BadInput, Damaged, NotFound, WrongShape
from engine.generation import fingerprint as prints
from engine.generation.answers import Histogram, Preview
from engine.generation.weights import Voice, warm
from engine.methods import loading
from storage import datasets
from storage.home import Home
from storage.records import Dataset

MOST_ROWS = 20_000
BINS = 40
KEPT = 32  # previews in memory


@dataclass(frozen=True)
class Counted:
    """The part of a preview that costs time: the lengths of the rows that were read, and the first row."""

    lengths: Sequence[int]
    first: tuple[tokens.Encoded, ...]  # both sides of a pair
    tokenizer: Any
    template: str


class Previews:
    """Previews, each pair of model and data set counted once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._kept: OrderedDict[tuple[Any, ...], Counted] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, model: str, dataset_id: int, max_length: int) -> Preview:
        """The preview of a data set under a model's tokenizer. A pair is as long as the longer of its two sides."""
        if max_length < 1:
            raise BadInput(f"max_length takes a whole number of at least 1, not {max_length}.")
        dataset = datasets.get(self._home, dataset_id)
        if dataset is None:
            raise NotFound(f"There is no data set #{dataset_id}. Choose one from the list.")
        voice = Voice.find(self._home, model)
        key = (voice.model.id, voice.model.path, dataset.id, dataset.sha256)
        with self._lock:
            counted = self._kept.pop(key, None) or count(self._home, voice, dataset)
            self._kept[key] = counted
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return _preview(counted, dataset, max_length)


def count(home: Home, voice: Voice, dataset: Dataset) -> Counted:
    """Tokenise the rows, or MOST_ROWS of them spread evenly."""
    base = Path(voice.base.path)
    folder = prints.tokenizer_folder(base, voice.adapter)
    if not folder.is_dir():
        raise NotFound(f"The tokenizer of {voice.model.name} is gone from {folder}. Put the folder back.")
    warm()
    tokenizer = loading.load_tokenizer(folder)
    lengths: list[int] = []
    first: tuple[tokens.Encoded, ...] = ()
    stop = tokens.stop_text(tokenizer) if dataset.shape not in ("text", "prompt") else ""
    for number, row in _rows(home, dataset):
        try:
            encoded = tokens.encode_sides(tokenizer, row, dataset.shape, stop)
        except WrongShape as problem:
            raise WrongShape(f"Row {number + 1} of {dataset.title}: {problem}") from problem
        first = first or encoded
        lengths.append(max(len(side.input_ids) for side in encoded))
    if not first:
        raise Damaged(f"{dataset.title} holds no rows. Add the data set again.")
    return Counted(lengths, first, tokenizer, prints.template_of(base, voice.adapter).source)


def _rows(home: Home, dataset: Dataset) -> Any:
    import polars

    path = datasets.path(home, dataset.sha256)
    if not path.exists():
        raise Damaged(f"The rows of {dataset.title} are gone from {path}. Add the data set again.")
    frame = polars.scan_parquet(path)
    if dataset.rows > MOST_ROWS:
        places = polars.Series([i * dataset.rows // MOST_ROWS for i in range(MOST_ROWS)], dtype=polars.UInt32)
        frame = frame.with_row_index("__place").filter(polars.col("__place").is_in(places.implode())).drop("__place")
        return zip(places.to_list(), frame.collect().iter_rows(named=True), strict=True)
    return enumerate(frame.collect().iter_rows(named=True))


def _preview(counted: Counted, dataset: Dataset, max_length: int) -> Preview:
    lengths, read = counted.lengths, len(counted.lengths)
    # documents are joined and cut into blocks, so that nothing of them is lost
    cut = 0 if dataset.shape == "text" else sum(length > max_length for length in lengths)
    return Preview(
        lengths=histogram(lengths),
        cut=round(cut * dataset.rows / read),
        rows=dataset.rows,
        sampled=read,
        total_tokens=round(sum(lengths) * dataset.rows / read),
        longest=max(lengths),
        examples=[_example(counted.tokenizer, side, max_length) for side in counted.first],
        template=counted.template,
    )


def histogram(lengths: Sequence[int]) -> Histogram:
    """Lengths in at most BINS bins of the same width from 0 to beyond the longest."""
    width = max(lengths) // BINS + 1
    counts = [0] * (max(lengths) // width + 1)
    for length in lengths:
        counts[length // width] += 1
    return Histogram(tuple(i * width for i in range(len(counts) + 1)), tuple(counts))


def _example(tokenizer: Any, side: tokens.Encoded, max_length: int) -> list[tuple[str, bool]]:
    ids, labels = side.input_ids[:max_length], side.labels[:max_length]
    runs = groupby(zip(ids, labels, strict=True), key=lambda pair: pair[1] != tokens.IGNORED)
    return [(tokenizer.decode([token for token, _ in run]), has_loss) for has_loss, run in runs]

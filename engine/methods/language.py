"""What pre-training and SFT have in common: rows become tokens, a trainer runs over them, the weights are saved."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data import tokens
from engine.data.shapes import restored
from engine.errors import BadInput
from engine.generation import batch, likelihood
from engine.methods import arguments, attention, batching, loading, running
from engine.methods.method import Trained, Training
from engine.methods.running import SAMPLES, Prompt

PACKING = "bfd_split"  # what is longer than a block goes on in the next one
MOST_OLD = 200  # blocks on which forgetting is measured
LOOKED_AT = 100  # rows among which prompts that leave room are looked for


@dataclass(frozen=True)
class Material:
    """Tokenised rows (``input_ids``, ``labels``) to train on and to hold out, and what is asked at each evaluation."""

    train: Any
    held_out: Any | None
    tokenizer: Any
    lengths: Sequence[int]
    prompts: list[Prompt]
    old: Sequence[Any] = ()  # blocks held out of the data to replay, by which forgetting is measured
    passes: int = 1  # in ``train``, of the rows that are learnt from


def _column(lists: Sequence[Any]) -> Any:
    import numpy
    import pyarrow

    offsets = numpy.concatenate([[0], numpy.cumsum([len(r) for r in lists])]).astype(numpy.int64)
    values = numpy.concatenate([numpy.asarray(r, numpy.int32) for r in lists])
    return pyarrow.LargeListArray.from_arrays(pyarrow.array(offsets), pyarrow.array(values))


def arrow(rows: Sequence[Any], labels: Sequence[Any]) -> Any:
    """Lists of token ids as a datasets.Dataset, without a Python object per token."""
    import pyarrow
    from datasets import Dataset

    return Dataset(pyarrow.table({"input_ids": _column(rows), "labels": _column(labels)})) if rows else None


def blocks(training: Training) -> Material:
    """The documents of a ``text`` data set joined and cut into blocks of ``max_length``; the last, shorter one is kept.

    With a data set to replay, its blocks are mixed in until they are ``replay_share`` of all, and the share of it that is held
    out, at least one block, measures what is forgotten; a single block is replayed where any is, and the log says what that costs.
    """
    tokenizer, settings = loading.load_tokenizer(training.base), training.settings
    training.reporter.phase("tokenizing")
    rows, out, texts = _cut(training, tokenizer, training.data, "text")
    if not rows:
        raise BadInput("The data set holds no text to train on.")
    asked = [Prompt(text, tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts if text]
    if not settings.replay:
        return Material(arrow(rows, rows), arrow(out, out), tokenizer, [len(r) for r in rows], asked)
    again, old, _ = _cut(training, tokenizer, *training.library.data(settings.replay), MOST_OLD)
    if not old:
        training.reporter.log("The data to replay is a single block and none is held out, so what is forgotten is not measured.")
    order, turns = _mixed(training, len(rows), len(again))
    every = rows + again
    train = arrow(every, every).select(order)
    return Material(train, arrow(out, out), tokenizer, [len(every[i]) for i in order], asked, old, turns)


def _mixed(training: Training, rows: int, again: int) -> tuple[list[int], int]:
    """The places of all blocks that are read, those to replay behind the others, and how often the others are.

    Each pass has other blocks to replay as long as there are any.
    """
    settings = training.settings
    each = settings.replayed(rows) if again else 0
    turns = settings.steps * settings.batch_size / (rows + each) if settings.steps else settings.epochs
    turns = max(1, math.ceil(turns))
    wanted = each * turns
    training.reporter.log(
        f"Beside {rows} blocks, read {turns} times, {wanted} blocks are replayed"
        + (f", each of {again} about {wanted / again:.1f} times." if wanted > again else f" of {again}.")
    )
    return list(range(rows)) * turns + [rows + i % again for i in range(wanted)], turns


def _cut(
    training: Training, tokenizer: Any, data: Path, shape: str, most: int | None = None
) -> tuple[list[Any], list[Any], list[str]]:
    """Blocks to train on, blocks held out, and the beginnings of the first documents, which are held out.

    With ``most``, of the data to replay, at least one block is held out and at most so many.
    A conversation is a document in the marks of the chat template. The document on which the held-out blocks end goes on in those to train on.
    """
    import numpy
    import polars

    settings = training.settings
    frame = polars.read_parquet(data).sample(fraction=1, shuffle=True, seed=training.seed)
    texts = frame["text"].to_list() if shape == "text" else []
    ends, stop = [tokens.document_end(tokenizer)], tokens.stop_text(tokenizer) if shape != "text" else ""
    encoded = (
        tokens.encode_texts(tokenizer, texts)
        if texts
        else (tokens.encode_row(tokenizer, row, shape, stop).input_ids + ends for row in frame.iter_rows(named=True))
    )
    parts = [numpy.asarray(ids, numpy.int32) for ids in encoded]
    joined = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.int32)
    rows = [joined[i : i + settings.max_length] for i in range(0, len(joined), settings.max_length)]
    held = arguments.held_out(settings, len(rows))
    if most and (len(rows) > 1 or not settings.replay_share):
        held = max(1, held)
    return rows[held:], rows[:held][:most], [text[: len(text) // 2][:200] for text in texts[:SAMPLES]]


def conversations(training: Training) -> Material:
    """The rows of a ``messages`` or ``prompt_completion`` data set as tokens, loss on the answers, cut at ``max_length``."""
    import polars

    tokenizer = loading.load_tokenizer(training.base)
    frame = polars.read_parquet(training.data)
    order = polars.int_range(len(frame), eager=True).sample(fraction=1, shuffle=True, seed=training.seed).to_list()
    held = arguments.held_out(training.settings, len(frame))
    training.reporter.phase("tokenizing")
    limit, cut, lost = training.settings.max_length, 0, 0
    encoded: list[tokens.Encoded | None] = []
    stop = tokens.stop_text(tokenizer)
    for row in (frame.row(i, named=True) for i in order):
        whole = tokens.encode_row(tokenizer, row, training.shape, stop)
        cut += len(whole.input_ids) > limit
        short = tokens.Encoded(whole.input_ids[:limit], whole.labels[:limit])
        useful = any(label != tokens.IGNORED for label in short.labels[1:])
        lost += not useful
        encoded.append(short if useful else None)
    if cut:
        training.reporter.log(
            f"{cut} rows are longer than {limit} tokens and were cut; of {lost} rows no answer is left, they are not used."
        )
    out, rows = [e for e in encoded[:held] if e], [e for e in encoded[held:] if e]
    if not rows:
        raise BadInput(f"No row has an answer within {limit} tokens. Raise max_length.")
    useful = (frame.row(i, named=True) for i, row in zip(order, encoded, strict=True) if row)
    asked = _asked(training, tokenizer, useful)
    return Material(
        arrow([e.input_ids for e in rows], [e.labels for e in rows]),
        arrow([e.input_ids for e in out], [e.labels for e in out]),
        tokenizer, [len(e.input_ids) for e in rows], asked,
    )  # fmt: skip


def _asked(training: Training, tokenizer: Any, rows: Iterable[dict[str, Any]]) -> list[Prompt]:
    """The first prompts that leave room for an answer in the model's context; held-out rows come first."""
    return running.askable(training, (_prompt(tokenizer, row, training.shape) for row in itertools.islice(rows, LOOKED_AT)))


def _prompt(tokenizer: Any, row: dict[str, Any], shape: str) -> Prompt:
    """What comes before the last answer of a row."""
    turns = tokens.turns(restored(row, shape), shape)
    turns = turns[: max(i for i, turn in enumerate(turns) if turn["role"] == "assistant")]
    return Prompt(str(turns[-1]["content"]) if turns else "", batch.encode(tokenizer, turns))


def _way(training: Training, material: Material, config: Any, rows: int) -> batching.Batching:
    """The batching that was asked for, or the one that the lengths call for."""
    ragged = attention.can_be_ragged(config, max(material.lengths))
    asked = getattr(training.settings, "batching", "auto")
    if asked == "auto":
        return batching.choose(material.lengths, rows, ragged)
    if asked in ("padding_free", "packed") and not ragged:
        raise BadInput(
            f"Batching {asked} needs full causal attention, and this model's layers look through a window. Choose grouped."
        )
    return batching.Batching(asked, "as set", batching.padding_factor(material.lengths, rows))


def _compile(model: Any) -> None:
    """Compile each layer of the decoder, wherever its architecture keeps them."""
    import torch

    layers = next((m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) > 1), None)
    for layer in layers if layers is not None else ():
        layer.compile()


def train(
    training: Training, material: Material, fresh: bool = False, compile: bool = False,
    measured: Callable[[Any], Mapping[str, Any]] = lambda model: {},
) -> Trained:  # fmt: skip
    """Run the trainer over ``material`` and leave the adapter or the whole model in ``training.folder / "model"``; what ``measured``
    finds in the trained model is kept with it."""
    from trl import SFTConfig, pack_dataset

    from engine.methods.trainer import LanguageTrainer

    settings = training.settings
    training.reporter.phase("loading")
    way = _way(training, material, loading.load_config(training.base), settings.batch_size)
    training.reporter.log(f"batching: {way.way}, {way.reason}")
    rows, longest = len(material.train) // material.passes, max(material.lengths)
    if way.way == "packed":
        rows, longest = len(pack_dataset(material.train, settings.max_length, PACKING)), settings.max_length
    implementation = attention.register() if way.way in ("padding_free", "packed") else "sdpa"
    ready = running.ready(training, rows, longest, attention=implementation, fresh=fresh)
    if compile:
        _compile(ready.model)
    trainer = LanguageTrainer(
        model=ready.model,
        args=SFTConfig(
            **ready.arguments,
            max_length=settings.max_length if way.way == "packed" else None,
            packing=way.way == "packed",
            packing_strategy=PACKING,
            eval_packing=False,
            padding_free=way.way == "padding_free",
            train_sampling_strategy="group_by_length" if way.way == "grouped" else "random",
            neftune_noise_alpha=getattr(settings, "neftune", 0) or None,
        ),
        train_dataset=material.train,
        eval_dataset=material.held_out,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        **running.watched(training, material.prompts),
    )
    summary: dict[str, Any] = {"weights": ready.weights, "batching": way.way}
    if not material.old:
        return running.carry_out(training, trainer, summary, lambda: measured(trainer.model))
    summary["old_loss_before"] = likelihood.mean_loss(ready.model, material.old)
    training.reporter.metrics(0, {"old_loss": summary["old_loss_before"]})
    return running.carry_out(training, trainer, summary, lambda: _forgotten(training, trainer, material, summary))


def _forgotten(training: Training, trainer: Any, material: Material, summary: dict[str, Any]) -> dict[str, float]:
    """The loss on the old domain after training, and by how much it rose."""
    after = likelihood.mean_loss(trainer.model, material.old)
    training.reporter.metrics(trainer.state.global_step, {"old_loss": after})
    return {"old_loss_after": after, "forgotten": after - summary["old_loss_before"]}

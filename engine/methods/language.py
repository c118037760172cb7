"""What pre-training and SFT have in common: rows become tokens, a trainer runs over them, the weights are saved."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data import tokens
from engine.data.shapes import restored
from engine.errors import BadInput
from engine.generation import batch
from engine.methods import arguments, attention, batching, loading
from engine.methods.method import Trained, Training
from storage import files

SAMPLES = 3  # prompts that are answered at every evaluation
SAMPLE_TOKENS = 64  # most tokens of such an answer
PACKING = "bfd_split"  # what is longer than a block goes on in the next one
LOOKED_AT = 100  # rows among which prompts that leave room are looked for


@dataclass(frozen=True)
class Prompt:
    """What is asked at every evaluation: as it is shown, and as the tokens after which the model speaks."""

    shown: str
    ids: list[int]


@dataclass(frozen=True)
class Material:
    """Tokenised rows (``input_ids``, ``labels``) to train on and to hold out, and what is asked at each evaluation."""

    train: Any
    held_out: Any | None
    tokenizer: Any
    lengths: Sequence[int]
    prompts: list["Prompt"]


def _column(lists: Sequence[Any]) -> Any:
    import numpy
    import pyarrow

    offsets = numpy.concatenate([[0], numpy.cumsum([len(r) for r in lists])]).astype(numpy.int64)
    values = numpy.concatenate([numpy.asarray(r, numpy.int32) for r in lists])
    return pyarrow.LargeListArray.from_arrays(pyarrow.array(offsets), pyarrow.array(values))


def _arrow(rows: Sequence[Any], labels: Sequence[Any]) -> Any:
    """Lists of token ids as a datasets.Dataset, without a Python object per token."""
    import pyarrow
    from datasets import Dataset

    return Dataset(pyarrow.table({"input_ids": _column(rows), "labels": _column(labels)})) if rows else None


def blocks(training: Training) -> Material:
    """The documents of a ``text`` data set joined and cut into blocks of ``max_length``; the last, shorter one is kept."""
    import numpy
    import polars

    tokenizer = loading.load_tokenizer(training.base)
    texts = polars.read_parquet(training.data, columns=["text"])["text"].sample(fraction=1, shuffle=True, seed=training.seed)
    length = training.settings.max_length
    held = arguments.held_out(training.settings, len(texts))

    def cut(part: Any) -> list[Any]:
        parts = [numpy.asarray(ids, numpy.int32) for ids in tokens.encode_texts(tokenizer, part)]
        joined = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.int32)
        return [joined[i : i + length] for i in range(0, len(joined), length)]

    training.reporter.phase("tokenizing")
    rows, out = cut(texts[held:]), cut(texts[:held])
    if not rows:
        raise BadInput("The data set holds no text to train on.")
    beginnings = [text[: len(text) // 2][:200] for text in (texts[:held] if held else texts)[:SAMPLES].to_list()]
    asked = [Prompt(text, tokenizer(text, add_special_tokens=False)["input_ids"]) for text in beginnings if text]
    return Material(_arrow(rows, rows), _arrow(out, out), tokenizer, [len(r) for r in rows], asked)


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
        _arrow([e.input_ids for e in rows], [e.labels for e in rows]),
        _arrow([e.input_ids for e in out], [e.labels for e in out]),
        tokenizer, [len(e.input_ids) for e in rows], asked,
    )  # fmt: skip


def _asked(training: Training, tokenizer: Any, rows: Iterable[dict[str, Any]]) -> list[Prompt]:
    """The first prompts that leave room for an answer in the model's context; held-out rows come first."""
    context = loading.context_of(loading.load_config(training.base).to_dict()) or training.settings.max_length
    prompts = (_prompt(tokenizer, row, training.shape) for row in itertools.islice(rows, LOOKED_AT))
    return list(itertools.islice((p for p in prompts if len(p.ids) + SAMPLE_TOKENS <= context), SAMPLES))


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


def _trainable(training: Training, fresh: bool, implementation: str) -> tuple[Any, Any]:
    """The model to train and the LoRA configuration to wrap it with (None for full tuning or a continued adapter)."""
    from peft import LoraConfig, PeftModel

    settings = training.settings
    model = loading.load_model(training.base, "float32", fresh=fresh, attention=implementation, seed=training.seed)
    if settings.tuning == "full":
        if training.adapter:  # it froze what it rests on
            model = PeftModel.from_pretrained(model, str(training.adapter)).merge_and_unload().requires_grad_(True)
        return model, None
    if training.adapter:
        return PeftModel.from_pretrained(model, str(training.adapter), is_trainable=True), None
    return model, LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout,
        target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip


def _compile(model: Any) -> None:
    """Compile each layer of the decoder, wherever its architecture keeps them."""
    import torch

    layers = next((m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) > 1), None)
    for layer in layers if layers is not None else ():
        layer.compile()


def train(training: Training, material: Material, fresh: bool = False, compile: bool = False) -> Trained:
    """Run the trainer over ``material`` and leave the adapter or the whole model in ``training.folder / "model"``."""
    from trl import SFTConfig, pack_dataset

    from engine.methods.trainer import LanguageTrainer

    settings, reporter = training.settings, training.reporter
    here = loading.device()
    reporter.phase("loading")
    config = loading.load_config(training.base)
    way = _way(training, material, config, settings.batch_size)
    model, lora = _trainable(training, fresh, attention.register() if way.way in ("padding_free", "packed") else "sdpa")
    weights = sum(p.numel() for p in model.parameters())
    rows, longest = len(material.train), max(material.lengths)
    if way.way == "packed":
        rows, longest = len(pack_dataset(material.train, settings.max_length, PACKING)), settings.max_length
    chosen = arguments.plan(settings, rows, weights, training.dtype, settings.tuning, here, longest)
    reporter.log(f"device: {here.label}")
    reporter.log(f"batching: {way.way}, {way.reason}")
    for name, reason in chosen.reasons.items():
        reporter.log(f"{name}: {reason}")
    if compile:
        _compile(model)
    common = arguments.trainer_arguments(settings, chosen, training.folder / "trainer", training.seed, here.name == "cpu")
    trainer = LanguageTrainer(
        model=model,
        args=SFTConfig(
            **common,
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
        peft_config=lora,
        checkpoints=training.folder / "checkpoints",
        kept=settings.keep_checkpoints,
        reporter=reporter,
        prompts=material.prompts,
        tokens=SAMPLE_TOKENS,
    )
    reporter.metrics(0, {"planned_steps": chosen.steps})
    _run(training, trainer, speak_first=bool(settings.evaluations) and not fresh)
    summary = {"steps": trainer.state.global_step, "weights": weights, "stopped": trainer.watch.stopped, "batching": way.way}
    if trainer.watch.stopped:
        return Trained(training.folder, "adapter" if settings.tuning == "lora" else "model", summary)
    if material.held_out is not None:
        summary["held_out_loss"] = trainer.evaluate()["eval_loss"]
    reporter.phase("saving")
    return Trained(
        save(trainer.model, material.tokenizer, training), "adapter" if settings.tuning == "lora" else "model", summary
    )


def _run(training: Training, trainer: Any, speak_first: bool) -> None:
    """Train, from the checkpoint to resume from where there is one; else the model may answer once before it is trained."""
    resume = training.resume_from
    if resume:
        trainer.continue_from(resume)
    elif speak_first:
        training.reporter.phase("asking the untrained model")
        trainer.speak()
    training.reporter.phase("training")
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)


def save(model: Any, tokenizer: Any, training: Training) -> Path:
    """The trained weights, in the dtype of the base's files, as safetensors in a sealed folder."""
    import torch

    target, beside = training.folder / "model", training.folder / "model.writing"
    model.to(getattr(torch, loading.files_dtype(training.base))).save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    files.seal(beside)
    files.replace_folder(beside, target)
    return target

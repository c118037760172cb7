"""What pre-training and SFT have in common: rows become tokens, a trainer runs over them, the weights are saved."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data import tokens
from engine.errors import BadInput
from engine.methods import arguments, loading
from engine.methods.method import Trained, Training
from storage import files


@dataclass(frozen=True)
class Material:
    """Tokenised rows (``input_ids``, ``labels``) to train on and to hold out, and the tokenizer that made them."""

    train: Any
    held_out: Any | None
    tokenizer: Any
    longest: int


def _arrow(rows: list[Any], labels: list[Any] | None) -> Any:
    """Lists of token ids as a datasets.Dataset, without a Python object per token."""
    import numpy
    import pyarrow
    from datasets import Dataset

    def column(lists: list[Any]) -> Any:
        offsets = numpy.concatenate([[0], numpy.cumsum([len(r) for r in lists])]).astype(numpy.int64)
        values = numpy.concatenate([numpy.asarray(r, numpy.int32) for r in lists]) if lists else numpy.zeros(0, numpy.int32)
        return pyarrow.LargeListArray.from_arrays(pyarrow.array(offsets), pyarrow.array(values))

    table = {"input_ids": column(rows), "labels": column(labels if labels is not None else rows)}
    return Dataset(pyarrow.table(table))


def blocks(training: Training) -> Material:
    """The documents of a ``text`` data set joined and cut into blocks of ``max_length``; the last, shorter one is kept."""
    import numpy
    import polars

    tokenizer = loading.load_tokenizer(training.base)
    texts = polars.read_parquet(training.data, columns=["text"])["text"]
    length = training.settings.max_length
    held = int(len(texts) * training.settings.evaluate_share)

    def cut(part: Any) -> list[Any]:
        parts = [numpy.asarray(ids, numpy.int32) for ids in tokens.encode_texts(tokenizer, part)]
        joined = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.int32)
        return [joined[i : i + length] for i in range(0, len(joined), length)]

    training.reporter.phase("tokenizing")
    rows = cut(texts[held:])
    if not rows:
        raise BadInput("The data set holds no text to train on.")
    return Material(_arrow(rows, None), _arrow(cut(texts[:held]), None) if held else None, tokenizer, length)


def train(training: Training, material: Material, fresh: bool = False, compile: bool = False) -> Trained:
    """Run the trainer over ``material`` and leave the adapter or the whole model in ``training.folder / "model"``."""
    from peft import LoraConfig
    from trl import SFTConfig

    from engine.methods.trainer import LanguageTrainer

    settings, reporter = training.settings, training.reporter
    here = loading.device()
    reporter.phase("loading")
    model = loading.load_model(training.base, "float32", fresh=fresh, seed=training.seed)
    weights = sum(p.numel() for p in model.parameters())
    chosen = arguments.plan(settings, len(material.train), weights, training.dtype, settings.tuning, here, material.longest)
    for name, reason in chosen.reasons.items():
        reporter.log(f"{name}: {reason}")
    if compile:
        for layer in model.model.layers:
            layer.compile()
    lora = LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout,
        target_modules="all-linear", task_type="CAUSAL_LM",
    ) if settings.tuning == "lora" else None  # fmt: skip
    base_arguments = arguments.trainer_arguments(settings, chosen, training.folder / "trainer", training.seed, here.name == "cpu")
    trainer = LanguageTrainer(
        model=model,
        args=SFTConfig(**base_arguments, max_length=None),
        train_dataset=material.train,
        eval_dataset=material.held_out,
        processing_class=material.tokenizer,
        peft_config=lora,
        checkpoints=training.folder / "checkpoints",
        reporter=reporter,
    )
    reporter.phase("training")
    trainer.train(resume_from_checkpoint=str(training.resume_from) if training.resume_from else None)
    summary = {"steps": trainer.state.global_step, "weights": weights, "stopped": trainer.watch.stopped}
    if material.held_out is not None:
        summary["held_out_loss"] = trainer.evaluate()["eval_loss"]
    reporter.phase("saving")
    return Trained(save(trainer.model, material.tokenizer, training), settings.tuning == "lora" and "adapter" or "model", summary)


def save(model: Any, tokenizer: Any, training: Training) -> Path:
    """The trained weights, in the dtype of the base's files, as safetensors in a sealed folder."""
    import torch

    target, beside = training.folder / "model", training.folder / "model.writing"
    dtype = getattr(torch, loading.files_dtype(training.base))
    model.to(dtype).save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    files.seal(beside)
    files.replace_folder(beside, target)
    return target

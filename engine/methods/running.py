"""What every method does around its trainer: load the weights, choose sizes and steps, train, and save what came out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.methods import arguments, loading
from engine.methods.method import Trained, Training
from storage import files

SAMPLES = 3  # prompts that are answered at every evaluation
MEASURED = "measured.json"
SAMPLE_TOKENS = 64  # most tokens of such an answer


@dataclass(frozen=True)
class Prompt:
    """What is asked at every evaluation: as it is shown, and as the tokens after which the model speaks."""

    shown: str
    ids: list[int]


@dataclass(frozen=True)
class Ready:
    """A model to train, the LoRA configuration to wrap it with (None for full tuning or a continued adapter), how many
    weights it has, and the arguments that every trainer takes."""

    model: Any
    lora: Any
    weights: int
    steps: int
    arguments: dict[str, Any]


def ready(
    training: Training, rows: int, longest: int, *, attention: str = "sdpa", fresh: bool = False, head: str = "language"
) -> Ready:
    """Load what is trained and choose steps and sizes for ``rows`` rows (or blocks), the longest of ``longest`` tokens.

    ``head`` is language, or reward for one number an answer in place of the next token's probabilities.
    """
    settings, reporter, here = training.settings, training.reporter, loading.device()
    model, lora = _trainable(training, fresh, attention, head)
    weights = sum(p.numel() for p in model.parameters())
    chosen = arguments.plan(settings, rows, weights, training.dtype, here, longest)
    reporter.log(f"device: {here.label}")
    for name, reason in chosen.reasons.items():
        reporter.log(f"{name}: {reason}")
    common = arguments.trainer_arguments(settings, chosen, training.folder / "trainer", training.seed, here.name == "cpu")
    return Ready(model, lora, weights, chosen.steps, common)


def _trainable(training: Training, fresh: bool, attention: str, head: str) -> tuple[Any, Any]:
    from peft import LoraConfig, PeftModel

    settings = training.settings
    model = loading.load_model(training.base, "float32", fresh=fresh, attention=attention, seed=training.seed, head=head)
    if training.adapter and settings.tuning == "full":
        # an adapter freezes what it rests on
        return PeftModel.from_pretrained(model, str(training.adapter)).merge_and_unload().requires_grad_(True), None
    if training.adapter:
        return PeftModel.from_pretrained(model, str(training.adapter), is_trainable=True), None
    if settings.tuning == "full":
        return model, None
    return model, LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout,
        target_modules="all-linear", task_type="CAUSAL_LM" if head == "language" else "SEQ_CLS",
    )  # fmt: skip


def watched(training: Training, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """What a trainer that mixes in ``trainer.Watched`` takes beside the stock arguments."""
    return {
        "checkpoints": training.folder / "checkpoints",
        "kept": training.settings.keep_checkpoints,
        "reporter": training.reporter,
        "prompts": prompts,
        "tokens": SAMPLE_TOKENS,
    }


def carry_out(
    training: Training, trainer: Any, summary: dict[str, Any], measured: Callable[[], Mapping[str, Any]] = dict
) -> Trained:
    """Train from the checkpoint to resume from, if there is one, measure on the rows held out, and save the weights.

    What ``measured`` finds in the trained model goes into the summary, and into a file beside the weights.
    """
    reporter, resume = training.reporter, training.resume_from
    reporter.metrics(0, {"planned_steps": trainer.args.max_steps})
    reporter.phase("training")
    if resume:
        trainer.continue_from(resume)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    kind = "adapter" if training.settings.tuning == "lora" else "model"
    summary |= {"steps": trainer.state.global_step, "stopped": trainer.watch.stopped}
    if trainer.watch.stopped:
        return Trained(training.folder, kind, summary)
    if trainer.eval_dataset is not None:
        summary["held_out_loss"] = trainer.evaluate()["eval_loss"]
    found = measured()
    reporter.phase("saving")
    return Trained(save(trainer.model, trainer.processing_class, training, found), kind, summary | found)


def save(model: Any, tokenizer: Any, training: Training, measured: Mapping[str, Any]) -> Path:
    """The trained weights, in the dtype of the base's files, as safetensors in a sealed folder with what was measured of them."""
    import torch

    target, beside = training.folder / "model", training.folder / "model.writing"
    only = {"selected_adapters": ["default"]} if hasattr(model, "peft_config") else {}  # not the frozen copy beside it
    model.to(getattr(torch, loading.files_dtype(training.base))).save_pretrained(beside, **only)
    tokenizer.save_pretrained(beside)
    if measured:
        files.write_text(beside / MEASURED, json.dumps(measured, indent=1) + "\n")
    files.seal(beside)
    files.replace_folder(beside, target)
    return target

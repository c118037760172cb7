"""What every method does around its trainer: load the weights, choose sizes and steps, train, and save what came out."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.generation import batch
from engine.generation.problems import TooLong, is_out_of_memory
from engine.methods import arguments, loading, merging
from engine.methods.method import Reporter, Trained, Training
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


def ready(training: Training, rows: int, longest: int, **loaded: Any) -> Ready:
    """Load what is trained and choose steps and sizes for ``rows`` rows (or blocks), the longest of ``longest`` tokens.

    ``loaded`` says how, by the names of ``loading.load_model``.
    """
    settings, reporter, here = training.settings, training.reporter, loading.device()
    model, lora = _trainable(training, **loaded)
    weights = sum(2 * p.numel() if type(p).__name__ == "Params4bit" else p.numel() for p in model.parameters())  # two to a byte
    chosen = arguments.plan(settings, rows, weights, training.dtype, here, longest)
    reporter.log(f"device: {here.label}")
    for name, reason in chosen.reasons.items():
        reporter.log(f"{name}: {reason}")
    common = arguments.trainer_arguments(settings, chosen, training.folder / "trainer", training.seed, here.name == "cpu")
    return Ready(model, lora, weights, chosen.steps, common)


def _trainable(training: Training, **loaded: Any) -> tuple[Any, Any]:
    from peft import LoraConfig

    settings = training.settings
    model = start(training, **loaded)
    if settings.tuning == "full" or training.adapter:
        return model, None
    return model, LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout,
        target_modules="all-linear", task_type="CAUSAL_LM" if loaded.get("head", "language") == "language" else "SEQ_CLS",
    )  # fmt: skip


def start(training: Training, **loaded: Any) -> Any:
    """The model as training begins: the base, with the adapter to continue on top, which full tuning merges into it.

    The merged weights are written into the run's folder and read from there, because TRL takes the reference of full tuning
    from where the model says that it came from.
    """
    from peft import PeftModel, prepare_model_for_kbit_training

    base = training.base
    if training.adapter and training.settings.tuning == "full":
        base = training.folder / "start"
        if not (base / files.MANIFEST).exists():
            merging.merge(training.base, training.adapter, base, "float32")
    four_bits = training.settings.tuning == "qlora"
    model = loading.load_model(base, "float32", seed=training.seed, four_bits=four_bits, **loaded)
    if four_bits:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if not training.adapter or training.settings.tuning == "full":
        return model
    if loaded.get("head") == "reward":
        return _scoring(model, training.adapter)
    return PeftModel.from_pretrained(model, str(training.adapter), is_trainable=True)


def _scoring(model: Any, adapter: Path) -> Any:
    """A reward model with the weights of a language model's adapter to train on; PEFT loads them for a language model alone."""
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict, load_peft_weights, set_peft_model_state_dict

    config = PeftConfig.from_pretrained(str(adapter))
    config.task_type, config.inference_mode = "SEQ_CLS", False
    wrapped = get_peft_model(model, config)
    # its new head is kept with the adapter, so it is asked for as well
    set_peft_model_state_dict(wrapped, {**get_peft_model_state_dict(wrapped), **load_peft_weights(str(adapter))})
    return wrapped


def askable(training: Training, prompts: Iterable[Prompt]) -> list[Prompt]:
    """The first few prompts that leave room for an answer in the model's context."""
    context = loading.context_of(loading.load_config(training.base).to_dict()) or training.settings.max_length
    return list(itertools.islice((prompt for prompt in prompts if len(prompt.ids) + SAMPLE_TOKENS <= context), SAMPLES))


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
    if resume:
        trainer.continue_from(resume)
    elif training.settings.evaluations and trainer.prompts and not getattr(training.settings, "fresh", False):
        reporter.phase("asking the untrained model")
        trainer.speak()
    reporter.phase("training")
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    kind = "model" if training.settings.tuning == "full" else "adapter"
    summary |= {"steps": trainer.state.global_step, "stopped": trainer.watch.stopped}
    if trainer.watch.stopped:
        return Trained(training.folder, kind, summary)
    if trainer.eval_dataset is not None:
        summary["held_out_loss"] = trainer.evaluate()["eval_loss"]
    elif training.settings.evaluations and trainer.told != trainer.state.global_step:
        trainer.evaluate()
    found = _found(reporter, measured)
    reporter.phase("saving")
    shutil.rmtree(training.folder / "start", ignore_errors=True)
    return Trained(save(trainer.model, trainer.processing_class, training, found), kind, {**summary, **found})


def _found(reporter: Reporter, measured: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What is measured of the trained weights, which are kept also where they cannot be measured for lack of memory, or because of a
    prompt."""
    try:
        return measured()
    except TooLong as problem:
        reporter.log(f"The trained model could not be measured, so its summary lacks that; its weights are saved. {problem}")
        return {}
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        reporter.log(
            "There was not enough memory to measure the trained model, so its summary lacks that; its weights are saved."
        )
        return {}


def save(model: Any, tokenizer: Any, training: Training, measured: Mapping[str, Any]) -> Path:
    """The trained weights, in the dtype of the base's files, as safetensors in a sealed folder with what was measured of them."""
    import torch
    from peft import PeftModel

    target, beside = training.folder / "model", training.folder / "model.writing"
    only: Any = {"selected_adapters": ["default"]} if isinstance(model, PeftModel) else {}  # not the frozen copy beside it
    dtype = getattr(torch, loading.files_dtype(training.base))
    if training.settings.tuning == "qlora":  # weights in 4 bits stay what they are
        for weight in model.parameters():
            weight.data = weight.data.to(dtype) if weight.requires_grad else weight.data
    else:
        model.to(dtype)
    if not only:
        batch.name_ends(model, tokenizer)
    model.save_pretrained(str(beside), **only)
    tokenizer.save_pretrained(beside)
    if measured:
        files.write_text(beside / MEASURED, json.dumps(measured, indent=1) + "\n")
    files.seal(beside)
    files.replace_folder(beside, target)
    return target

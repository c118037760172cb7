"""The trainer that pre-training and SFT share: TRL's, with whole checkpoints, live figures and a stop that is asked for.

A checkpoint is written into a folder beside its place; when everything is on disk a manifest with the hash of each file
is written last and the folder is renamed. A folder without its manifest is never read.
"""

import errno
import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback
from trl import SFTTrainer

from engine.errors import RunFailed
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.methods.method import Reporter
from storage import files

COUNTERS = "counters.json"
SKIPPED = ("total_flos", "epoch", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss")
NAMES = {"mean_token_accuracy": "token_accuracy", "grad_norm": "gradient_norm", "num_tokens": "tokens"}


class Watch(TrainerCallback):
    """Tells the reporter what the trainer logs, and asks the trainer to stop when someone asked the run to."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.stopped = False
        self.spent = 0.0
        self._last = time.perf_counter()

    def write(self, path: Path, tokens: int) -> None:
        """Write the counters that a resume takes up."""
        files.write_text(path, json.dumps({"tokens": tokens, "training_seconds": self.spent}))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        spent = time.perf_counter() - self._last
        self.spent += spent
        self.reporter.metrics(state.global_step, {"seconds_per_step": spent, "training_seconds": self.spent})
        if state.global_step >= state.max_steps:
            return control
        control.should_evaluate = state.global_step % int(args.eval_steps) == 0
        control.should_save = state.global_step % int(args.save_steps) == 0
        if self.reporter.stop_requested():
            self.stopped = control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        values = {NAMES.get(k, k): float(v) for k, v in (logs or {}).items() if k not in SKIPPED and _is_number(v)}
        if values:
            self.reporter.metrics(state.global_step, values)
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(values.get(name, 0.0)):
                raise RunFailed(f"At step {state.global_step} the {name.replace('_', ' ')} is {values[name]}.", "not a number")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class WholeCheckpoints:
    """Mixed into a trainer: its checkpoints are either whole or not there."""

    checkpoints: Path
    kept: int  # newest checkpoints that stay; 0 keeps all
    reporter: Reporter
    watch: Watch

    def continue_from(self, checkpoint: Path) -> None:
        """Take up the counters that the stock trainer forgets: tokens seen and seconds spent."""
        counters = json.loads((checkpoint / COUNTERS).read_text(encoding="utf-8"))
        self.watch.spent = counters["training_seconds"]
        self._total_train_tokens = counters["tokens"]

    def _get_output_dir(self, trial: Any = None) -> str:
        return str(self.checkpoints / "writing")

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: it walks all weights at every step, for a figure that nobody is shown."""
        return 0

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """No card: the registry knows where a model comes from."""

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        writing = self.checkpoints / "writing"
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir(parents=True)
        step = self.state.global_step  # type: ignore[attr-defined]
        whole = self.checkpoints / f"step-{step:08d}"
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self.watch.write(writing / f"checkpoint-{step}" / COUNTERS, self._total_train_tokens)
            files.seal(writing / f"checkpoint-{step}")
            self.reporter.flush()  # a resume repeats only what follows: every figure up to here is stored first
            files.replace_folder(writing / f"checkpoint-{step}", whole)
        except Exception as problem:
            # PyTorch's writer reports a full disk as an error of its own
            if shutil.disk_usage(writing).free < files.FULL:
                raise OSError(errno.ENOSPC, f"no room for the checkpoint of step {step}") from problem
            raise
        finally:
            shutil.rmtree(writing, ignore_errors=True)
        self.reporter.checkpoint(step, whole, self.kept)


class LanguageTrainer(WholeCheckpoints, SFTTrainer):
    """TRL's SFT trainer over rows that are already tokens. At each evaluation it also answers the fixed
    ``prompts``, in at most ``tokens`` tokens each."""

    def __init__(
        self, *args: Any, checkpoints: Path, kept: int, reporter: Reporter, prompts: list[Any], tokens: int, **kwargs: Any
    ) -> None:
        self.checkpoints = checkpoints
        self.kept = kept
        self.reporter = reporter
        self.prompts, self.tokens = prompts, tokens
        self.watch = Watch(reporter)
        super().__init__(*args, callbacks=[self.watch], **kwargs)
        # the trainer's own printing goes: the reporter tells what happens
        self.remove_callback(PrinterCallback)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The held-out loss, where rows are held out; the answers to the fixed prompts go to the reporter. Greedy, so no random state is touched."""
        self.reporter.phase("evaluating")
        figures = super().evaluate(*args, **kwargs) if self.eval_dataset is not None else {}
        self.speak()
        if self.state.global_step < self.state.max_steps:
            self.reporter.phase("training")
        return figures

    def speak(self) -> None:
        """Answer the fixed prompts and tell the reporter; an answer that was cut off ends in three dots."""
        model: Any = self.model
        told = batch.complete(model, self.processing_class, [p.ids for p in self.prompts], Sampling(max_tokens=self.tokens))
        for prompt, completion in zip(self.prompts, told, strict=True):
            self.reporter.sample(self.state.global_step, prompt.shown, completion.text + ("" if completion.ended else " …"))

"""What every trainer of ours has beside TRL's: whole checkpoints, live figures, a stop that is asked for, sample answers.

A checkpoint is written into a folder beside its place; when everything is on disk a manifest with the hash of each file
is written last and the folder is renamed. A folder without its manifest is never read.
"""

import errno
import json
import math
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import SFTTrainer

from engine.errors import RunFailed
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.methods.method import Reporter
from storage import files

COUNTERS = "counters.json"
SKIPPED = (
    "total_flos", "epoch", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "step_time",
    "completions/min_length", "completions/max_length", "completions/mean_terminated_length",
    "completions/min_terminated_length", "completions/max_terminated_length", "clip_ratio/low_mean", "clip_ratio/low_min",
    "clip_ratio/high_mean", "clip_ratio/high_max",
)  # fmt: skip
HELD_OUT = "eval_"
# what TRL's trainers log, by the names that are kept
NAMES = {
    "mean_token_accuracy": "token_accuracy",
    "grad_norm": "gradient_norm",
    "num_tokens": "tokens",
    "rewards/accuracies": "preference_accuracy",
    "rewards/margins": "reward_margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "logps/chosen": "logp_chosen",
    "logps/rejected": "logp_rejected",
    "accuracy": "preference_accuracy",
    "margin": "reward_margin",
    "completions/mean_length": "answer_tokens",
    "completions/clipped_ratio": "answers_cut",
    "clip_ratio/region_mean": "clipped",
    "frac_reward_zero_std": "groups_alike",
    "reward_std": "reward_spread",
    "logits/chosen": "",
    "logits/rejected": "",
}


class Watch(TrainerCallback):
    """Tells the reporter what the trainer logs, and asks the trainer to stop when someone asked the run to."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.stopped = False
        self.spent = 0.0
        self.phases: dict[str, float] = {}  # seconds of this step
        self._inside: list[float] = []  # seconds that phases within the open ones have taken
        self._last = self._updating = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds meanwhile to a phase of the step, those of phases within it to themselves."""
        began = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.phases[name] = self.phases.get(name, 0.0) + spent - self._inside.pop()
            if self._inside:
                self._inside[-1] += spent

    def write(self, path: Path, tokens: int) -> None:
        """Write the counters that a resume takes up."""
        files.write_text(path, json.dumps({"tokens": tokens, "training_seconds": self.spent}))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = time.perf_counter()
        self.phases.clear()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._updating = time.perf_counter()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.phases:
            self.phases["update"] = self.phases.get("update", 0.0) + time.perf_counter() - self._updating

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        spent = time.perf_counter() - self._last
        self.spent += spent
        phases = {f"seconds_{name}": value for name, value in self.phases.items()}
        self.reporter.metrics(state.global_step, {"seconds_per_step": spent, "training_seconds": self.spent, **phases})
        if state.global_step >= state.max_steps:
            return control
        control.should_evaluate = state.global_step % int(args.eval_steps) == 0
        control.should_save = state.global_step % int(args.save_steps) == 0
        if self.reporter.stop_requested():
            self.stopped = control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        values = {series(k): float(v) for k, v in (logs or {}).items() if series(k) and _is_number(v)}
        if values:
            self.reporter.metrics(state.global_step, values)
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(values.get(name, 0.0)):
                raise RunFailed(f"At step {state.global_step} the {name.replace('_', ' ')} is {values[name]}.", "not a number")


PART = re.compile("rewards/(.+)/(mean|std)")


def series(logged: str) -> str:
    """The name under which a figure is kept, ``eval_`` before it when it comes from held-out rows; empty where it is not."""
    held_out = HELD_OUT if logged.startswith(HELD_OUT) else ""
    name = logged.removeprefix(HELD_OUT)
    part = PART.fullmatch(name)
    if part:  # of a reward that is a sum
        return held_out + f"reward_part_{part[1]}" if part[2] == "mean" else ""
    kept = "" if name in SKIPPED else NAMES.get(name, name)
    return kept and held_out + kept


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Watched(Trainer):
    """Mixed into a trainer of TRL: its checkpoints are either whole or not there, what it logs goes to the reporter, and at
    each evaluation it answers the fixed ``prompts``, in at most ``tokens`` tokens each.

    ``kept`` newest checkpoints stay; 0 keeps all.
    """

    def __init__(
        self, *args: Any, checkpoints: Path, kept: int, reporter: Reporter, prompts: list[Any], tokens: int, **kwargs: Any
    ) -> None:
        self.checkpoints = checkpoints
        self.kept = kept
        self.reporter = reporter
        self.prompts, self.tokens = prompts, tokens
        self.told = -1  # the step at which they were answered last
        self.watch = Watch(reporter)
        super().__init__(*args, callbacks=[self.watch], **kwargs)
        # the trainer's own printing goes: the reporter tells what happens
        self.remove_callback(PrinterCallback)

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
        step = self.state.global_step
        whole = self.checkpoints / f"step-{step:08d}"
        try:
            super()._save_checkpoint(model, trial)
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
        if not self.prompts:
            return
        self.told = self.state.global_step
        told = batch.complete(model, self.processing_class, [p.ids for p in self.prompts], Sampling(max_tokens=self.tokens))
        for prompt, completion in zip(self.prompts, told, strict=True):
            self.reporter.sample(self.state.global_step, prompt.shown, completion.text + ("" if completion.ended else " …"))


class LanguageTrainer(Watched, SFTTrainer):
    """TRL's SFT trainer over rows that are already tokens."""

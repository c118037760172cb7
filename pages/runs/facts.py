"""What a run's page knows about it: its recipe in words, where it comes from, what came of it, and what to do after a failure."""

import re
from dataclasses import dataclass, field
from typing import Any

from engine.methods import METHODS, arguments
from engine.methods.method import Method, Setting, settings_of
from pages.parts import words
from storage import datasets, events, models, runs
from storage.home import Home
from storage.records import Checkpoint, Dataset, Model, Run

AT_ONCE = re.compile(r"micro_batch: (\d+) rows")  # in a run's log


@dataclass(frozen=True)
class Facts:
    """A run with everything it points to, as far as it is still there."""

    home: Home
    run: Run
    method: Method | None
    start: Model | None
    dataset: Dataset | None
    made: Model | None
    base: Model | None  # what the tuned model is compared with
    parent: Run | None
    kept: list[Checkpoint]

    @property
    def base_and_made(self) -> list[str]:
        """The ids of the base and of what was made from it; a name may hold a comma."""
        return [str(model.id) for model in (self.base, self.made) if model is not None]

    @property
    def settings(self) -> list[tuple[Setting, Any]]:
        """Each setting of the method with the value of this run."""
        given = self.run.request.get("settings", {})
        return [(s, given.get(s.name, s.default)) for s in settings_of(self.method.settings)] if self.method else []

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that differ from their defaults."""
        return {s.name: value for s, value in self.settings if value != s.default}


def gather(home: Home, run: Run) -> Facts:
    """Look up what a run points to."""
    request = run.request
    start, made = models.get(home, request.get("model_id", 0)), models.of_run(home, run.id)
    return Facts(
        home=home,
        run=run,
        method=METHODS.get(request.get("method", "")),
        start=start,
        dataset=datasets.get(home, request.get("dataset_id", 0)),
        made=made,
        base=(models.get(home, made.base_id) if made is not None and made.base_id else None) or start,
        parent=runs.get(home, run.parent_id) if run.parent_id else None,
        kept=events.checkpoints(home, run.id),
    )


def took(run: Run) -> str | None:
    """How long a run took from its first beginning to its end, in words; None while it lasts."""
    if not run.started_at or not run.ended_at:
        return None
    return words.duration((words.moment(run.ended_at) - words.moment(run.started_at)).total_seconds())


@dataclass(frozen=True)
class Step:
    """The one thing to do next: a page to open, or ``resume``."""

    page: str
    label: str
    icon: str
    query: dict[str, str] = field(default_factory=dict)


def next_step(home: Home, run: Run) -> Step | None:
    """What to press after this failure."""
    again = {"again": str(run.id)}
    train, replay = "train", ":material/replay:"
    if run.status == "interrupted" or run.failure in ("killed", "lost", "unreachable"):
        return Step("resume", "Resume", ":material/play_arrow:")
    if run.kind != "train":
        return None
    if run.failure == "out of memory":
        label, change = _with_less(home, run)
        return Step(train, label, replay, again | ({"set": change} if change else {}))
    if run.failure == "not a number":
        rate = max((value for _, value in events.curve(home, run.id, "learning_rate", 50) if value), default=0.0)
        lower = {"set": f"learning_rate={rate / 3:.2g}"} if rate else {}
        return Step(train, "Run again with a lower learning rate", replay, {**again, **lower})
    if run.failure == "bad reward":
        return Step(train, "Mend the reward and run again", replay, again)
    if run.failure == "disk full":
        return Step("models", "See what takes space", ":material/hard_drive:")
    if run.failure in ("bad data", "damaged"):
        return Step("datasets", "Look at the data", ":material/database:")
    if run.failure == "bug":
        return Step("runs", "Read the log", ":material/article:", {"run": str(run.id), "show": "Log"})
    return None


def _with_less(home: Home, run: Run) -> tuple[str, str]:
    """What takes less memory than a run did, as a button says it, and the setting to change: fewer rows at once than there were,
    else shorter ones; none to change where the weights alone were too much."""
    method = METHODS[run.request["method"]]
    known = {setting.name: setting for setting in settings_of(method.settings)}
    given = {name: setting.default for name, setting in known.items()} | run.request["settings"]
    at_once = _rows_at_once(home, run, given["batch_size"])
    if at_once is None:
        full = given["tuning"] == "full" and not given.get("fresh")
        return ("Run again with LoRA", "tuning=lora") if full else ("Run again with a smaller model", "")
    fewer = arguments.fewer_at_once(given["batch_size"], method.settings.LEAST_ROWS, at_once)
    if fewer is not None:
        return f"Run again, {words.plural(fewer, 'row')} at once", f"micro_batch={fewer}"
    longest = max((name for name in ("max_length", "max_answer") if name in known), key=lambda name: given[name])
    half = given[longest] // 2
    if half < (known[longest].low or 1):
        return "Run again with a smaller model", ""
    return f"Run again with {longest.replace('_', ' ')} {half:,}", f"{longest}={half}"


def _rows_at_once(home: Home, run: Run, batch: int) -> int | None:
    """How many rows the trainer computed at once, by what its newest go told; None where it ended before it had the weights."""
    lines = [event.body["text"] for event in events.of_run(home, run.id, "log")]
    told = [found for line in lines if (found := AT_ONCE.match(line))]
    if told:
        return int(told[-1][1])
    return (
        batch if any(line.startswith("device: ") for line in lines) else None
    )  # runs of before told it of a divided batch alone

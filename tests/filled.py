"""A home with one of everything, written straight through storage: what the pages have to draw, without an engine.

Some of it is hostile on purpose: text in rows, names and answers that would do something if a page let it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from engine.generation import conversations
from engine.generation.answers import Answer
from engine.generation.turns import Conversation
from engine.jobs import processes
from engine.preferences import pairs, projects
from engine.preferences.pairs import NewPair
from storage import datasets, db, evaluations, events, files, models, preferences, runs
from storage.home import Home
from storage.records import Dataset, Interval, Model

HOSTILE = (
    '<img src="http://evil.test/a.png" onerror="document.title=\'owned\'"> ![x](http://evil.test/b.png) '
    "[click](javascript:document.title='owned') http://evil.test/c :red[red] $x^2$ :material/bolt: # not a heading"
)
CHECK = json.dumps({"kind": "exact", "value": "4"})


def freeze(home: Home, name: str, shape: str, rows: list[dict[str, Any]], **more: Any) -> Dataset:
    """A frozen version with these rows."""
    beside = home.datasets / "beside.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(beside)
    sha = files.sha256(beside)
    beside.rename(datasets.path(home, sha))
    size = datasets.path(home, sha).stat().st_size
    given = {"steps": [{"step": "read", "format": "test"}], "problems": [], **more}
    return datasets.insert(home, name=name, shape=shape, rows=len(rows), sha256=sha, size=size, **given)


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def all_shapes(home: Home) -> dict[str, Dataset]:
    """One data set of each shape, one of them with a second version and rows set aside, one of them hostile."""
    sums = [{"messages": turns(f"What is {i} plus {i}?", f"It is {2 * i}.")} for i in range(1, 241)]
    problems = [{"row": 7, "message": "the answer is empty", "shown": '{"question": "Why?"}'}]
    first = freeze(home, "support-questions", "messages", sums[:200], problems=problems)
    return {
        "messages": freeze(home, "support-questions", "messages", sums, parent_id=first.id),
        "text": freeze(home, "handbook", "text", [{"text": f"Section {i}. The valve closes at {i} bar.\nNever force it."} for i in range(1, 41)]),
        "preference": freeze(
            home, "tone", "preference",
            [{"prompt": f"Is shop {i} open?", "chosen": "Yes, until six. Thank you for asking.", "rejected": "Yes."} for i in range(30)],
        ),
        "unpaired": freeze(home, "thumbs", "unpaired", [{"prompt": "Hi", "completion": f"Hello {i}", "label": i % 2 == 0} for i in range(20)]),
        "prompt": freeze(home, "sums-held-out", "prompt", [{"prompt": f"2 + 2 = ? ({i})", "answer": "4", "check": CHECK} for i in range(60)]),
        "prompt_completion": freeze(home, "hostile", "prompt_completion", [{"prompt": HOSTILE, "completion": HOSTILE}] * 3),
    }  # fmt: skip


def spoken(home: Home, talk: Conversation, answers: Sequence[Answer]) -> Conversation:
    """The conversation with its last turn answered, written down."""
    ended = replace(talk, every=(*talk.every[:-1], replace(talk.every[-1], answer_set="one", answers=tuple(answers))))
    conversations._write(home, ended)
    return ended


def labels(home: Home) -> int:
    """A project with pairs, one of them hostile, and votes of two people and a judge who agree in part; its number."""
    project = projects.create(
        home, "tone", {"instructions": HOSTILE, "criteria": ["helpful"], "overlap": 1.0, "gold": 0.0, "repeats": 0.0}
    )
    said = [("Yes, until six.", "Yes."), (HOSTILE, "Nine to five."), ("No.", "No, it is closed."), ("Perhaps.", "I do not know.")]
    new = [NewPair(turns(f"Is shop {i} open?", "")[:1], *answers) for i, answers in enumerate(said)]
    placed = pairs.add(home, project, new)
    choices = {
        "anna": ("first", "second", "first", "tie"),
        "ben": ("first", "second", "second", "tie"),
        "a judge": ("first",) * 4,
    }
    with preferences.changing(home) as change:
        for labeller, chosen in choices.items():
            for i, choice in enumerate(chosen):
                change.do(
                    "vote", token=f"{labeller} {i}", project_id=project.id, pair_id=placed[i].pair_id, labeller=labeller,
                    kind="judge" if "judge" in labeller else "person", round=0, flipped=i % 2, choice=choice, strength=None, preference=None,
                    criteria={}, reason=HOSTILE, edited=None, seconds=2.0 + i, source="screen", extra={}, at=db.now(),
                )  # fmt: skip
    projects.mark_gold(home, preferences.pairs(home, project.id)[0], "first")
    return project.id


def weights(folder: Path, kind: str) -> Path:
    """A folder that looks like a model or an adapter, with one small safetensors file."""
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [64, 64], "data_offsets": [0, 8192]}}).encode()
    name = "adapter_model.safetensors" if kind == "adapter" else "model.safetensors"
    (folder / name).write_bytes(len(header).to_bytes(8, "little") + header + bytes(8192))
    adapter = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0} if kind == "adapter" else {}
    (folder / ("adapter_config.json" if kind == "adapter" else "config.json")).write_text(json.dumps(adapter))
    return folder


def model(home: Home, name: str, kind: str = "model", base: Model | None = None, run_id: int | None = None, **more: Any) -> Model:
    """A registered model with a folder of its own."""
    folder = weights(home.models / f"{name}-{run_id or 0}", kind)
    given: dict[str, Any] = {
        "path": str(folder), "base_id": base.id if base else None, "run_id": run_id, "fingerprint": f"{len(name):02d}" + "ab12" * 15,
        "parameters": 172_032 if kind == "adapter" else 3_211_264, "bytes": files.size(folder), "dtype": "bfloat16", "context": 1024,
        "license": "apache-2.0", "template": "own", "source": f"run {run_id}" if run_id else "ships with Temper", **more,
    }  # fmt: skip
    return models.insert(home, name=name, kind=kind, **given)


def train_run(home: Home, name: str, base: Model, data: Dataset, *, steps: int = 120) -> int:
    """A training run that is running, with its curves, phases, log and samples up to two thirds."""
    recipe = {
        "method": "sft",
        "model_id": base.id,
        "dataset_id": data.id,
        "settings": {"steps": steps, "batch_size": 16},
        "seed": 0,
        "dtype": "auto",
        "where": "local",
    }
    queued = runs.insert(home, kind="train", name=name, request=recipe, token=None)
    runs.reorder(home, [queued.id])
    claimed = runs.claim(home)
    assert claimed is not None and claimed.id == queued.id
    events.add(home, claimed.id, "phase", {"name": "training", "done": None})
    events.add(home, claimed.id, "log", {"text": "micro_batch: 16 rows at once, so that a step fits into memory"})
    values = [("planned_steps", 0, float(steps)), ("seconds_per_step", 1, 0.4)]
    for step in range(1, steps * 2 // 3 + 1):
        values.append(("loss", step, 1.1 + 3.2 * math.exp(-step / 25) + 0.05 * math.sin(step)))
        values.append(("learning_rate", step, 1e-3 * (1 - step / steps)))
        if step % 20 == 0:
            values.append(("eval_loss", step, 1.2 + 3.1 * math.exp(-step / 25)))
    events.add_metrics(home, claimed.id, values)
    events.add(home, claimed.id, "sample", {"prompt": "What is 2 plus 2?", "text": HOSTILE}, step=40)
    return claimed.id


def checkpoint(home: Home, run_id: int, step: int, size: int = 40_000) -> None:
    folder = home.run(run_id) / "checkpoints" / str(step)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(size))
    events.add_checkpoint(home, run_id, step, str(folder), size)


def fill(home: Home) -> dict[str, Any]:
    """Fill ``home`` with one of everything. Keep what comes back: the live run counts as living while its lock is held."""
    db.migrate(home)
    data = all_shapes(home)
    base = model(home, "pocket")
    done = train_run(home, "support-sft", base, data["messages"])
    for step in (40, 80):
        checkpoint(home, done, step)
    runs.end(home, done, "succeeded", summary={"loss": 1.21})
    tuned = model(home, "support-sft", "adapter", base, done)
    for name, status, reason, failure in (
        ("support-sft-large", "failed", "CUDA ran out of memory at step 12: 7.9 GB were in use.", "out of memory"),
        ("support-sft-short", "stopped", "Stopped as asked. The checkpoint is kept.", None),
        (f"{HOSTILE[:60]}", "interrupted", "The engine was stopped. Resume continues from the last checkpoint.", "lost"),
    ):
        run_id = train_run(home, name, base, data["messages"], steps=30)
        checkpoint(home, run_id, 10)
        runs.end(
            home,
            run_id,
            status,
            reason=reason,
            failure=failure,
            next_step="Choose a smaller batch and run again." if failure else None,
        )
    items = [("2 + 2 = ?", "4", 1.0)] * 8 + [("2 + 2 = ?", HOSTILE, 0.0)] * 2
    evaluations.insert(
        home,
        model_id=tuned.id,
        dataset_id=data["prompt"].id,
        run_id=None,
        score=Interval(0.81, 0.76, 0.85, 300),
        settings={"limit": None},
        items=items,
    )
    evaluations.insert(
        home,
        model_id=base.id,
        dataset_id=data["prompt"].id,
        run_id=None,
        score=Interval(0.07, 0.05, 0.11, 300),
        settings={"limit": None},
        items=items,
    )
    live = train_run(home, "support-sft-2", base, data["messages"], steps=300)
    home.run(live).mkdir(parents=True, exist_ok=True)
    held = processes.hold(home.run(live) / "alive.lock")
    (home.run(live) / "heartbeat").touch()
    request = {"model_id": tuned.id, "dataset_id": data["prompt"].id, "against_id": base.id, "limit": None}
    waiting = runs.insert(home, kind="measure", name="support-sft on sums-held-out@1", request=request, token=None)
    return {
        "labels": labels(home),
        "lock": held,
        "live": live,
        "done": done,
        "queued": waiting.id,
        "data": data,
        "base": base,
        "tuned": tuned,
    }

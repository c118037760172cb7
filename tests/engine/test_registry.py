"""The registry: what it takes in, what it refuses in words, and what it never deletes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine import registry
from engine.errors import BadInput, Damaged, NotFound
from engine.jobs import submit, work
from engine.jobs.reporter import RunReporter
from engine.samples import pocket
from storage import events, files, models, runs
from storage.home import Home
from storage.records import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in a folder of its own."""
    return Path(shutil.copytree(pocket.POCKET, tmp_path / "weights"))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("config.json", b'{"model_type": '),
        ("config.json", b"[]"),
        ("config.json", b""),
        ("tokenizer_config.json", b"{"),
        ("model.safetensors", b""),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ("model.safetensors", (10).to_bytes(8, "little") + b"not json!!"),
        ("model.safetensors", (2).to_bytes(8, "little") + b"[]"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "gone.safetensors"}}'),
        ("model.safetensors.index.json", b"[]"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_registered(home: Home, folder: Path, name: str, body: bytes) -> None:
    (folder / name).write_bytes(body)
    if name == "tokenizer_config.json":
        (folder / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(BadInput, match="safetensors" if "index" in name else name):
        registry.register_folder(home, folder, "damaged", "test")
    assert models.all(home) == []


def test_weights_that_lie_there_twice_are_counted_once(home: Home, folder: Path) -> None:
    once = registry.register_folder(home, folder, "once", "test").parameters
    shutil.copy(folder / "model.safetensors", folder / "consolidated.safetensors")
    assert registry.register_folder(home, folder, "twice", "test").parameters == once
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"any": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert registry.register_folder(home, folder, "sharded", "test").parameters == once


def test_a_folder_that_is_registered_twice_is_one_model(home: Home, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    first = registry.register_folder(home, folder, "x", "test")
    assert registry.register_folder(home, tmp_path / "link", "y", "test") == first
    assert [m.name for m in models.all(home)] == ["x"]


def test_weights_that_another_model_uses_stay_when_one_is_deleted(home: Home, folder: Path) -> None:
    inside = Path(shutil.copytree(folder, home.models / "own"))
    first = registry.register_folder(home, inside, "first", "test")
    (inside / "generation_config.json").unlink(missing_ok=True)
    (inside / "chat_template.jinja").write_text("another template")
    second = registry.register_folder(home, inside, "second", "test")
    assert second.id != first.id
    registry.delete(home, first.id)
    assert inside.is_dir()
    registry.delete(home, second.id)
    assert not inside.exists()


def test_an_export_touches_no_folder_but_its_own(home: Home, folder: Path, tmp_path: Path) -> None:
    model = registry.register_folder(home, folder, "x", "test")
    (folder / ".parts").mkdir()
    others = tmp_path / "out.writing"
    others.mkdir()
    (others / "thesis.txt").write_text("mine")
    registry.export(home, model, tmp_path / "out")
    assert (others / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "out" / "model.safetensors").is_file() and not (tmp_path / "out" / ".parts").exists()
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == ["out", "out.writing"], "nothing is left beside it"
    (tmp_path / "file").write_text("mine")
    for taken in ("out", "file"):
        with pytest.raises(BadInput, match="Name a folder that does not exist yet"):
            registry.export(home, model, tmp_path / taken)


def test_an_export_that_fails_leaves_nothing_behind(home: Home, folder: Path, tmp_path: Path) -> None:
    model = registry.register_folder(home, folder, "x", "test")
    shutil.rmtree(folder)
    with pytest.raises(OSError):
        registry.export(home, model, tmp_path / "out" / "here")
    assert list((tmp_path / "out").iterdir()) == []


class Killed(BaseException):
    """Stands for a kill: nothing is cleared away after it."""


def killed(home: Home, run: Run, monkeypatch: pytest.MonkeyPatch, module: Any, at: str) -> None:
    """An export's worker is killed when it comes to ``at``."""

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, at, kill)
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            exported(home, run)


def exported(home: Home, run: Run) -> dict[str, Any]:
    reporter = RunReporter(home, run.id)
    try:
        return work.export(home, run, reporter).summary
    finally:
        reporter.close()


@pytest.mark.parametrize("at", ["register_folder", "replace_folder", "copytree"])
def test_an_export_that_was_killed_is_resumed_wherever_it_was(
    at: str, pocket: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit.export(pocket, model="pocket", folder=str(tmp_path / "out" / "here"), register="copy")
    pocket.run(run.id).mkdir(parents=True)
    killed(pocket, run, monkeypatch, {"replace_folder": files, "copytree": shutil}.get(at, registry), at)
    assert (tmp_path / "out" / "here").exists() == (at == "register_folder")
    before = weights(tmp_path / "out" / "here")
    made = exported(pocket, run)
    assert made["model"] == "copy" and exported(pocket, run) == made, "once more is the same model"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["here"], "what was half written is gone"
    assert before in (None, weights(tmp_path / "out" / "here")), "what was whole is not written again"


def weights(folder: Path) -> int | None:
    path = folder / "model.safetensors"
    return path.stat().st_mtime_ns if path.exists() else None


def test_an_export_that_is_resumed_takes_no_folder_that_is_not_as_it_wrote_it(
    pocket: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit.export(pocket, model="pocket", folder=str(tmp_path / "out"), register="copy")
    pocket.run(run.id).mkdir(parents=True)
    killed(pocket, run, monkeypatch, registry, "register_folder")
    (tmp_path / "out" / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="is not empty"):
        exported(pocket, run)
    assert (tmp_path / "out" / "config.json").read_text() == "{}"


def kept_checkpoint(home: Home) -> tuple[Run, Path]:
    """A training run of the Pocket model with one whole checkpoint on disk."""
    base = models.all(home)[0]
    run = runs.insert(home, kind="train", name="tone", request={"method": "sft", "model_id": base.id}, token=None)
    folder = home.run(run.id) / "checkpoints" / "step-00000020"
    shutil.copytree(base.path, folder)
    (folder / "optimizer.pt").write_bytes(b"x" * 100)
    files.seal(folder)
    events.add_checkpoint(home, run.id, 20, str(folder), files.size(folder))
    return run, folder


def test_a_checkpoint_becomes_a_model_that_stays_when_checkpoints_are_cleared(pocket: Home) -> None:
    run, folder = kept_checkpoint(pocket)
    made = registry.keep_checkpoint(pocket, run)
    assert (made.name, made.kind, made.source, made.run_id) == ("tone at 20", "model", f"run {run.id}, step 20", None)
    assert made.fingerprint == models.all(pocket)[-1].fingerprint, "the same weights and template"
    assert not (Path(made.path) / "optimizer.pt").exists()
    assert registry.keep_checkpoint(pocket, run, 20) == made
    shutil.rmtree(folder)
    assert registry.speaker(pocket, "tone at 20") == made


def test_a_checkpoint_that_is_not_there_or_not_whole_is_refused(pocket: Home) -> None:
    run, folder = kept_checkpoint(pocket)
    with pytest.raises(NotFound, match="no checkpoint of step 7. On disk: 20"):
        registry.keep_checkpoint(pocket, run, 7)
    (folder / "config.json").write_text("{}")
    with pytest.raises(Damaged, match="not as it was written"):
        registry.keep_checkpoint(pocket, run, 20)
    assert len(models.all(pocket)) == 1


def test_a_checkpoint_speaks_and_is_neither_trained_from_nor_measured(pocket: Home) -> None:
    kept_checkpoint(pocket)
    assert registry.speaker(pocket, "tone@20").name == "tone@20"
    with pytest.raises(BadInput, match="tone@20 is a checkpoint.*models keep"):
        submit.train(pocket, method="sft", model="tone@20", dataset="pocket-instructions", settings={})
    with pytest.raises(BadInput, match="tone@20 is a checkpoint"):
        submit.measure(pocket, model="pocket", against="tone@20", dataset="pocket-sums-held-out")
    with pytest.raises(BadInput, match="tone@20 is a checkpoint"):
        submit.sample(pocket, model="tone@20", dataset="pocket-sums", name="drawn")
    assert len(runs.page(pocket, 10)) == 1

"""The command line where something is in the way: a sentence and an exit code, never a traceback."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import __main__ as command_line
from engine.commands import runs as waiting
from engine.errors import TryLater
from engine.jobs import supervisor
from storage import events, runs
from storage.home import Home

ROOT = Path(__file__).resolve().parents[2]


def queue(home: Home) -> int:
    return runs.insert(home, kind="train", name="r", request={"method": "sft"}, token=None).id


@pytest.fixture
def bare(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that the command line takes as it is, without the Pocket lab."""
    monkeypatch.setattr(command_line.prepare, "prepare", lambda _: None)
    return home


def test_ctrl_c_while_waiting_says_that_the_run_goes_on(home: Home) -> None:
    run = queue(home)
    waits = "import sys; from engine import __main__ as m; m.prepare.prepare = lambda _: None; sys.exit(m.main(sys.argv[1:]))"
    (home.root / "engine.json").unlink(missing_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-c", waits, "--home", str(home.root), "runs", "wait", str(run)],
        stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert child.stderr is not None and "queued" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=20)[1]
    assert child.returncode == 130 and f"Run {run} goes on" in said and "Traceback" not in said
    assert runs.get(home, run).status == "queued"  # type: ignore[union-attr]


def test_who_waits_for_a_run_does_not_revive_an_engine_that_was_stopped(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0.001)
    monkeypatch.setattr(supervisor, "ensure", lambda _: pytest.fail("the engine was started again"))
    with pytest.raises(TryLater, match="starts it again"):
        waiting.wait(home, queue(home))


def test_who_waits_for_a_run_revives_an_engine_that_was_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queue(home)
    (home.root / "engine.json").write_text("{}")
    revived = []

    def ensure(_: Home) -> None:
        revived.append(time.monotonic())
        runs.end(home, run, "stopped", before="queued")

    monkeypatch.setattr(supervisor, "ensure", ensure)
    assert waiting.wait(home, run).status == "stopped" and len(revived) == 1


def test_a_home_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert command_line.main(["--home", str(tmp_path / "file" / "home"), "status"]) == 1
    assert "--home names another home" in capsys.readouterr().err


def test_a_run_whose_held_out_loss_was_no_number_is_still_shown(bare: Home, capsys: pytest.CaptureFixture[str]) -> None:
    run = queue(bare)
    events.add_metrics(bare, run, [("loss", 1, 2.0), ("eval_loss", 1, float("nan"))])
    assert command_line.main(["--home", str(bare.root), "runs", "show", str(run)]) == 0
    said = capsys.readouterr().out
    assert "loss: 2.0000" in said and "eval_loss: not a number" in said


def test_an_export_into_a_file_is_bad_input(bare: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from engine.samples import pocket

    pocket.registry.register_folder(bare, pocket.POCKET, "pocket", "test")
    (tmp_path / "file").write_text("in the way")
    assert command_line.main(["--home", str(bare.root), "models", "export", "pocket", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.fixture
def pocket_home(bare: Home) -> Home:
    from engine.samples import pocket

    pocket.registry.register_folder(bare, pocket.POCKET, "pocket", "test")
    return bare


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models", "delete", "pocket"], "pocket ships with Temper and stays"),
        (["runs", "list", "--limit", "-1"], "--limit takes a whole number of at least 1, not -1"),
        (["ask", "pocket", "--prompt", "hi", "--temperature", "nan"], "temperature takes a number from 0 to 10, not nan"),
    ],
)
def test_what_cannot_be_done_is_bad_input_in_a_sentence(
    words: list[str], said: str, pocket_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["--home", str(pocket_home.root), *words]) == 2
    assert said in capsys.readouterr().err


def test_an_answer_that_failed_is_an_exit_code_too(
    pocket_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.generation import ask
    from engine.generation.answers import Answer

    failed = Answer(model="pocket", error="The prompt has 8,009 tokens and pocket takes 1,024.", status="failed")
    monkeypatch.setattr(ask, "start_each", lambda *_: "one")
    monkeypatch.setattr(ask, "wait_for", lambda *_: [failed])
    assert command_line.main(["--home", str(pocket_home.root), "ask", "pocket", "--prompt", "hi"]) == 2
    assert "takes 1,024" in capsys.readouterr().out


def test_data_is_never_written_over_a_file_and_rows_are_counted_from_nothing(
    pocket_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    run = ["--home", str(pocket_home.root), "datasets"]
    assert command_line.main([*run, "add", str(rows), "--name", "prompts"]) == 0
    assert command_line.main([*run, "export", "prompts", str(rows)]) == 2
    assert "is there already, and nothing was written" in capsys.readouterr().err and '"a"' in rows.read_text()
    assert command_line.main([*run, "show", "prompts", "--limit", "-1"]) == 2
    capsys.readouterr()
    assert command_line.main(["--home", str(pocket_home.root), "measure", "pocket", "--data", "prompts"]) == 2
    assert "nothing in it can be scored" in capsys.readouterr().err

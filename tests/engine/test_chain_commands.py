"""``chain``: what waits for a road ends with the exit code that is documented, and no option goes unheard."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from engine import __main__ as command_line
from engine.commands import runs as waiting
from engine.jobs import chains, health, supervisor
from engine.jobs.health import EngineView
from storage import chains as stored
from storage import runs
from storage.home import Home
from storage.records import Run
from tests.engine.jobs.roads import BAR, DPO, SFT, below_its_bar, next_run, succeed

JUDGE = ["--address", "http://127.0.0.1:9/v1", "--judge", "large"]


@pytest.fixture
def engine(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that seems to run; the tests do its work between two looks."""
    monkeypatch.setattr(command_line.prepare, "prepare", lambda _: None)
    monkeypatch.setattr(supervisor, "ensure", lambda _: None)
    monkeypatch.setattr(health, "engine", lambda _: EngineView(True, 1, 0.0))


@pytest.fixture
def road(tmp_path: Path) -> str:
    """A file with two stages, the first with a bar."""
    (tmp_path / "road.json").write_text(json.dumps([{**SFT, "bar": BAR}, DPO]))
    return str(tmp_path / "road.json")


def begin(home: Home, road: str, *more: str) -> int:
    return command_line.main(["--home", str(home.root), "chain", "begin", road, "--model", "pocket", "--name", "road", *more])


def between_looks(monkeypatch: pytest.MonkeyPatch, *acts: Any) -> None:
    """Do these one after the other where a waiting command sleeps."""
    left = list(acts)
    monkeypatch.setattr(time, "sleep", lambda _: left.pop(0)() if left else pytest.fail("it still waits"))


def fail(home: Home, run: Run | None) -> None:
    assert run is not None
    runs.end(home, run.id, "failed", failure="killed", reason="It was killed.")


@pytest.mark.usefixtures("engine")
def test_a_bar_that_is_not_met_ends_the_waiting_with_3_and_one_that_is_met_with_0(
    pocket: Home, road: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(value: float) -> None:
        succeed(pocket, next_run(pocket), value=value, low=0.0, high=1.0, n=50)
        chains.advance(pocket)

    between_looks(monkeypatch, lambda: succeed(pocket, next_run(pocket)), lambda: measured(0.1))
    assert begin(pocket, road, "--wait", "--json") == 3
    told = capsys.readouterr()
    assert "sft reaches 10.0%" in told.err and json.loads(told.out)["status"] == "held"

    def rest() -> None:
        succeed(pocket, next_run(pocket))
        chains.advance(pocket)

    between_looks(monkeypatch, lambda: succeed(pocket, next_run(pocket)), lambda: measured(0.9), rest)
    assert begin(pocket, road, "--wait", "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


@pytest.mark.usefixtures("engine")
def test_a_road_that_is_stopped_from_elsewhere_or_whose_run_fails_ends_the_waiting_with_4(
    pocket: Home, road: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    between_looks(monkeypatch, lambda: chains.stop(pocket, chains.find(pocket, "road")))
    assert begin(pocket, road, "--wait") == 4
    assert "road was stopped. `chain resume 1` goes on with it" in capsys.readouterr().err
    between_looks(monkeypatch, lambda: fail(pocket, next_run(pocket)))
    assert begin(pocket, road, "--wait") == 4
    assert "road waits at sft: It was killed." in capsys.readouterr().err


@pytest.mark.usefixtures("engine")
def test_what_holds_a_road_beside_a_bar_ends_the_waiting_with_its_own_code(
    pocket: Home, road: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loses_its_model() -> None:
        run = next_run(pocket)
        assert run is not None
        runs.end(pocket, run.id, "succeeded", summary={"model_id": 999})
        chains.advance(pocket)

    between_looks(monkeypatch, loses_its_model)
    assert begin(pocket, road, "--wait") == 2
    assert "#999" in capsys.readouterr().err

    def faulty(*_: Any) -> None:
        raise TypeError("unheard of")

    def stumbles() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(chains, "standings", faulty)
            chains.advance(pocket)

    between_looks(monkeypatch, stumbles)
    assert begin(pocket, road, "--wait") == 1
    assert "unheard of" in capsys.readouterr().err


def test_who_waits_for_a_road_gives_up_where_no_engine_is_left(
    pocket: Home, road: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0.001)
    monkeypatch.setattr(supervisor, "ensure", lambda _: None)
    looks: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda _: looks.append(1) if len(looks) < 100 else pytest.fail("it still waits"))
    assert begin(pocket, road, "--wait") == 1
    assert "The engine has ended, and road (chain 1) is not done: sft waiting, dpo waiting" in capsys.readouterr().err


def test_who_waits_for_a_road_revives_an_engine_that_was_killed(pocket: Home, road: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0.001)
    revived: list[Home] = []

    def ensure(home: Home) -> None:
        if not revived:
            (home.root / "engine.json").write_text("{}")  # of the one that began it, and was killed
        elif len(revived) == 1:
            chains.stop(home, chains.find(home, "road"))
        revived.append(home)

    monkeypatch.setattr(supervisor, "ensure", ensure)
    assert begin(pocket, road, "--wait") == 4 and len(revived) == 2


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "questions=x"], "says all of that itself, so --data would do nothing"),
        (JUDGE, "--address would do nothing"),
        (["--principle", "Be kind."], "--principle would do nothing"),
        (["--rule", "ended"], "--rule would do nothing"),
    ],
)
def test_a_road_in_a_file_takes_no_options_of_the_gallery(
    words: list[str], said: str, pocket: Home, road: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(pocket, road, *words) == 2
    assert said in capsys.readouterr().err and not stored.page(pocket)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("instructgpt", JUDGE, "Nobody compares answers in InstructGPT, so --address would do nothing"),
        ("instructgpt", ["--rule", "ended"], "so --rule would do nothing"),
        ("zephyr", [*JUDGE, "--rule", "ended"], "The rule takes the place of a judge, and here is one"),
        ("zephyr", ["--principle", "Be kind."], "Principles are for a judge"),
    ],
)
def test_a_road_of_the_gallery_takes_no_option_that_it_would_not_hear(
    name: str, words: list[str], said: str, pocket: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(pocket, name, *words) == 2
    assert said in capsys.readouterr().err and not stored.page(pocket)


@pytest.mark.usefixtures("engine")
def test_principles_come_from_a_file_and_from_the_line(pocket: Home, tmp_path: Path) -> None:
    (tmp_path / "principles.txt").write_text("Be kind.\n")
    more = ["--principles", str(tmp_path / "principles.txt"), "--principle", "Be brief.", "--principle=- Be true."]
    assert begin(pocket, "zephyr", *JUDGE, *more) == 0
    judge = stored.page(pocket)[0].request["stages"][1]["judge"]
    assert judge["principles"] == ["Be kind.", "Be brief.", "- Be true."]


@pytest.mark.usefixtures("engine")
def test_a_road_is_begun_again_past_a_bar_where_that_is_said(pocket: Home, capsys: pytest.CaptureFixture[str]) -> None:
    held, _, _ = below_its_bar(pocket)
    again = ["--home", str(pocket.root), "chain", "again", f"#{held.id}", "--stage", "dpo"]
    assert command_line.main(again) == 2 and "say so" in capsys.readouterr().err
    assert command_line.main([*again, "--anyway"]) == 0
    assert "bars that need not be met: sft" in capsys.readouterr().out

"""The ledger of labelling: whole lines, damage that is seen, and votes that outlive a database that lost them."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import TryLater
from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.pairs import NewPair
from storage import db, ledger, preferences
from storage.home import Home
from storage.records import Project, Vote

ROOT = Path(__file__).resolve().parents[2]


def begin(home: Home, count: int = 12) -> Project:
    project = projects.create(home, "tone", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"{i}? ü"}], f"a {i}", f"b {i}") for i in range(count)])
    return project


def label(home: Home, project: Project, count: int) -> list[Vote]:
    return [desk.vote(home, desk.look(home, project, "anna")[0].showing.token, Given("left", reason="ü")) for _ in range(count)]


def copy_of(home: Home, folder: Path) -> Home:
    """A home with the database as it is now, whole."""
    other = Home.resolve(folder)
    db._copy(db._open(home), other.database)
    return other


def standing(home: Home, project_id: int = 1) -> list[Any]:
    return [(v.token, v.pair_id, v.choice, v.reason) for v in preferences.votes(home, project_id)]


def test_what_is_written_is_read_again(home: Home) -> None:
    changes = [{"do": "x", "text": "ü\n\ud800"}, {"do": "y", "n": 2}]
    end = ledger.append(home, changes)
    assert [entry.changes for entry in ledger.read(home)] == [changes]
    assert [entry.end for entry in ledger.read(home)][-1] == end == ledger.size(home)


def test_a_line_that_was_cut_off_is_none_and_the_next_one_is_whole(home: Home) -> None:
    ledger.append(home, [{"n": 1}])
    ledger.append(home, [{"n": 2}])
    os.truncate(ledger.path(home), ledger.size(home) - 3)
    assert [entry.changes for entry in ledger.read(home)] == [[{"n": 1}]]
    ledger.append(home, [{"n": 3}])
    assert [entry.changes for entry in ledger.read(home)] == [[{"n": 1}], None, [{"n": 3}]]


def test_a_line_with_another_byte_in_it_is_seen(home: Home) -> None:
    for n in (1, 2, 3):
        ledger.append(home, [{"n": n}])
    held = bytearray(ledger.path(home).read_bytes())
    held[held.index(b'{"n":2}') + 5] ^= 1
    ledger.path(home).write_bytes(held)
    assert [entry.changes for entry in ledger.read(home)] == [[{"n": 1}], None, [{"n": 3}]]


def test_a_full_disk_leaves_the_ledger_as_it_was_and_stores_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    project = begin(home)
    before, token = ledger.path(home).read_bytes(), desk.look(home, project, "anna")[0].showing.token
    real = os.write

    def full(handle: int, body: bytes) -> int:
        real(handle, body[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        desk.vote(home, token, Given("left"))
    monkeypatch.undo()
    assert ledger.path(home).read_bytes() == before
    assert standing(home) == []
    assert desk.vote(home, token, Given("left")).choice in ("first", "second")


def test_every_acknowledged_change_outlives_a_database_that_lost_it(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    label(home, project, 2)
    lost = copy_of(home, tmp_path / "lost")
    label(home, project, 5)
    desk.undo(home, project, "anna")
    desk.decide(home, preferences.pairs(home, project.id)[0], "boss", "tie")
    projects.mark_gold(home, preferences.pairs(home, project.id)[1], "first")
    projects.change_settings(home, project, {"overlap": 1.0, "raters": 3})
    pairs.add(home, project, [NewPair([{"role": "user", "content": "new?"}], "a", "b")])
    projects.create(home, "second")
    shutil.copyfile(ledger.path(home), ledger.path(lost))
    assert preferences.recover(lost) == 5 + 1 + 1 + 1 + 1 + 1 + 1
    assert preferences.recover(lost) == 0
    assert standing(lost) == standing(home)
    assert preferences.pairs(lost, project.id) == preferences.pairs(home, project.id)
    assert [(p.name, p.settings) for p in preferences.projects(lost)] == [
        (p.name, p.settings) for p in preferences.projects(home)
    ]


def test_a_new_database_is_filled_from_the_ledger_alone(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    label(home, project, 6)
    fresh = Home.resolve(tmp_path / "fresh")
    db.migrate(fresh)
    shutil.copyfile(ledger.path(home), ledger.path(fresh))
    preferences.recover(fresh)
    assert standing(fresh) == standing(home)
    assert preferences.pairs(fresh, project.id) == preferences.pairs(home, project.id)
    assert len(label(fresh, projects.find(fresh, "tone"), 6)) == 6, "labelling goes on where it was"


def test_whoever_writes_next_takes_in_what_was_lost(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    lost = copy_of(home, tmp_path / "lost")
    made = label(home, project, 3)
    shutil.copyfile(ledger.path(home), ledger.path(lost))
    label(lost, projects.find(lost, "tone"), 1)
    assert [token for token, *_ in standing(lost)][:3] == [vote.token for vote in made]


def test_a_change_whose_commit_failed_is_told_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    project = begin(home)
    token = desk.look(home, project, "anna")[0].showing.token

    def fails(*_: Any) -> None:
        raise OSError("the power went")

    monkeypatch.setattr(preferences, "_mark", fails)
    with pytest.raises(OSError, match="the power went"):
        desk.vote(home, token, Given("left"))
    monkeypatch.undo()
    assert standing(home) == []
    assert desk.vote(home, token, Given("right")).token == token
    assert len(standing(home)) == 1


def test_voting_goes_on_without_the_ledger_and_beside_a_damaged_line(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    label(home, project, 2)
    held = bytearray(ledger.path(home).read_bytes())
    held[-20] ^= 1
    fresh = Home.resolve(tmp_path / "fresh")
    db.migrate(fresh)
    ledger.path(fresh).write_bytes(held)
    preferences.recover(fresh)
    assert len(standing(fresh)) == 1, "all but the damaged line"
    ledger.path(home).unlink()
    label(home, project, 3)
    assert len(standing(home)) == 5
    preferences.recover(home)
    assert len(standing(home)) == 5


def test_a_file_that_can_grow_no_further_is_left_as_it_was(home: Home, tmp_path: Path) -> None:
    ledger.append(home, [{"n": 1}])
    before = ledger.path(home).read_bytes()
    program = """
import resource, sys
from pathlib import Path
from storage import ledger
from storage.home import Home
from storage.records import Vote
home = Home.resolve(Path(sys.argv[1]))
room = ledger.size(home) + 20
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    ledger.append(home, [{"text": "x" * 100}, {"n": 2}])
except OSError as problem:
    print("refused", problem.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program, str(home.root)], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "refused File too large\n"
    assert ledger.path(home).read_bytes() == before
    ledger.append(home, [{"n": 3}])
    assert [entry.changes for entry in ledger.read(home)] == [[{"n": 1}], [{"n": 3}]]


def test_a_log_that_was_thrown_away_loses_nothing_that_was_acknowledged(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    label(home, project, 2)
    with contextlib.closing(db._open(home)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    made = label(home, project, 4)
    desk.undo(home, project, "anna")
    open_one = desk.look(home, project, "anna")[0].showing.token
    lost = Home.resolve(tmp_path / "lost")
    shutil.copyfile(home.database, lost.database)  # without what lies beside it
    shutil.copyfile(ledger.path(home), ledger.path(lost))
    assert made[0].token not in [token for token, *_ in standing(lost)]
    assert preferences.recover(lost) == 5
    assert preferences.recover(lost) == 0
    assert standing(lost) == standing(home)
    assert len(standing(lost)) == 5
    assert preferences.counts(lost, project.id) == preferences.counts(home, project.id)
    again = desk.vote(lost, made[0].token, Given("right"))
    assert (again.token, again.choice) == (made[0].token, made[0].choice)
    with pytest.raises(TryLater, match="nothing was stored"):
        desk.vote(lost, open_one, Given("left"))  # what lay before somebody may be lost, and is told
    assert len(label(lost, projects.find(lost, "tone"), 7)) == 7


def test_every_line_of_many_that_is_damaged_is_the_only_one_lost(home: Home, tmp_path: Path) -> None:
    project = begin(home, 6)
    label(home, project, 6)
    held = ledger.path(home).read_bytes()
    begins = [0, *(entry.end for entry in ledger.read(home))]
    lines = [entry.changes for entry in ledger.read(home)]
    for i, changes in enumerate(lines):
        assert changes is not None and len(changes) == 1
        change = changes[0]
        damaged = bytearray(held)
        damaged[(begins[i] + begins[i + 1]) // 2] ^= 0x40
        fresh = Home.resolve(tmp_path / f"fresh {i}")
        db.migrate(fresh)
        ledger.path(fresh).write_bytes(damaged)
        preferences.recover(fresh)
        rests_on_it = change["do"] in ("project", "pairs")  # what rests on a lost line is passed over, and stops nothing
        left = [token for token, *_ in standing(home) if token != change.get("token") and not rests_on_it]
        assert [token for token, *_ in standing(fresh)] == left
        assert preferences.recover(fresh) == 0


def test_a_change_of_several_parts_that_was_cut_off_did_not_happen_at_all(home: Home, tmp_path: Path) -> None:
    project = begin(home)
    pair = preferences.pairs(home, project.id)[0]
    desk.decide(home, pair, "boss", "first")
    lost = copy_of(home, tmp_path / "lost")
    desk.decide(home, pair, "boss", "second")
    ledger.path(lost).write_bytes(ledger.path(home).read_bytes()[:-3])  # the power went while it was written
    preferences.recover(lost)
    assert [vote.choice for vote in preferences.votes(lost, project.id)] == ["first"]


def failing_once(monkeypatch: pytest.MonkeyPatch, verb: Callable[[], Any]) -> None:
    """Let a verb write its change down, and fail before the commit."""

    def fails(*_: Any) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(preferences, "_mark", fails)
        with pytest.raises(OSError, match="the power went"):
            verb()


def test_a_decision_whose_commit_failed_can_be_made_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    project = begin(home)
    pair = preferences.pairs(home, project.id)[0]
    failing_once(monkeypatch, lambda: desk.decide(home, pair, "boss", "first"))
    assert desk.decide(home, pair, "boss", "second").choice == "second"
    assert [vote.choice for vote in preferences.votes(home, project.id)] == ["second"]


def test_a_comparison_whose_commit_failed_can_be_made_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    project = begin(home)
    new = NewPair([{"role": "user", "content": "?"}], "x", "y")

    def compare(choice: str, token: str) -> Vote:
        return desk.compare(home, project, [desk.Compared(new, choice, token * 32)], "anna", source="chat")[0]

    failing_once(monkeypatch, lambda: compare("first", "1"))
    assert compare("second", "2").choice == "second"
    assert [vote.choice for vote in preferences.votes(home, project.id)] == ["second"]


def test_settings_whose_commit_failed_reach_every_pair_afterwards(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    project = begin(home)
    change = {"overlap": 1.0, "raters": 3}
    failing_once(monkeypatch, lambda: projects.change_settings(home, project, change))
    projects.change_settings(home, project, change)
    assert {pair.raters for pair in preferences.pairs(home, project.id)} == {3}


@pytest.mark.parametrize("text", ["ü 😀 \u2028\x00", "half \ud83d of one", '\\ud800 "\\', "\ud800\\"])
def test_any_text_is_read_as_it_was_written(home: Home, text: str) -> None:
    ledger.append(home, [{"text": text}])
    assert [entry.changes for entry in ledger.read(home)] == [[{"text": text}]]

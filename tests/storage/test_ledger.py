"""The ledger of labelling: whole lines, damage that is seen, and votes that outlive a database that lost them."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.pairs import NewPair
from storage import db, ledger, preferences
from storage.home import Home
from storage.records import Project, Vote


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
    assert [entry.change for entry in ledger.read(home)] == changes
    assert [entry.end for entry in ledger.read(home)][-1] == end == ledger.size(home)


def test_a_line_that_was_cut_off_is_none_and_the_next_one_is_whole(home: Home) -> None:
    ledger.append(home, [{"n": 1}])
    ledger.append(home, [{"n": 2}])
    os.truncate(ledger.path(home), ledger.size(home) - 3)
    assert [entry.change for entry in ledger.read(home)] == [{"n": 1}]
    ledger.append(home, [{"n": 3}])
    assert [entry.change for entry in ledger.read(home)] == [{"n": 1}, None, {"n": 3}]


def test_a_line_with_another_byte_in_it_is_seen(home: Home) -> None:
    ledger.append(home, [{"n": 1}, {"n": 2}, {"n": 3}])
    held = bytearray(ledger.path(home).read_bytes())
    held[held.index(b'{"n":2}') + 5] ^= 1
    ledger.path(home).write_bytes(held)
    assert [entry.change for entry in ledger.read(home)] == [{"n": 1}, None, {"n": 3}]


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

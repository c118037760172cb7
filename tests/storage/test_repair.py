"""A damaged database: seen, set aside, and made anew with every label."""

from pathlib import Path

import pytest

from engine import __main__ as command_line
from engine import prepare
from engine.errors import Damaged
from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.pairs import NewPair
from storage import db, events, models, preferences, repair, runs
from storage.home import Home


def filled(home: Home) -> list[str]:
    """Runs with metrics, and labels; the tokens of the votes."""
    for i in range(30):
        run = runs.insert(home, kind="train", name=f"run {i}", request={"method": "sft"}, token=None)
        events.add_metrics(home, run.id, [("loss", step, 1.0) for step in range(50)])
    project = projects.create(home, "tone", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"{i}?"}], "a" * 500, f"b {i}") for i in range(50)])
    return [desk.vote(home, desk.look(home, project, "anna")[0].showing.token, Given("left")).token for _ in range(40)]


def spoil(home: Home) -> None:
    """Overwrite pages in the middle of the database."""
    connection = db._open(home)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    db.close_readers()
    body = bytearray(home.database.read_bytes())
    for page in range(60, len(body) // 4096, 3):
        body[page * 4096 : page * 4096 + 200] = b"\x07" * 200
    home.database.write_bytes(body)


def test_what_can_be_read_is_kept_and_every_label_comes_from_the_ledger(pocket: Home) -> None:
    tokens = filled(pocket)
    assert repair.faults(pocket) == []
    spoil(pocket)
    assert repair.faults(pocket)
    made = repair.repair(pocket)
    db.close_readers()
    assert repair.faults(pocket) == []
    assert made.copied["run"] == 30, "what was spared is whole"
    assert [vote.token for vote in preferences.votes(pocket, 1)] == tokens
    assert made.aside.exists() and made.aside != pocket.database
    assert made.copied["model"] == len(models.all(pocket))
    prepare.prepare(pocket)


def test_a_damaged_database_is_refused_in_words_and_repaired_by_a_command(
    pocket: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    filled(pocket)
    spoil(pocket)
    with db.sqlite3.connect(str(pocket.database)) as connection:
        connection.execute("UPDATE ledger SET bytes = 0")
    connection.close()
    with pytest.raises(Damaged, match="python -m engine repair"):
        prepare.prepare(pocket)
    home = ["--home", str(pocket.root)]
    assert command_line.main([*home, "status"]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert command_line.main([*home, "repair"]) == 0
    assert "changes of labels taken from the ledger" in capsys.readouterr().out
    db.close_readers()
    assert len(preferences.votes(pocket, 1)) == 40
    assert command_line.main([*home, "repair"]) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_a_whole_database_is_copied_row_for_row(pocket: Home) -> None:
    filled(pocket)
    before = {
        table: db.rows(pocket, f"SELECT COUNT(*) AS n FROM {table}")[0]["n"] for table in ("run", "run_history", "metric", "vote")
    }
    db.close_readers()
    repair.repair(pocket)
    db.close_readers()
    after = {table: db.rows(pocket, f"SELECT COUNT(*) AS n FROM {table}")[0]["n"] for table in before}
    assert after == before

"""What storage promises: one value a step, one owner a run, whole files, honest refusals."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlite_utils.migrations import Migrations

from storage import db, events, files, models, runs
from storage.home import Home
from storage.records import Run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.resolve(tmp_path / "home")
    db.migrate(home)
    return home


def queue(home: Home, **more: object) -> Run:
    return runs.insert(home, kind="train", name="r", request={"method": "sft"}, **{"token": None, **more})  # type: ignore[arg-type]


def test_a_path_that_begins_with_nobodys_name_stays_as_it_was_given() -> None:
    assert files.place("~nobody-there/rows.jsonl") == Path("~nobody-there/rows.jsonl")
    assert files.place("~/rows.jsonl") == Path.home() / "rows.jsonl"


def test_a_step_that_is_repeated_keeps_its_last_value(home: Home) -> None:
    run = queue(home)
    events.add_metrics(home, run.id, [("loss", 1, 3.0), ("loss", 2, 2.0)])
    events.add_metrics(home, run.id, [("loss", 2, 1.5), ("loss", 3, 1.0)])
    assert events.curve(home, run.id, "loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert events.latest(home, run.id) == {"loss": (3, 1.0)}


def test_a_run_that_goes_back_to_a_step_shows_the_figures_of_that_step(home: Home) -> None:
    run, other = queue(home), queue(home)
    for one in (run, other):
        events.add_metrics(home, one.id, [("planned_steps", 0, 9.0), *(("loss", step, float(step)) for step in range(1, 9))])
    events.add_metrics(home, run.id, [("eval_loss", 7, 0.7)])
    events.forget_after(home, run.id, 5)
    assert events.latest(home, run.id) == {"planned_steps": (0, 9.0), "loss": (5, 5.0)}
    assert events.latest(home, other.id)["loss"] == (8, 8.0)
    events.forget_after(home, run.id, 0)
    assert events.latest(home, run.id) == {"planned_steps": (0, 9.0)} and events.curve(home, run.id, "loss") == []


def test_the_tail_of_metrics_holds_what_was_written_after_a_number(home: Home) -> None:
    run, other = queue(home), queue(home)
    events.add_metrics(home, run.id, [("loss", step, float(step)) for step in range(5)])
    seen = events.metrics_since(home, run.id, 0)[-1].seq
    events.add_metrics(home, other.id, [("loss", 9, 9.0)])
    events.add_metrics(home, run.id, [("loss", 4, 40.0), ("rate", 5, 0.1)])
    assert [(m.series, m.step, m.value) for m in events.metrics_since(home, run.id, seen)] == [
        ("loss", 4, 40.0),
        ("rate", 5, 0.1),
    ]


def test_a_reader_of_the_tail_misses_nothing_when_a_resume_drops_values(home: Home) -> None:
    run = queue(home)
    events.add_metrics(home, run.id, [("loss", step, float(step)) for step in range(5)])
    seen = events.metrics_since(home, run.id, 0)[-1].seq
    events.forget_after(home, run.id, 2)
    events.add_metrics(home, run.id, [("loss", 3, 30.0)])
    assert [(m.step, m.value) for m in events.metrics_since(home, run.id, seen)] == [(3, 30.0)]


def test_a_long_curve_is_thinned_and_keeps_every_spike(home: Home) -> None:
    run, rng = queue(home), random.Random(0)
    values = [rng.random() for _ in range(30_000)]
    values[12_345], values[23_456] = 99.0, -99.0
    events.add_metrics(home, run.id, [("loss", step, value) for step, value in enumerate(values)])
    curve = events.curve(home, run.id, "loss", points=2000)
    assert len(curve) <= 2002
    assert (12_345, 99.0) in curve and (23_456, -99.0) in curve and curve[-1] == (29_999, values[-1])
    assert curve == sorted(curve)


def test_a_value_that_is_not_a_number_does_not_stop_the_curve(home: Home) -> None:
    run = queue(home)
    events.add_metrics(home, run.id, [("loss", 1, 1.0), ("loss", 2, float("nan"))])
    assert events.curve(home, run.id, "loss")[0] == (1, 1.0)


def test_many_claimers_get_each_run_once(home: Home) -> None:
    wanted = {queue(home).id for _ in range(20)}
    claimed: list[int] = []

    def claim() -> None:
        while (run := runs.claim(home)) is not None:
            claimed.append(run.id)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(wanted)


def test_a_run_ends_once_and_only_from_the_state_it_is_in(home: Home) -> None:
    run = queue(home)
    assert not runs.end(home, run.id, "succeeded")
    runs.claim(home)
    assert runs.end(home, run.id, "failed", reason="no", failure="bug")
    assert not runs.end(home, run.id, "succeeded")
    assert runs.requeue(home, run.id) and not runs.requeue(home, run.id)
    assert [h["after"] for h in runs.history(home, run.id)] == ["queued", "running", "failed", "queued"]


def test_a_failed_run_without_a_reason_cannot_be_written(home: Home) -> None:
    run = queue(home)
    runs.claim(home)
    with pytest.raises(db.sqlite3.IntegrityError):
        runs.end(home, run.id, "failed")
    found = runs.get(home, run.id)
    assert found is not None and found.status == "running"


def test_the_queue_follows_the_order_it_was_given(home: Home) -> None:
    ids = [queue(home).id for _ in range(4)]
    runs.reorder(home, [ids[3], ids[1]])
    late = queue(home).id
    assert [run.id for run in runs.in_status(home, "queued")] == [ids[3], ids[1], ids[0], ids[2], late]
    first = runs.claim(home)
    assert first is not None and first.id == ids[3]


def test_a_page_cannot_write_through_its_connection(home: Home) -> None:
    with pytest.raises(db.sqlite3.OperationalError, match="readonly"):
        db.reader(home).execute("DELETE FROM run")


def test_a_transaction_that_fails_leaves_nothing_behind(home: Home) -> None:
    with pytest.raises(RuntimeError), db.transaction(home) as connection:
        connection.execute(
            "INSERT INTO run (kind, name, status, request, priority, created_at) VALUES ('x', 'x', 'queued', '{}', 1, 'now')"
        )
        raise RuntimeError
    assert runs.page(home) == []


def test_a_home_of_a_newer_version_is_refused_with_words_and_left_alone(home: Home) -> None:
    with db.transaction(home) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('temper', '9999_future', 'now')"
        )
    with pytest.raises(db.NewerHome, match="newer version"):
        db.migrate(home)


def test_a_home_without_tables_says_that_the_engine_prepares_it(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "fresh")
    with pytest.raises(db.NotMigrated, match="make run"):
        runs.page(home)


def test_six_threads_that_migrate_at_once_leave_one_whole_home(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "fresh")
    problems: list[BaseException] = []

    def migrate() -> None:
        try:
            db.migrate(home)
        except BaseException as problem:  # what goes wrong in a thread would else be lost
            problems.append(problem)

    threads = [threading.Thread(target=migrate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and runs.page(home) == []


def test_the_copy_before_a_migration_holds_what_was_written_a_moment_ago(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs.page(home) == []  # while this connection is open, what is written lies in the write-ahead log alone
    run = queue(home)
    newer = Migrations("temper")
    for known in [*(m.name for m in db.MIGRATIONS._migrations), "9999_nothing"]:
        newer(name=known)(lambda _: None)
    monkeypatch.setattr(db, "MIGRATIONS", newer)
    assert db.migrate(home) == ["9999_nothing"]
    (copied,) = home.root.glob("*.before-*.db")
    with db.sqlite3.connect(str(copied)) as copy:
        assert copy.execute("SELECT name FROM run").fetchall() == [(run.name,)]
    copy.close()


def test_two_models_of_one_name_are_told_apart_by_a_number(home: Home) -> None:
    given = dict(
        name="pocket", kind="model", path="/x", base_id=None, run_id=None, fingerprint="f", parameters=1, bytes=1, dtype="float32",
        context=1, license=None, template="own", source="test",
    )  # fmt: skip
    assert [models.insert(home, **given).name for _ in range(3)] == ["pocket", "pocket-2", "pocket-3"]


def test_a_sealed_folder_is_whole_until_a_byte_of_it_changes(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"weights")
    (folder / "inner" / "b.bin").write_bytes(b"more")
    assert not files.is_whole(folder)
    files.seal(folder)
    assert files.is_whole(folder)
    (folder / "inner" / "b.bin").write_bytes(b"mare")
    assert not files.is_whole(folder)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), files.writing(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["note.txt"]


def test_what_is_read_within_a_transaction_is_what_it_has_changed(home: Home) -> None:
    db.rows(home, "SELECT 1")
    with db.transaction(home) as connection:
        connection.execute("INSERT INTO project VALUES (1, 'tone', '{}', '')")
        assert db.row(home, "SELECT name FROM project") is not None
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(db.row, home, "SELECT name FROM project").result() is None, "others see it when it is committed"
    assert db.row(home, "SELECT name FROM project") is not None
    with pytest.raises(db.sqlite3.OperationalError):
        db.reader(home).execute("DELETE FROM project")


@pytest.mark.parametrize("text", ["", "²", "-1", "1.5", "9" * 19, "9" * 5000, "x"])
def test_a_text_that_names_no_row_has_no_number(text: str) -> None:
    assert db.number(text) is None
    assert db.number("7") == 7

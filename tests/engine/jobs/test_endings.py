"""What is written about a run whose worker is gone: the cause where somebody saw it, never a guess."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from engine.jobs import checkpoints, failures, health, keeper, processes, supervisor, work, worker
from engine.jobs.reporter import RunReporter
from storage import db, events, files, runs
from storage.home import Home
from storage.records import KINDS, Run

ROOM = 10 * files.FULL


@pytest.fixture
def run(home: Home) -> Run:
    """A claimed run whose worker began and is gone."""
    runs.insert(home, kind="train", name="r", request={"method": "sft"}, token=None)
    claimed = runs.claim(home)
    assert claimed is not None
    home.run(claimed.id).mkdir(parents=True)
    (home.run(claimed.id) / "worker.json").write_text("{}")
    return claimed


def seen(home: Home, run: Run, code: int, kills: int = 0) -> None:
    """What the keeper writes."""
    facts = {"code": code, "out_of_memory_kills": kills, "free_disk": ROOM}
    failures.exit_file(home.run(run.id), run.attempt).write_text(json.dumps(facts))


def ending(home: Home, run: Run) -> Run:
    assert health.reconcile(home) == [run.id]
    found = runs.get(home, run.id)
    assert found is not None
    return found


def test_a_run_whose_keeper_still_lives_waits_for_what_it_saw(home: Home, run: Run) -> None:
    lock = processes.hold(failures.keeper_lock(home.run(run.id), run.attempt))
    assert lock is not None
    assert health.reconcile(home) == []
    seen(home, run, -signal.SIGKILL)
    lock.close()
    assert ending(home, run).failure == "killed"


def test_a_run_whose_keeper_is_gone_too_is_lost_at_once(home: Home, run: Run) -> None:
    failures.keeper_lock(home.run(run.id), run.attempt).touch()
    ended = ending(home, run)
    assert (ended.status, ended.failure) == ("interrupted", "lost")


def test_a_worker_that_was_ended_since_the_engine_stopped_is_interrupted(home: Home, run: Run) -> None:
    (home.run(run.id) / health.INTERRUPT).touch()
    runs.request_stop(home, run.id)
    seen(home, run, -signal.SIGKILL)
    ended = ending(home, run)
    assert ended.status == "interrupted" and "The engine was stopped" in (ended.reason or "")


@pytest.mark.parametrize(("steps", "said"), [((), "It has no checkpoint"), ((5, 10), "The checkpoint of step 10 is kept")])
def test_a_stop_that_had_to_be_made_names_the_checkpoint_that_is_there(
    home: Home, run: Run, steps: tuple[int, ...], said: str
) -> None:
    for step in steps:
        events.add_checkpoint(home, run.id, step, f"/step-{step}", 1)
    runs.request_stop(home, run.id)
    seen(home, run, -signal.SIGKILL)
    ended = ending(home, run)
    assert ended.status == "stopped" and said in (ended.reason or "")


@pytest.mark.parametrize(
    ("code", "kills", "kind"), [(-signal.SIGKILL, 1, "out of memory"), (1, 0, "bug"), (-signal.SIGSEGV, 0, "bug")]
)
def test_a_crash_after_a_stop_keeps_its_cause(home: Home, run: Run, code: int, kills: int, kind: str) -> None:
    runs.request_stop(home, run.id)
    seen(home, run, code, kills)
    ended = ending(home, run)
    assert (ended.status, ended.failure) == ("failed", kind)


def test_a_memory_kill_elsewhere_does_not_blame_a_worker_that_ended_by_itself(home: Home, run: Run) -> None:
    seen(home, run, 1, kills=3)
    assert failures.of_exit(home, run).kind == "bug"


def test_memory_kills_are_counted_from_the_hand_over(home: Home, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([7])
    monkeypatch.setattr(processes, "out_of_memory_kills", lambda: next(counts))
    monkeypatch.setattr(keeper.sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{run.id} {run.attempt}\n".encode())))
    idle = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    claimed: list[keeper.Claim] = []
    keeper._pass_on(home, idle, claimed)
    assert idle.wait() == 0
    assert [(c.attempt, c.kills) for c in claimed] == [(run.attempt, 7)]
    assert health.kept(home, run), "from now on the keeper is known to live"
    claimed[0].lock.close()


def test_an_ending_without_a_reason_names_the_log_that_is_there(home: Home, run: Run) -> None:
    seen(home, run, 1)
    assert str(home.run(run.id) / "log.txt") in failures.of_exit(home, run).reason
    (home.run(run.id) / "worker.json").unlink()
    assert str(home.logs / "worker.log") in failures.of_exit(home, run).reason


@pytest.mark.parametrize(("status", "attempt"), [("queued", 1), ("running", 2)])
def test_a_worker_whose_run_is_another_s_by_now_does_nothing(home: Home, run: Run, status: str, attempt: int) -> None:
    runs.unclaim(home, run.id)
    if status == "running":
        runs.claim(home)
    before = (home.run(run.id) / "worker.json").read_text()
    assert worker.work(home, run.id, 1) == 0
    found = runs.get(home, run.id)
    assert found is not None and (found.status, found.attempt) == (status, attempt)
    assert (home.run(run.id) / "worker.json").read_text() == before


def test_a_claimed_run_whose_keeper_lives_is_not_given_back(home: Home, run: Run) -> None:
    (home.run(run.id) / "worker.json").unlink()
    engine = supervisor.Supervisor(home)
    engine.began = time.monotonic() - supervisor.ORPHAN_GRACE
    with processes.hold(failures.keeper_lock(home.run(run.id), run.attempt)):  # type: ignore[union-attr]
        engine._give_back_orphans()
        assert runs.get(home, run.id).status == "running"  # type: ignore[union-attr]
    engine._give_back_orphans()
    assert runs.get(home, run.id).status == "queued"  # type: ignore[union-attr]


def test_what_an_engine_asked_of_an_earlier_attempt_is_forgotten_at_the_hand_over(home: Home) -> None:
    run = runs.insert(home, kind="train", name="r", request={"method": "sft"}, token=None)
    home.run(run.id).mkdir(parents=True)
    (home.run(run.id) / health.INTERRUPT).touch()
    engine = supervisor.Supervisor(home)
    engine.warm = subprocess.Popen([sys.executable, "-c", "print(input())"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    engine._hand_over(supervisor.LANES[0])
    told = engine.keepers[run.id].stdout
    assert told is not None and told.read().decode() == f"{run.id} 1\n"
    assert engine.keepers[run.id].wait() == 0 and not (home.run(run.id) / health.INTERRUPT).exists()
    told.close()


def test_a_terminate_in_the_middle_of_a_write_asks_for_the_stop_without_waiting_for_itself(home: Home, run: Run) -> None:
    reporter = RunReporter(home, run.id)
    before = signal.signal(signal.SIGTERM, reporter.terminate)
    try:
        with db.transaction(home):
            began = time.monotonic()
            os.kill(os.getpid(), signal.SIGTERM)
            assert time.monotonic() - began < 1
        deadline = time.monotonic() + 10
        while not reporter.stop_requested() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert reporter.stop_requested() and runs.stop_requested_at(home, run.id)
    finally:
        signal.signal(signal.SIGTERM, before)
        reporter.close()


def test_the_file_of_an_engine_that_was_killed_is_not_taken_for_the_one_that_starts(home: Home) -> None:
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    processes.write_identity(home.root / "engine.json", gone.pid)
    gone.communicate()
    with processes.hold(home.root / "engine.lock"):  # type: ignore[union-attr]
        assert health.engine(home) == health.EngineView(True, None, None)


@pytest.mark.slow
def test_an_engine_that_is_being_killed_while_another_is_asked_for_is_replaced(home: Home) -> None:
    dying = processes.hold(home.root / "engine.lock")  # its process is gone, and the system has yet to let go of its lock
    assert dying is not None
    threading.Timer(1.0, dying.close).start()
    try:
        assert supervisor.ensure(home).pid is not None
    finally:
        supervisor.stop(home)


def test_a_stop_of_an_engine_that_does_not_end_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, lambda *_: None); print(1, flush=True); input()"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert deaf.stdout is not None and deaf.stdout.readline()
    processes.write_identity(home.root / "engine.json", deaf.pid)
    monkeypatch.setattr(supervisor, "STOP_WAIT", 0.5)
    with processes.hold(home.root / "engine.lock"), pytest.raises(supervisor.TryLater, match="has not ended"):  # type: ignore[union-attr]
        supervisor.stop(home)
    deaf.communicate()
    assert not supervisor.stop(home)


def test_every_kind_of_run_has_its_work_and_its_lane() -> None:
    assert set(KINDS) == set(work.WORK)
    assert sorted(KINDS) == sorted(kind for lane in supervisor.LANES for kind in lane)


def test_a_whole_checkpoint_that_lost_its_row_is_on_record_after_a_resume_takes_it(home: Home, run: Run) -> None:
    folder = home.run(run.id) / checkpoints.FOLDER / "step-00000004"
    folder.mkdir(parents=True)
    (folder / "weights").write_text("w")
    files.seal(folder)
    events.add_metrics(home, run.id, [("loss", step, 1.0) for step in range(1, 9)])
    reporter = RunReporter(home, run.id)
    assert work.begin(home, run, reporter) == folder
    reporter.close()
    assert [c.step for c in events.checkpoints(home, run.id)] == [4]
    assert events.latest(home, run.id)["loss"][0] == 8, "a first attempt forgets nothing"


def test_a_damaged_checkpoint_goes_so_that_it_is_neither_kept_nor_told_of(home: Home, run: Run) -> None:
    reporter = RunReporter(home, run.id)
    for step in (4, 8):
        folder = home.run(run.id) / checkpoints.FOLDER / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "weights").write_text("w")
        files.seal(folder)
        reporter.checkpoint(step, folder)
    (folder / "weights").write_text("v")
    assert work.begin(home, run, reporter) == folder.with_name("step-00000004") and not folder.exists()
    assert [c.step for c in events.checkpoints(home, run.id)] == [4]
    assert "step 4 is kept" in checkpoints.on_resume(home, run)
    reporter.close()


def test_a_run_that_starts_over_forgets_what_it_showed_before(home: Home, run: Run) -> None:
    events.add_metrics(home, run.id, [("loss", step, 1.0) for step in range(1, 9)])
    runs.unclaim(home, run.id)
    second = runs.claim(home)
    assert second is not None
    reporter = RunReporter(home, run.id)
    assert work.begin(home, second, reporter) is None
    reporter.close()
    assert "loss" not in events.latest(home, run.id)


def test_a_resume_says_whether_it_is_exact() -> None:
    assert work.how_exact("sft", "cpu").startswith("exact")
    assert work.how_exact("sft", "cuda").startswith("continued, not exact")
    assert work.how_exact("pretrain", "cpu").startswith("continued, not exact")

"""The life of a run, with a real engine, real workers and a real small model."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from engine.data import curate
from engine.errors import BadInput, NotFound, TryLater, WrongShape
from engine.jobs import checkpoints, health, submit, supervisor
from storage import events, models, runs
from storage.records import Run
from tests.engine.jobs.conftest import STEPS, Lab

pytestmark = pytest.mark.slow


def test_a_run_trains_logs_every_step_and_leaves_a_registered_model(lab: Lab, undisturbed: Run) -> None:
    assert [step for step, _ in lab.losses(undisturbed)] == list(range(1, STEPS + 1))
    made = models.of_run(lab.home, undisturbed.id)
    assert made is not None and made.kind == "adapter" and made.fingerprint == undisturbed.summary["fingerprint"]
    assert lab.losses(undisturbed)[-1][1] < lab.losses(undisturbed)[0][1]
    assert [h["after"] for h in runs.history(lab.home, undisturbed.id)] == ["queued", "running", "succeeded"]


@pytest.mark.parametrize("step", [1, 13, 23])
def test_a_killed_worker_leaves_a_reason_and_resumes_to_the_same_losses_and_weights(
    lab: Lab, undisturbed: Run, step: int
) -> None:
    run = lab.launch(f"killed-at-{step}")
    lab.at_step(run, step)
    lab.kill_worker(run)
    killed = lab.ended(run)
    assert (killed.status, killed.failure) == ("failed", "killed") and "SIGKILL" in (killed.reason or "")
    submit.resume(lab.home, run.id)
    assert lab.ended(run).status == "succeeded", lab.state()
    assert lab.losses(run) == lab.losses(undisturbed)
    assert lab.weights(run) == lab.weights(undisturbed)


def test_a_killed_engine_does_not_disturb_its_run_and_the_next_one_finds_it(lab: Lab, undisturbed: Run) -> None:
    run = lab.launch("engine-killed")
    lab.at_step(run, 2)
    lab.kill_engine()
    assert health.alive(lab.home, run.id)
    supervisor.ensure(lab.home)
    assert lab.ended(run).status == "succeeded"
    assert lab.losses(run) == lab.losses(undisturbed) and lab.weights(run) == lab.weights(undisturbed)


def test_a_stop_keeps_a_checkpoint_and_a_resume_goes_on_from_it(lab: Lab, undisturbed: Run) -> None:
    run = lab.launch("stopped", checkpoints=0)
    lab.at_step(run, 3)
    submit.stop(lab.home, run.id)
    stopped = lab.ended(run)
    assert stopped.status == "stopped"
    step = checkpoints.newest_whole(lab.home, run.id).step
    assert 3 <= step < STEPS and [c.step for c in events.checkpoints(lab.home, run.id)] == [step]
    submit.resume(lab.home, run.id)
    assert lab.ended(run).status == "succeeded", lab.state()
    assert lab.losses(run) == lab.losses(undisturbed) and lab.weights(run) == lab.weights(undisturbed)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it(lab: Lab, undisturbed: Run) -> None:
    run = lab.launch("damaged")
    lab.at_step(run, 21)
    lab.kill_worker(run)
    lab.ended(run)
    newest = checkpoints.newest_whole(lab.home, run.id)
    assert newest.folder is not None
    with (newest.folder / "optimizer.pt").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff\xff\xff\xff")
    older = checkpoints.newest_whole(lab.home, run.id)
    assert older.step < newest.step and older.damaged == (newest.step,)
    submit.resume(lab.home, run.id)
    assert lab.ended(run).status == "succeeded"
    assert lab.losses(run) == lab.losses(undisturbed) and lab.weights(run) == lab.weights(undisturbed)


def test_a_run_that_hangs_after_a_stop_is_ended_with_all_its_processes(lab: Lab) -> None:
    run = lab.launch("hanging", steps=400)
    lab.at_step(run, 1)
    worker = psutil.Process(int((lab.home.run(run.id) / "worker.json").read_text().split('"pid": ')[1].split(",")[0]))
    os.kill(worker.pid, signal.SIGSTOP)
    began = time.monotonic()
    submit.stop(lab.home, run.id)
    assert lab.ended(run, 40).status == "stopped"
    assert time.monotonic() - began < 25
    lab.until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 5)


def test_a_hanging_run_of_an_engine_that_is_stopped_is_interrupted(lab: Lab) -> None:
    run = lab.launch("engine-stopped", steps=400, checkpoints=0)
    lab.at_step(run, 1)
    os.kill(int((lab.home.run(run.id) / "worker.json").read_text().split('"pid": ')[1].split(",")[0]), signal.SIGSTOP)
    assert supervisor.stop(lab.home)
    ended = submit.find(lab.home, run.id)
    supervisor.ensure(lab.home)
    assert ended.status == "interrupted" and "It has no checkpoint" in (ended.reason or "")


def test_a_queued_run_can_be_moved_and_taken_out(lab: Lab) -> None:
    first = lab.launch("holds-the-worker", steps=200)
    lab.until(lambda: submit.find(lab.home, first.id).status == "running")
    others = [lab.launch(f"waiting-{i}") for i in range(3)]
    ids = [run.id for run in others]
    assert [run.id for run in submit.reorder(lab.home, [ids[2], ids[0]])][:3] == [ids[2], ids[0], ids[1]]
    for run in (*others, first):
        submit.stop(lab.home, run.id)
    assert [submit.find(lab.home, i).status for i in ids] == ["stopped"] * 3
    lab.ended(first)
    with pytest.raises(TryLater):
        submit.stop(lab.home, first.id)


def test_the_same_token_launches_once(lab: Lab) -> None:
    launch = dict(method="sft", model="pocket", dataset="pocket-instructions", settings={"steps": 1}, token="one-click")
    first, second = submit.train(lab.home, **launch), submit.train(lab.home, **launch)
    assert first.id == second.id
    submit.stop(lab.home, first.id)


def test_a_launch_with_wrong_input_says_what_is_wrong_and_queues_nothing(lab: Lab) -> None:
    before = len(runs.page(lab.home, 1000))
    right = dict(method="sft", model="pocket", dataset="pocket-instructions", settings={})
    for change, error, word in (
        ({"method": "magic"}, NotFound, "magic"),
        ({"model": "gpt"}, NotFound, "pocket"),
        ({"dataset": "nothing"}, NotFound, "nothing"),
        ({"dataset": "pocket-preferences"}, WrongShape, "preference"),
        ({"settings": {"batch_size": 0}}, BadInput, "batch_size"),
        ({"settings": {"batchsize": 1}}, BadInput, "batchsize"),
    ):
        with pytest.raises(error, match=word):
            submit.train(lab.home, **{**right, **change})
    assert len(runs.page(lab.home, 1000)) == before


def test_a_run_whose_rows_hold_no_answer_within_the_length_fails_as_bad_data(lab: Lab) -> None:
    failed = lab.ended(lab.launch("too-short", max_length=8))
    assert (failed.status, failed.failure) == ("failed", "bad data") and "max_length" in (failed.reason or "")


def test_the_worker_leaves_no_process_and_no_half_written_folder_behind(lab: Lab, undisturbed: Run) -> None:
    folder = lab.home.run(undisturbed.id)
    assert not list(folder.rglob("*writing*"))
    assert not health.alive(lab.home, undisturbed.id)
    zombies = [p for p in psutil.process_iter(["status", "cmdline"]) if p.info["status"] == psutil.STATUS_ZOMBIE]
    assert not [p for p in zombies if "engine.jobs" in " ".join(p.info["cmdline"] or [])]
    assert Path(folder / "log.txt").exists()


def test_a_model_answers_several_times_and_its_answers_become_data(lab: Lab) -> None:
    run = submit.sample(
        lab.home, model="pocket", dataset="pocket-sums", name="drawn", answers=3, rewards="ended + 0.5 * length(most=4)", limit=5,
        sampling={"max_tokens": 24},
    )  # fmt: skip
    done = lab.ended(run)
    assert done.status == "succeeded", lab.state()
    kept = 15 - done.summary["cut_off"]
    assert (done.summary["sampled"], done.summary["prompts"], done.summary["kept"]) == (15, 5, kept) and kept > 0
    made = curate.find(lab.home, f"#{done.summary['dataset_id']}")
    rows = curate.rows(lab.home, made)
    assert (made.name, made.shape, len(rows)) == ("drawn", "prompt_completion", kept)
    assert {"prompt", "completion", "reward", "check"} <= rows[0].keys()

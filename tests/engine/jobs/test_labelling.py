"""Runs for labelling, with a real small model and a real server that judges: pairs that models write, votes of a judge, an order."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import registry
from engine.errors import BadInput, NotFound, WrongShape
from engine.evaluation import journal
from engine.jobs import labelling, work
from engine.jobs.reporter import RunReporter
from engine.methods import loading
from engine.preferences import desk, pairs, projects, quality
from engine.preferences.pairs import NewPair
from engine.samples.pocket import POCKET
from storage import db, events, models, preferences, runs
from storage.home import Home
from storage.records import Model, Pair, Project, Run
from tests.engine.evaluation.served import says, served

DRAWN = {"temperature": 1.0, "max_tokens": 12}


@contextmanager
def reporting(home: Home, run: Run) -> Iterator[RunReporter]:
    """The reporter of a run that works in this process."""
    home.run(run.id).mkdir(parents=True, exist_ok=True)
    reporter = RunReporter(home, run.id)
    yield reporter
    reporter.close()


def sampled(home: Home, **given: Any) -> tuple[dict[str, Any], list[Pair]]:
    """What a run that lets models write pairs says, and the pairs of its project, all in this process."""
    run = queued(home, **given)
    with reporting(home, run) as reporter:
        told = labelling.write_pairs(home, run, reporter)
    assert told is not None
    return told, preferences.pairs(home, told["project_id"])


def queued(home: Home, **given: Any) -> Run:
    usual: dict[str, Any] = {
        "project": "tone",
        "models": ["pocket"],
        "dataset": "pocket-questions",
        "limit": 8,
        "sampling": [DRAWN],
    }
    return labelling.sample(home, **{**usual, **given})


def test_one_model_writes_both_answers_with_two_seeds_and_each_pair_says_so(pocket: Home) -> None:
    told, made = sampled(pocket)
    assert told["pairs"] == len(made) > 0 and told["pairs"] + told["alike"] == 8
    weights = registry.find(pocket, "pocket").fingerprint
    for pair in made:
        first, second = pair.origin["first"], pair.origin["second"]
        assert (first["name"], first["fingerprint"], first["sampling"]["temperature"]) == ("pocket", weights, 1.0)
        assert (first["sampling"]["seed"], second["sampling"]["seed"]) == (0, 1)
        assert pair.first.strip() != pair.second.strip()


def test_the_same_asked_again_adds_nothing(pocket: Home) -> None:
    told, made = sampled(pocket)
    again, still = sampled(pocket)
    assert (again["pairs"], again["known"]) == (0, told["pairs"]) and still == made


def test_a_system_prompt_of_one_side_is_its_writers_alone_and_one_of_both_belongs_to_the_question(pocket: Home) -> None:
    _, one = sampled(pocket, project="one", systems=["Be brief.", ""], sampling=[DRAWN, {**DRAWN, "seed": 5}])
    assert [pair.origin[side]["system"] for pair in one[:1] for side in ("first", "second")] == ["Be brief.", ""]
    assert all(pair.prompt[0]["role"] != "system" for pair in one), "a labeller would see who was told what"
    _, both = sampled(pocket, project="both", systems=["Be brief."])
    assert both and all(pair.prompt[0] == {"role": "system", "content": "Be brief."} for pair in both)


def test_a_stop_keeps_what_was_drawn_and_the_run_goes_on_from_there(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queued(pocket)
    first = pocket.run(run.id) / "voice-1"
    with reporting(pocket, run) as reporter:
        monkeypatch.setattr(reporter, "stop_requested", lambda: any(first.rglob("*.parquet")))
        assert labelling.write_pairs(pocket, run, reporter) is None
    assert preferences.pairs(pocket, run.request["project_id"]) == []
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*.parquet")}
    assert before
    with reporting(pocket, run) as reporter:
        told = labelling.write_pairs(pocket, run, reporter)
    assert told is not None and told["pairs"] > 0
    assert {path: path.stat().st_mtime_ns for path in before} == before, "the first voice's answers are not drawn again"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sampling": [{"temperature": 0.0}]}, "At temperature 0 both answers"),
        ({"models": ["pocket"] * 3}, "name one or two models"),
        ({"limit": 0}, "at least 1"),
        ({"systems": ["x" * 20_001]}, "at most 20,000"),
    ],
)
def test_what_would_write_no_pairs_is_refused_and_no_project_is_begun(pocket: Home, given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        queued(pocket, **given)
    assert preferences.projects(pocket) == [] and runs.page(pocket) == []


@pytest.fixture
def steps(pocket: Home) -> list[str]:
    """Two checkpoints of a run, with other weights than what it began with and than each other; their names."""
    request = {"model_id": registry.find(pocket, "pocket").id}
    run = runs.insert(pocket, kind="train", name="long", request=request, token=None)
    for step in (10, 20):
        folder = pocket.run(run.id) / "checkpoints" / f"step-{step:08d}"
        shutil.copytree(POCKET, folder)
        weights = load_file(folder / "model.safetensors")
        name = min(weights)
        save_file({**weights, name: weights[name] * (1 + step / 1000)}, folder / "model.safetensors", {"format": "pt"})
        events.add_checkpoint(pocket, run.id, step, str(folder), 1)
    return ["long@10", "long@20"]


def test_checkpoints_of_one_run_write_against_each_other_and_each_pair_names_them(pocket: Home, steps: list[str]) -> None:
    _, made = sampled(pocket, models=steps, limit=16, sampling=[DRAWN, {**DRAWN, "seed": 5}])
    sides = [made[0].origin[side] for side in ("first", "second")]
    assert [side["name"] for side in sides] == steps
    marks = {side["fingerprint"] for side in sides} | {registry.find(pocket, "pocket").fingerprint}
    assert len(marks) == 3 and all(marks), "other weights have other fingerprints"


def test_two_checkpoints_with_the_same_decoding_are_two_voices_and_one_that_is_gone_is_named(
    pocket: Home, steps: list[str]
) -> None:
    still = queued(pocket, models=steps, sampling=[{"temperature": 0.0}])
    assert [voice["name"] for voice in still.request["voices"]] == steps
    with db.transaction(pocket) as connection:
        connection.execute("DELETE FROM checkpoint WHERE step = 20")
    with reporting(pocket, still) as reporter, pytest.raises(NotFound, match="no checkpoint of step 20. On disk: 10"):
        labelling.write_pairs(pocket, still, reporter)


@pytest.fixture
def rewarder(pocket: Home, tmp_path: Path) -> Model:
    """A reward model that nobody has trained: its numbers are as good as any."""
    torch.manual_seed(0)
    folder = tmp_path / "rewarder"
    shutil.copytree(POCKET, folder)
    loading.load_model(POCKET, "float32", head="reward").save_pretrained(folder)
    facts = dataclasses.asdict(registry.find(pocket, "pocket"))
    given = {**facts, "name": "rewarder", "path": str(folder), "task": "reward"}
    return models.insert(pocket, **{name: value for name, value in given.items() if name not in ("id", "created_at")})


def test_a_reward_model_puts_first_what_it_is_unsure_of_and_each_pair_keeps_why(pocket: Home, rewarder: Model) -> None:
    project = projects.create(pocket, "ordered", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    new = [NewPair([{"role": "user", "content": f"{i}?"}], f"Yes {i}.", "No. " * (i + 1)) for i in range(40)]
    pairs.add(pocket, project, new)
    ahead, unsure = {}, {}
    for share in (0.5, 1.0):
        run = labelling.rank(pocket, project="ordered", model="rewarder", control=0.0, share=share)
        with reporting(pocket, run) as reporter:
            told = labelling.arrange(pocket, run, reporter, work.library(pocket), "cpu")
        assert told is not None and (told["scored"], told["uncertain"], told["random"]) == (40, 40 * share, 0)
        first = sorted((p for p in preferences.pairs(pocket, project.id) if p.chosen_by), key=lambda pair: pair.place)
        ahead[share] = [pair.id for pair in first]
        unsure[share] = [pair.chosen_by["sure"] for pair in first if pair.chosen_by]
    assert unsure[1.0] == sorted(unsure[1.0]) and unsure[1.0][0] < unsure[1.0][-1]
    assert ahead[0.5] == ahead[1.0][:20], "the half of which it is least sure"
    shown = desk.look(pocket, project, "anna")[0]
    assert shown.pair.id == ahead[1.0][0] and shown.pair.chosen_by and shown.pair.chosen_by["by"] == "rewarder"


def test_what_is_no_reward_model_orders_nothing(pocket: Home, project: Project) -> None:
    with pytest.raises(WrongShape, match="pocket is no reward model"):
        labelling.rank(pocket, project="tone", model="pocket")


@pytest.fixture
def project(pocket: Home) -> Project:
    """Six pairs, of which the second answer is the longer one."""
    made = projects.create(pocket, "tone", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(
        pocket,
        made,
        [NewPair([{"role": "user", "content": f"{i}?"}], f"Yes {i}.", f"Yes {i}. " + "Indeed. " * 9) for i in range(6)],
    )
    return made


def likes_long(body: dict[str, Any], n: int) -> tuple[int, dict[str, Any]]:
    """A judge for the longer answer."""
    asked = body["messages"][1]["content"]
    first, second = (asked.split(f"<answer-{letter}>")[1].split(f"</answer-{letter}>")[0] for letter in "ab")
    return 200, says(f"It says more.\n[[{'A' if len(first) > len(second) else 'B'}]]")


def likes_the_first(body: dict[str, Any], n: int) -> tuple[int, dict[str, Any]]:
    return 200, says("It comes first.\n[[A]]")


def judge(home: Home, project: Project, reply: Any, name: str = "large") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a judge's run says, and what the judge was asked."""
    with served(reply) as (address, seen):
        run = labelling.judge(home, project=project.name, address=address, judge=name)
        with reporting(home, run) as reporter:
            told = labelling.vote(home, run, reporter, "secret")
    assert told is not None
    return told, seen


def test_a_judge_votes_on_each_pair_once_in_both_orders_beside_people(pocket: Home, project: Project) -> None:
    told, seen = judge(pocket, project, likes_long)
    assert (told["voted"], told["unread"], told["disagreed"]) == (6, 0, 0)
    assert len(seen) == 12 and {each["key"] for each in seen} == {"Bearer secret"}
    votes = preferences.votes(pocket, project.id)
    assert {(v.labeller, v.kind, v.choice, v.preference) for v in votes} == {("large", "judge", "second", 2.0)}
    assert votes[0].reason.startswith("It says more.")
    assert preferences.counts(pocket, project.id).done == 0, "people are still asked"
    with pytest.raises(BadInput, match="no pair in tone that large has not judged"):
        labelling.judge(pocket, project="tone", address="http://127.0.0.1:9/v1", judge="large")


def test_a_judge_that_takes_whatever_comes_first_is_unsure_and_its_pairs_come_first(pocket: Home, project: Project) -> None:
    told, _ = judge(pocket, project, likes_the_first)
    assert (told["voted"], told["disagreed"]) == (6, 6)
    assert {(v.choice, v.preference) for v in preferences.votes(pocket, project.id)} == {("tie", 1.5)}
    put = labelling.rank_by_judges(pocket, project, control=0.0, share=0.5)
    assert put == {"uncertain": 3, "random": 0}


def test_a_judge_whose_replies_are_no_verdicts_has_skipped_and_the_report_counts_them(pocket: Home, project: Project) -> None:
    told, _ = judge(pocket, project, lambda body, n: (200, says("I like both, friend!")))
    assert (told["voted"], told["unread"]) == (6, 6)
    found = quality.report(pocket, project).judges[0]
    assert (found.votes, found.unread, found.right) == (6, 6, None)


def test_a_run_that_goes_on_judges_the_pairs_it_began_with_and_asks_of_none_twice(
    pocket: Home, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "AT_ONCE", 1)
    fails = True
    with served(lambda body, n: (400, {}) if fails and n > 5 else likes_long(body, n)) as (address, seen):
        run = labelling.judge(pocket, project="tone", address=address, judge="large")
        with reporting(pocket, run) as reporter, pytest.raises(BadInput, match="refuses"):
            labelling.vote(pocket, run, reporter, "")
        assert len(preferences.votes(pocket, project.id)) == 2, "what was said is stored"
        pairs.add(pocket, project, [NewPair([{"role": "user", "content": "New?"}], "a", "b")])
        fails, before = False, len(seen)
        with reporting(pocket, run) as reporter:
            assert labelling.vote(pocket, run, reporter, "") is not None
        assert len(seen) - before == 2 * 4
    voted = {vote.pair_id for vote in preferences.votes(pocket, project.id)}
    assert voted == {pair.id for pair in preferences.pairs(pocket, project.id)[:6]}


@pytest.mark.parametrize(
    ("given", "said"),
    [({"address": "ftp://x"}, "http"), ({"judge": "a/b"}, "cannot be the name of a judge"), ({"limit": 0}, "at least 1")],
)
def test_a_judge_that_cannot_be_asked_is_refused(pocket: Home, project: Project, given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        labelling.judge(pocket, **{"project": "tone", "address": "http://127.0.0.1:9/v1", "judge": "large", **given})


def test_a_project_that_is_not_there_cannot_be_judged_or_ordered(pocket: Home) -> None:
    with pytest.raises(NotFound, match="no project nowhere"):
        labelling.judge(pocket, project="nowhere", address="http://127.0.0.1:9/v1", judge="large")
    with pytest.raises(NotFound, match="no project nowhere"):
        labelling.rank(pocket, project="nowhere", model="pocket")

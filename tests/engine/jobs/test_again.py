"""A road begun again from one of its stages: with what was made before, under a name of its own, and never past a bar unsaid."""

from pathlib import Path

import pytest

from engine.data import curate
from engine.errors import BadInput, NotFound
from engine.jobs import chains, rewarded
from engine.jobs.stages import read
from storage import chains as stored
from storage import runs
from storage.home import Home
from tests.engine.jobs.roads import BAR, BEST, DPO, PAIRS, SFT, begun, below_its_bar, filled_datasets, next_run, status, succeed


def test_a_road_is_walked_again_from_a_stage_with_what_was_made_before_it(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewarded, "trusted", lambda *_: None)
    reward = {"name": "judge", "method": "reward", "data": "pocket-preferences"}
    ppo = {"name": "rl", "method": "ppo", "data": "pocket-sums", "settings": {"rewards": "model", "reward_model": "@judge"}}
    chain = begun(pocket, {**SFT, "bar": BAR}, reward, ppo)
    with pytest.raises(BadInput, match="The stage sft before judge has not made anything yet"):
        chains.again(pocket, chain, "judge", {})
    spoken = succeed(pocket, next_run(pocket))
    succeed(pocket, next_run(pocket), value=0.9, low=0.8, high=0.95, n=50)
    scored = succeed(pocket, next_run(pocket))
    chains.stop(pocket, chain)
    runs.end(pocket, runs.page(pocket)[0].id, "stopped", before="queued")
    chains.again(pocket, chain, "rl", {"steps": "7"})
    last = next_run(pocket)
    assert last is not None and last.request["model_id"] == spoken
    assert (last.request["settings"]["reward_model"], last.request["settings"]["steps"]) == (f"#{scored}", 7)
    chains.stop(pocket, chains.find(pocket, f"{chain.name}-from-rl"))
    runs.end(pocket, last.id, "stopped", before="queued")
    named = begun(pocket, SFT, {**reward, "model": "@sft"}, ppo)
    other = succeed(pocket, next_run(pocket))
    succeed(pocket, next_run(pocket))
    chains.stop(pocket, named)
    runs.end(pocket, runs.page(pocket)[0].id, "stopped", before="queued")
    chains.again(pocket, named, "judge", {"steps": "7"})
    succeed(pocket, next_run(pocket))
    following = next_run(pocket)
    assert following is not None and following.request["model_id"] == other, "what names no model takes the last that speaks"
    with pytest.raises(NotFound, match="has no stage 'dpo'. It has: sft, judge, rl"):
        chains.again(pocket, chain, "dpo", {})


def test_a_road_walked_again_past_a_bar_that_is_not_met_has_to_say_so(pocket: Home) -> None:
    held, made, run = below_its_bar(pocket)
    with pytest.raises(BadInput, match="sft reaches 10.0% .*the bar is 80.0%.*all the same, say so"):
        chains.again(pocket, held, "dpo", {})
    with pytest.raises(BadInput, match="No bar before sft is in the way"):
        chains.again(pocket, held, "sft", {}, waive=True)
    assert len(stored.page(pocket)) == 1
    anew = chains.again(pocket, held, "dpo", {}, waive=True)
    assert anew.waived == ("sft",) and chains.find(pocket, f"#{held.id}").waived == ()
    first = next_run(pocket)
    assert first is not None and (first.request["model_id"], first.parent_id) == (made, run.id)
    succeed(pocket, first)
    assert next_run(pocket) is None and status(pocket, anew)[0] == "done"
    again = chains.again(pocket, chains.find(pocket, f"#{anew.id}"), "dpo", {"steps": 6})
    assert (again.name, again.waived) == ("road-from-dpo", ("sft",)), "the name does not grow, and what was waived is still told"
    third = next_run(pocket)
    assert third is not None and (third.request["model_id"], third.parent_id) == (made, run.id)


def test_a_road_walked_again_past_a_bar_that_was_never_measured_has_to_say_so(pocket: Home) -> None:
    chain = begun(pocket, {**SFT, "bar": BAR}, DPO)
    succeed(pocket, next_run(pocket))
    chains.stop(pocket, chain)
    with pytest.raises(BadInput, match="The bar of sft, 80.0% on pocket-instructions-held-out, has not been measured yet"):
        chains.again(pocket, chain, "dpo", {})
    assert chains.again(pocket, chain, "dpo", {}, waive=True).waived == ("sft",)


def test_a_stage_that_is_measured_anew_takes_no_old_waiver_along(pocket: Home) -> None:
    held, _, _ = below_its_bar(pocket)
    chains.resume(pocket, held, waive=True)
    now = chains.find(pocket, f"#{held.id}")
    assert now.waived == ("sft",) and chains.again(pocket, now, "sft", {}).waived == ()


def test_long_names_of_roads_leave_the_stages_theirs(pocket: Home) -> None:
    long = "r" * 80
    second = {**PAIRS, "name": "best", "sample": {**BEST, "keep": "best"}}
    chain = chains.begin(pocket, long, "pocket", read([SFT, PAIRS, second, {**DPO, "data": "@pairs"}]))
    succeed(pocket, next_run(pocket))
    pairs = next(d for d in filled_datasets(pocket) if d.name == "pocket-preferences")
    called = []
    for _ in range(2):
        run = next_run(pocket)
        assert run is not None, chains.find(pocket, long).reason
        called.append(run.name)
        succeed(pocket, run, dataset_id=pairs.id)
    assert called == [f"{'r' * 74}-pairs", f"{'r' * 75}-best"]
    chains.stop(pocket, chain)
    assert chains.again(pocket, chain, "dpo", {}).name == f"{'r' * 71}-from-dpo"


def test_data_that_is_called_start_is_no_model(pocket: Home, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "Once there was an island."}\n' * 40)
    there = curate.add(pocket, rows, "start", "text")
    read_it = {"name": "read", "method": "pretrain", "data": "start", "model": "start", "settings": {"replay": "start"}}
    chain = begun(pocket, SFT, read_it)
    succeed(pocket, next_run(pocket))
    chains.stop(pocket, chain)
    chains.again(pocket, chain, "read", {})
    run = next_run(pocket)
    assert run is not None and run.request["model_id"] == chain.request["model_id"]
    assert (run.request["dataset_id"], run.request["settings"]["replay"]) == (there.id, f"#{there.id}")

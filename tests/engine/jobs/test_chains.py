"""Chains: one stage at a time, each from what an earlier one made; held at a bar, gone on with after a kill or a resume."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput, TryLater
from engine.jobs import chains, rewarded, submit
from engine.jobs.stages import read
from storage import chains as stored
from storage import runs
from storage.home import Home
from storage.records import Chain
from tests import filled
from tests.engine.jobs.roads import (
    BAR,
    DPO,
    JUDGE,
    PAIRS,
    SFT,
    begun,
    below_its_bar,
    filled_datasets,
    next_run,
    status,
    succeed,
)


def test_each_stage_begins_with_what_the_one_before_it_made(pocket: Home) -> None:
    chain = begun(pocket, SFT, DPO)
    first = next_run(pocket)
    assert first is not None and first.request["method"] == "sft" and next_run(pocket) is None
    made = succeed(pocket, first)
    second = next_run(pocket)
    assert second is not None and (second.request["method"], second.request["model_id"]) == ("dpo", made)
    assert second.parent_id == first.id and second.name == "road-dpo"
    succeed(pocket, second)
    assert next_run(pocket) is None and status(pocket, chain) == ("done", ["done", "done"])


def test_a_reward_model_is_no_model_to_go_on_from_and_can_be_referred_to(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewarded, "trusted", lambda *_: None)
    reward = {"name": "judge", "method": "reward", "data": "pocket-preferences"}
    ppo = {"name": "rl", "method": "ppo", "data": "pocket-sums", "settings": {"rewards": "model", "reward_model": "@judge"}}
    begun(pocket, SFT, reward, ppo)
    spoken = succeed(pocket, next_run(pocket))
    scored = succeed(pocket, next_run(pocket))
    last = next_run(pocket)
    assert last is not None and last.request["model_id"] == spoken
    assert last.request["settings"]["reward_model"] == f"#{scored}"


def test_a_bar_that_is_not_met_holds_the_road_until_it_is_waived(pocket: Home) -> None:
    chain = begun(pocket, {**SFT, "bar": BAR}, DPO)
    made = succeed(pocket, next_run(pocket))
    bar = next_run(pocket)
    assert bar is not None and (bar.kind, bar.request["model_id"], bar.request["limit"]) == ("measure", made, 50)
    succeed(pocket, bar, value=0.6, low=0.5, high=0.7, n=50)
    assert next_run(pocket) is None and status(pocket, chain) == ("held", ["below", "waiting"])
    held = chains.find(pocket, "road")
    assert "sft reaches 60.0% (50.0% to 70.0%)" in (held.reason or "") and "the bar is 80.0%" in (held.reason or "")
    with pytest.raises(BadInput, match="go on all the same"):
        chains.resume(pocket, held)
    chains.resume(pocket, held, waive=True)
    following = next_run(pocket)
    assert following is not None and following.request["method"] == "dpo"


def test_a_bar_that_is_met_is_passed(pocket: Home) -> None:
    begun(pocket, {**SFT, "bar": BAR}, DPO)
    succeed(pocket, next_run(pocket))
    succeed(pocket, next_run(pocket), value=0.8, low=0.7, high=0.9, n=50)
    following = next_run(pocket)
    assert following is not None and following.request["method"] == "dpo"


def test_a_run_that_ends_badly_keeps_the_road_waiting_until_it_is_resumed(pocket: Home) -> None:
    chain = begun(pocket, SFT, DPO)
    run = next_run(pocket)
    assert run is not None
    runs.end(pocket, run.id, "failed", failure="killed", reason="Killed.")
    assert next_run(pocket) is None and status(pocket, chain) == ("live", ["ended", "waiting"])
    chains.resume(pocket, chains.find(pocket, "road"))
    again = next_run(pocket)
    assert again is not None and again.id == run.id
    succeed(pocket, again)
    following = next_run(pocket)
    assert following is not None and following.request["method"] == "dpo"


def test_a_stopped_chain_queues_nothing_and_can_be_resumed(pocket: Home) -> None:
    chain = begun(pocket, SFT, DPO)
    run = next_run(pocket)
    assert run is not None
    chains.stop(pocket, chain)
    assert runs.stop_requested_at(pocket, run.id)
    succeed(pocket, run)
    assert next_run(pocket) is None and status(pocket, chain)[0] == "stopped"
    with pytest.raises(TryLater, match="is stopped"):
        chains.stop(pocket, chains.find(pocket, "road"))
    chains.resume(pocket, chains.find(pocket, "road"))
    assert next_run(pocket) is not None


def test_an_adapter_is_merged_first_where_a_stage_says_so(pocket: Home) -> None:
    begun(pocket, SFT, {**DPO, "begin": "merge"})
    made = succeed(pocket, next_run(pocket))
    merge = next_run(pocket)
    assert merge is not None and (merge.kind, merge.request["model_id"], merge.request["merged"]) == ("export", made, True)
    whole = filled.model(pocket, str(merge.request["register"]))
    succeed(pocket, merge, model_id=whole.id)
    following = next_run(pocket)
    assert following is not None and following.request["model_id"] == whole.id


def test_a_judge_makes_the_pairs_of_the_next_stage(pocket: Home) -> None:
    judge = {
        "name": "feedback",
        "data": "pocket-sums",
        "judge": {"address": "http://127.0.0.1:1/v1", "judge": "large", "limit": 20},
    }
    begun(pocket, SFT, judge, {**DPO, "data": "@feedback"})
    made = succeed(pocket, next_run(pocket))
    asked = next_run(pocket)
    assert asked is not None and (asked.kind, asked.request["model_id"], asked.request["limit"]) == ("judge", made, 20)
    pairs = next(d for d in filled_datasets(pocket) if d.name == "pocket-preferences")
    succeed(pocket, asked, dataset_id=pairs.id)
    last = next_run(pocket)
    assert last is not None and (last.request["dataset_id"], last.request["model_id"]) == (pairs.id, made)


def test_a_stage_that_samples_makes_data_for_the_next(pocket: Home) -> None:
    best = {"name": "best", "data": "pocket-sums", "sample": {"keep": "pairs", "rewards": "check", "answers": 3}}
    begun(pocket, SFT, best, {**DPO, "data": "@best"})
    made = succeed(pocket, next_run(pocket))
    asked = next_run(pocket)
    assert asked is not None, chains.find(pocket, "road").reason
    assert (asked.kind, asked.request["model_id"], asked.request["answers"]) == ("sample", made, 3)
    pairs = next(d for d in filled_datasets(pocket) if d.name == "pocket-preferences")
    succeed(pocket, asked, dataset_id=pairs.id)
    last = next_run(pocket)
    assert last is not None and (last.request["dataset_id"], last.request["model_id"]) == (pairs.id, made)


def test_what_is_gone_when_its_turn_comes_holds_the_road_with_the_reason(pocket: Home) -> None:
    chain = begun(pocket, SFT, DPO)
    run = next_run(pocket)
    assert run is not None
    runs.end(pocket, run.id, "succeeded", summary={"model_id": 999})
    assert next_run(pocket) is None and status(pocket, chain)[0] == "held"
    assert "#999" in (chains.find(pocket, "road").reason or "")


def test_what_holds_a_road_is_kept(pocket: Home) -> None:
    chain = begun(pocket, {**SFT, "bar": BAR}, DPO)
    succeed(pocket, next_run(pocket))
    succeed(pocket, next_run(pocket), value=0.6, low=0.5, high=0.7, n=50)
    assert next_run(pocket) is None and chains.find(pocket, f"#{chain.id}").held_by == "bar"
    chains.resume(pocket, chains.find(pocket, f"#{chain.id}"), waive=True)
    assert chains.find(pocket, f"#{chain.id}").held_by is None
    other = begun(pocket, SFT, DPO)
    chains.stop(pocket, chains.find(pocket, f"#{chain.id}"))
    run = next_run(pocket)
    assert run is not None
    runs.end(pocket, run.id, "succeeded", summary={"model_id": 999})
    assert next_run(pocket) is None and chains.find(pocket, f"#{other.id}").held_by == "input"


def test_a_held_road_can_be_stopped_and_still_says_what_its_bar_wants(pocket: Home) -> None:
    held, _, _ = below_its_bar(pocket)
    chains.stop(pocket, held)
    stopped = chains.find(pocket, f"#{held.id}")
    assert stopped.status == "stopped"
    with pytest.raises(BadInput, match="sft reaches 10.0% .*go on all the same"):
        chains.resume(pocket, stopped)
    chains.resume(pocket, stopped, waive=True)
    following = next_run(pocket)
    assert following is not None and following.request["method"] == "dpo"


def test_every_run_of_a_road_says_which_it_comes_after(pocket: Home) -> None:
    begun(pocket, {**SFT, "bar": BAR}, PAIRS, {"name": "said", "data": "pocket-sums", "judge": JUDGE}, {**DPO, "begin": "merge"})
    first = next_run(pocket)
    succeed(pocket, first)
    after, kinds = first, []
    made = {"sample": "dataset_id", "judge": "dataset_id", "measure": "value", "export": "model_id"}
    assert first is not None and first.parent_id is None
    whole = filled.model(pocket, "whole")
    for _ in range(5):
        run = next_run(pocket)
        assert run is not None and after is not None, chains.find(pocket, "road").reason
        assert run.parent_id == after.id, run.kind
        kinds.append(run.kind)
        succeed(pocket, run, **{made.get(run.kind, "n"): {"measure": 1.0, "export": whole.id}.get(run.kind, 1)})
        after = after if run.kind == "measure" else run
    assert kinds == ["measure", "sample", "judge", "export", "train"]


def test_a_fault_in_one_chain_holds_it_and_leaves_the_others(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = begun(pocket, SFT), begun(pocket, SFT)
    whole = chains.standings

    def faulty(home: Home, chain: Chain) -> Any:
        if chain.id == broken.id:
            raise TypeError("unheard of")
        return whole(home, chain)

    with monkeypatch.context() as patched:
        patched.setattr(chains, "standings", faulty)
        chains.advance(pocket)
    held = chains.find(pocket, f"#{broken.id}")
    assert held.status == "held" and "unheard of" in (held.reason or "")
    assert status(pocket, sound) == ("live", ["live"])


def test_a_chain_is_begun_once_by_its_token_and_known_from_its_runs(pocket: Home, tmp_path: Path) -> None:
    stages = read(json.loads(json.dumps([{**SFT, "bar": BAR}, DPO])))
    first, second = (chains.begin(pocket, "road", "pocket", stages, token="click") for _ in range(2))
    assert first.id == second.id and read(first.request["stages"]) == stages
    run = next_run(pocket)
    assert run is not None and stored.of_run(pocket, run.id) == first.id
    other = submit.train(pocket, method="sft", model="pocket", dataset="pocket-instructions", settings={})
    assert stored.of_run(pocket, other.id) is None

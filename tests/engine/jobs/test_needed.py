"""Models that live runs and unfinished roads need, which cannot be deleted under them."""

import pytest

from engine import registry
from engine.errors import TryLater
from engine.jobs import bakeoffs, chains, labelling, rewarded, submit
from storage.home import Home
from tests import filled
from tests.engine.jobs.roads import DPO, SFT, begun, below_its_bar, next_run, succeed


def test_models_that_a_road_still_needs_stay(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewarded, "trusted", lambda *_: None)
    reward = {"name": "judge", "method": "reward", "data": "pocket-preferences"}
    ppo = {
        "name": "rl", "method": "ppo", "model": "@sft", "data": "pocket-sums",
        "settings": {"rewards": "model", "reward_model": "@judge"},
    }  # fmt: skip
    other = filled.model(pocket, "other")
    chain = begun(pocket, SFT, reward, {**DPO, "model": "other"}, ppo)
    sft = succeed(pocket, next_run(pocket))
    judge = succeed(pocket, next_run(pocket))
    dpo = succeed(pocket, next_run(pocket))
    for needed in (sft, judge):  # nothing is queued now
        with pytest.raises(TryLater, match=f"cannot go: the road road .chain {chain.id}. needs it"):
            registry.delete(pocket, needed)
    registry.delete(pocket, dpo)
    registry.delete(pocket, other.id)
    last = next_run(pocket)
    assert last is not None and last.request["method"] == "ppo"
    succeed(pocket, last)
    assert next_run(pocket) is None
    registry.delete(pocket, judge)


def test_a_model_that_a_held_road_would_measure_or_go_on_from_stays_until_it_is_stopped(pocket: Home) -> None:
    held, made, _ = below_its_bar(pocket)
    with pytest.raises(TryLater, match="needs it. Stop it or wait"):
        registry.delete(pocket, made)
    chains.stop(pocket, held)
    registry.delete(pocket, made)


def test_a_model_that_a_road_is_to_begin_with_stays(pocket: Home) -> None:
    named = filled.model(pocket, "mine")
    begun(pocket, SFT, {**DPO, "model": "mine"})
    run = next_run(pocket)
    assert run is not None and run.request["model_id"] != named.id
    with pytest.raises(TryLater, match="the road road"):
        registry.delete(pocket, named.id)


def test_models_that_a_live_run_rewards_by_or_answers_with_stay(pocket: Home) -> None:
    base = registry.find(pocket, "pocket")
    scorer, second = filled.model(pocket, "scorer", "adapter", base, task="reward"), filled.model(pocket, "second")
    asked = {"settings": {"rewards": "model", "reward_model": f"#{scorer.id}", "trust_anyway": True}, "dataset": "pocket-sums"}
    trained = submit.train(pocket, method="ppo", model="pocket", **asked)
    with pytest.raises(TryLater, match=f"scorer cannot go: run {trained.id}"):
        registry.delete(pocket, scorer.id)
    submit.stop(pocket, trained.id)
    drawn = submit.sample(
        pocket, model="pocket", dataset="pocket-sums", name="drawn", rewards="model", reward_model="scorer", trust_anyway=True
    )
    with pytest.raises(TryLater, match=f"scorer cannot go: run {drawn.id}"):
        registry.delete(pocket, scorer.id)
    submit.stop(pocket, drawn.id)
    registry.delete(pocket, scorer.id)
    pairs = labelling.sample(pocket, project="two", models=["pocket", "second"], dataset="pocket-sums")
    with pytest.raises(TryLater, match=f"second cannot go: run {pairs.id}"):
        registry.delete(pocket, second.id)
    submit.stop(pocket, pairs.id)
    setups = [{"name": name, "model": name} for name in ("pocket", "second")]
    compared = bakeoffs.bake(pocket, dataset="pocket-sums", candidates=setups)
    with pytest.raises(TryLater, match=f"second cannot go: run {compared.id}"):
        registry.delete(pocket, second.id)
    submit.stop(pocket, compared.id)
    registry.delete(pocket, second.id)

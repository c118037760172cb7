"""Chains: one stage at a time, each from what an earlier one made; held at a bar, gone on with after a kill or a resume."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput, NotFound, TryLater, WrongShape
from engine.jobs import chains, rewarded, submit
from engine.jobs.stages import read
from storage import chains as stored
from storage import models, runs
from storage.home import Home
from storage.records import Chain, Run
from tests import filled

SFT = {"name": "sft", "method": "sft", "data": "pocket-instructions", "settings": {"steps": 5}}
DPO = {"name": "dpo", "method": "dpo", "data": "pocket-preferences", "settings": {"steps": 5}}
GRPO = {"name": "rl", "method": "grpo", "data": "pocket-sums"}
BAR = {"data": "pocket-instructions-held-out", "least": 0.8, "limit": 50}


def begun(home: Home, *stages: dict[str, Any]) -> Chain:
    return chains.begin(home, "road", "pocket", read(stages))


def next_run(home: Home) -> Run | None:
    """What the engine would queue and claim now."""
    chains.advance(home)
    chains.advance(home)  # looking twice queues nothing twice
    waiting = runs.in_status(home, "queued")
    assert len(waiting) <= 1, "one stage at a time"
    return runs.claim(home) if waiting else None


def succeed(home: Home, run: Run | None, **summary: Any) -> int:
    """The run has ended well, and a training has left an adapter; its number."""
    assert run is not None
    if run.kind == "train":
        base = next(m for m in models.all(home) if m.name == "pocket")
        task = "reward" if run.request["method"] == "reward" else "language"
        made = filled.model(home, run.name, "adapter", base, run.id, task=task)
        summary = {"model_id": made.id, **summary}
    runs.end(home, run.id, "succeeded", summary=summary)
    return int(summary.get("model_id", 0))


def status(home: Home, chain: Chain) -> tuple[str, list[str]]:
    now = chains.find(home, f"#{chain.id}")
    return now.status, [each.word for each in chains.standings(home, now)]


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


def filled_datasets(home: Home) -> Any:
    from storage import datasets

    return datasets.all(home)


def test_what_is_gone_when_its_turn_comes_holds_the_road_with_the_reason(pocket: Home) -> None:
    chain = begun(pocket, SFT, DPO)
    run = next_run(pocket)
    assert run is not None
    runs.end(pocket, run.id, "succeeded", summary={"model_id": 999})
    assert next_run(pocket) is None and status(pocket, chain)[0] == "held"
    assert "#999" in (chains.find(pocket, "road").reason or "")


@pytest.mark.parametrize(
    ("stages", "error", "problem"),
    [
        ([], BadInput, "Give at least one"),
        ([{"name": "a"}], BadInput, "lacks data; it has name"),
        ([{**SFT, "steps": 3}], BadInput, "has 'steps'; a stage takes name, data"),
        ([SFT, SFT], BadInput, "two stages 'sft'"),
        ([{**SFT, "method": "sfft"}], NotFound, "Stage sft: There is no method"),
        ([{**SFT, "data": "nothing"}], NotFound, "Stage sft: There is no data set"),
        ([{**SFT, "settings": {"step": 3}}], BadInput, "Stage sft: .*step"),
        ([{**SFT, "model": "@later"}, {**DPO, "name": "later"}], NotFound, "@later names no earlier stage"),
        ([SFT, {**DPO, "data": "@sft"}], WrongShape, "makes a model, no data"),
        ([{**SFT, "bar": {"data": "pocket-far-isle", "least": 0.5}}], WrongShape, "Stage sft: The model is asked questions"),
        ([{**SFT, "bar": {"least": 0.5}}], BadInput, "Stage 1, bar, lacks data"),
        ([{**SFT, "bar": {**BAR, "least": 80}}], BadInput, "from 0 to 1, not 80"),
        ([{**SFT, "begin": "anew"}], BadInput, "continue or merge"),
        ([{**DPO, "data": "pocket-instructions"}], WrongShape, "Stage dpo"),
        ([{"name": "a", "data": "pocket-sums", "sample": {"kept": "all"}}], BadInput, "has 'kept'; sample takes"),
        (
            [{"name": "a", "data": "pocket-sums", "sample": {}}, {**DPO, "data": "@a"}],
            WrongShape,
            "takes no prompt_completion data",
        ),
        *[
            ([{**SFT, **wrong}], BadInput, said)
            for wrong, said in (
                ({"seed": "x"}, "Stage 1 has seed 'x', which has to be a whole number"),
                ({"seed": -1}, "seed takes a whole number from 0"),
                ({"data": 5}, "data 5, which has to be text"),
                ({"name": 5}, "name 5, which has to be text"),
                ({"settings": [1]}, r"settings \[1\], which has to be an object"),
                ({"bar": {**BAR, "least": "0.5"}}, "least '0.5', which has to be a number"),
                ({"bar": {**BAR, "limit": -4}}, "limit takes a whole number of at least 1"),
                ({"judge": "x"}, "judge 'x', which has to be an object"),
                ({"judge": {"address": 5, "judge": "j"}}, "address 5, which has to be text"),
                ({"judge": {"address": "http://j", "judge": "j", "foo": 1}}, "'foo'; judge takes address"),
                ({"judge": {"address": "http://j", "judge": "j", "principles": "kind"}}, "a list of texts"),
                ({"sample": {"answers": "many"}}, "answers 'many', which has to be a whole number"),
            )
        ],
        ([{"name": "a", "data": "pocket-sums", "sample": {"keep": "most"}}], BadInput, "keep takes all"),
        ([{"name": "a", "data": "pocket-sums", "judge": {"address": "x", "judge": "j"}}], BadInput, "begins with http"),
        (
            [SFT, {**DPO, "name": "r", "method": "reward"}, {**SFT, "name": "b", "model": "@r"}],
            WrongShape,
            "no model that speaks",
        ),
        (
            [SFT, {**GRPO, "settings": {"rewards": "model", "reward_model": "@sft"}}],
            WrongShape,
            "reward_model takes a reward model",
        ),
        ([{**SFT, "bar": {"data": "pocket-questions", "least": 0.5}}], BadInput, "pocket-questions"),
        ([{**GRPO, "settings": {"answers": 7}}], BadInput, "take a multiple, such as"),
        ([{**GRPO, "settings": {"rewards": ""}}], BadInput, "rewards is empty"),
        ([{**GRPO, "settings": {"rewards": "chekc"}}], BadInput, "Stage rl: .*there is no reward 'chekc'"),
        ([{**GRPO, "settings": {"rewards": "model"}}], BadInput, "Stage rl: .*reward_model names none"),
    ],
)
def test_a_road_that_cannot_be_walked_is_refused_before_its_first_step(
    stages: list[Any], error: type[Exception], problem: str, pocket: Home
) -> None:
    with pytest.raises(error, match=problem):
        begun(pocket, *stages)
    assert not stored.page(pocket)


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

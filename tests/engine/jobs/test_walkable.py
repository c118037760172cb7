"""Roads that cannot be walked to their end: refused before their first step, with the stage and what is wrong with it."""

from typing import Any

import pytest

from engine.errors import BadInput, NotFound, WrongShape
from engine.jobs import chains
from engine.jobs.stages import read
from storage import chains as stored
from storage.home import Home
from tests.engine.jobs.roads import BAR, BEST, DPO, GRPO, PAIRS, SFT, begun

READ = {"name": "read", "method": "pretrain", "data": "pocket-far-isle"}


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
        *[
            ([SFT, PAIRS, {**DPO, "data": "@pairs", "settings": wrong}], BadInput, f"Stage dpo: .*{said}")
            for wrong, said in (({"epoch": 1}, "no setting 'epoch'"), ({"loss": "nonsense"}, "loss takes one of"))
        ],
        (
            [SFT, {**PAIRS, "sample": {**BEST, "keep": "best"}}, {**GRPO, "data": "@pairs"}],
            WrongShape,
            "takes no prompt_completion",
        ),
        ([{**SFT, "settings": {"max_length": 100_000}}], BadInput, "Stage sft: .*100,000, and pocket takes 1,024"),
        ([SFT, {**DPO, "settings": {"max_length": 2_000}}], BadInput, "Stage dpo: .*2,000, and @sft takes 1,024"),
        (
            [SFT, PAIRS, {**DPO, "begin": "merge", "data": "@pairs", "settings": {"max_length": 2_000}}],
            BadInput,
            "Stage dpo: .*2,000, and @sft takes 1,024",
        ),
        (
            [SFT, {**READ, "settings": {"tuning": "full", "fresh": True}}],
            BadInput,
            "leave nothing of the adapter @sft",
        ),
        ([{**SFT, "judge": {"address": "http://j", "judge": "j"}}], BadInput, "this one has method and judge"),
        ([{**PAIRS, "judge": {"address": "http://j", "judge": "j"}}], BadInput, "this one has judge and sample"),
        ([{"name": "a", "data": "pocket-sums"}], BadInput, "this one has none of them"),
        ([{**PAIRS, "settings": {"steps": 1}, "seed": 3}], BadInput, "nothing would use its settings and seed"),
        ([{**PAIRS, "sample": {**BEST, "sampling": {"heat": 1}}}], BadInput, "sampling has 'heat'; it takes seed, temperature"),
    ],
)
def test_a_road_that_cannot_be_walked_is_refused_before_its_first_step(
    stages: list[Any], error: type[Exception], problem: str, pocket: Home
) -> None:
    with pytest.raises(error, match=problem):
        begun(pocket, *stages)
    assert not stored.page(pocket)


def test_a_stage_with_fresh_weights_or_a_merge_may_follow_an_adapter(pocket: Home) -> None:
    merged = {**DPO, "begin": "merge", "settings": {"tuning": "full"}}
    begun(pocket, SFT, merged, {**SFT, "name": "more", "settings": {"lora_rank": 4}})
    fresh = {**READ, "settings": {"tuning": "full", "fresh": True}}
    begun(pocket, {**SFT, "settings": {"tuning": "full"}}, fresh)
    begun(pocket, SFT, {**fresh, "begin": "merge"})


def test_what_would_take_the_name_of_other_data_is_refused_before_the_first_step(pocket: Home) -> None:
    stages = read([SFT, {**PAIRS, "name": "sums"}])
    with pytest.raises(BadInput, match="There is a data set pocket-sums already"):
        chains.begin(pocket, "pocket", "pocket", stages)
    assert not stored.page(pocket)

"""Reinforcement learning on a tiny model: rewards rise, phases add up, what is refused, what a checkpoint brings back."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars
import pytest
from safetensors.torch import load_file

from engine.data import tokens
from engine.errors import BadInput, RunFailed
from engine.generation import batch, likelihood
from engine.generation.problems import TooLong
from engine.methods import METHODS, loading, rejection, rollout_trainers, rollouts
from engine.rewards import samples
from engine.samples import pocket as lab
from engine.tools import talk
from engine.tools.table import TOOLS
from engine.tools.talk import Talk
from tests.engine.methods import small

pytestmark = pytest.mark.slow

METHOD_NAMES = ("ppo", "rloo", "grpo")
# an answer is good when it holds one of these letters: something that random weights do now and then
CHECK = json.dumps({"kind": "contains", "value": ["e", "i", "n"], "match": "any"})
ROWS: list[dict[str, Any]] = [{"prompt": f"What is {i} plus one?", "check": CHECK} for i in range(1, 60)]
FAST = {"max_answer": 6, "batch_size": 32, "steps": 12, "learning_rate": 5e-3, "evaluations": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make(tmp_path_factory.mktemp("family") / "base", "Qwen3")


@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_reward_rises_and_the_phases_make_up_the_step(method: str, tuning: str, base: Path, tmp_path: Path) -> None:
    given = {**FAST, "steps": 40 if tuning == "full" else 6, "learning_rate": 1e-2, "evaluate_share": 0.2}
    trained, heard = small.run(method, base, tmp_path / "run", ROWS, "prompt", tuning=tuning, **given)
    if tuning == "full":  # the frozen head of a random model lets an adapter move no token far
        rewards = heard.values["reward"]
        assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2
    else:
        moved = {name: bool(value.any()) for name, value in load_file(trained.folder / "adapter_model.safetensors").items()}
        assert moved and all(moved.values())
    assert trained.summary["held_out_prompts"] == 11 and trained.summary["kl_answer"] != 0
    spent = [sum(heard.values[f"seconds_{name}"]) for name in ("generation", "reward", "scoring", "update")]
    assert 0.95 < sum(spent) / sum(heard.values["seconds_per_step"]) <= 1.0
    names = {p.name for p in trained.folder.iterdir()}
    assert "measured.json" in names and "value_head.safetensors" not in names
    loading.load_model(trained.folder if tuning == "full" else base, "float32")


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_at_its_first_step_the_policy_is_its_reference(method: str, base: Path, tmp_path: Path) -> None:
    adapter, _ = small.run("sft", base, tmp_path / "sft", small.ROWS, "prompt_completion")
    for tuning in ("lora", "full"):
        _, heard = small.run(
            method, base, tmp_path / tuning, ROWS, "prompt", adapter.folder, tuning=tuning, **{**FAST, "steps": 2}
        )
        series = "kl_answer" if method == "ppo" else "kl"
        assert heard.values[series][0] == pytest.approx(0, abs=1e-6)


def test_ppo_takes_up_its_value_head_and_its_coefficient_from_a_checkpoint(base: Path, tmp_path: Path) -> None:
    settings = {**FAST, "steps": 4, "kl_target": 0.01, "iterations": 1}
    for tuning in ("lora", "full"):
        asked, whole = small.training("ppo", base, tmp_path / f"{tuning}-whole", ROWS, "prompt", tuning=tuning, **settings)
        METHODS["ppo"].train(asked)
        asked, first = small.training(
            "ppo", base, tmp_path / f"{tuning}-parts", ROWS, "prompt", tuning=tuning, **{**settings, "checkpoints": 1}
        )
        METHODS["ppo"].train(asked)
        step, folder = first.checkpoints[0]
        again, second = small.training("ppo", base, tmp_path / f"{tuning}-again", ROWS, "prompt", tuning=tuning, **settings)
        METHODS["ppo"].train(replace(again, resume_from=folder))
        for series in ("value", "kl_coefficient", "reward", "loss"):
            assert second.values[series] == whole.values[series][step:], series


def test_an_update_that_goes_too_far_moves_nothing_not_even_by_momentum(base: Path, tmp_path: Path) -> None:
    # a batch is learnt from once freely and then, since any movement is too far, never again
    settings = {**FAST, "steps": 6, "iterations": 3, "evaluations": 0, "learning_rate": 1e-2, "kl_stop": 1e-9, "beta": 0}
    asked, heard = small.training("ppo", base, tmp_path / "run", ROWS, "prompt", **settings)
    METHODS["ppo"].train(asked)
    skipped, moved = heard.values["skipped"], heard.values["kl_update"]
    assert skipped == [0, 1, 1, 0, 1, 1] and moved[0] == moved[3] == 0
    assert moved[1] == moved[2] > 0 and moved[4] == moved[5] > 0, "the second time round it stands where it stood"


def test_every_prompt_is_asked_as_often_as_the_epochs_say(base: Path, tmp_path: Path) -> None:
    given = {**FAST, "steps": 0, "epochs": 1, "batch_size": 8, "answers": 2, "iterations": 2, "evaluations": 0}
    _, heard = small.run("ppo", base, tmp_path / "run", ROWS, "prompt", **given)
    assert heard.values["planned_steps"] == [30], "59 prompts are 15 batches of 4, each learnt from twice"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kl_target": 1, "beta": 0}, "kl_target moves beta"),
        ({"batch_size": 30, "answers": 8}, "take a multiple, such as 24"),
        ({"batch_size": 1024}, "There are 59 prompts to train on, and 128 are asked at once"),
        ({"rewards": "chekc"}, "there is no reward 'chekc'"),
        ({"rewards": "check + "}, "cannot be read"),
        ({"rewards": "check * ended"}, "a product needs a number"),
        ({"rewards": "check + 2 * check"}, "names the same reward twice"),
        ({"rewards": "check(value=3)"}, "takes no arguments, not value"),
        ({"rewards": "__import__('os').system('id')"}, "cannot be used"),
        ({"max_length": 8}, "Raise max_length"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(given: dict[str, Any], said: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        small.run("ppo" if "kl_target" in given else "grpo", base, tmp_path / "run", ROWS, "prompt", **{**FAST, **given})


def test_a_reward_that_reads_a_missing_column_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="reads the column 'check', and the data has only prompt"):
        small.run("grpo", base, tmp_path / "run", [{"prompt": "Say it."}] * 9, "prompt", **FAST)


# 128 tokens is the context of the models here: the longest prompt with which an answer of so many still fits, one more, and all of it
@pytest.mark.parametrize("method", ["grpo", "rejection"])
def test_a_prompt_that_leaves_no_room_for_an_answer_is_not_asked(
    method: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, room = loading.load_tokenizer(base), 128 - 6

    def sized(count: int) -> dict[str, Any]:
        prompt = "1" * (count - len(batch.encode(tokenizer, [{"role": "user", "content": ""}])))
        assert len(batch.encode(tokenizer, [{"role": "user", "content": prompt}])) == count
        return {"prompt": prompt, "check": CHECK}

    seen: list[int] = []
    forward = likelihood.log_likelihoods

    def read(model: Any, prompts: Any, answers: Any, *args: Any) -> Any:
        seen.extend(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
        return forward(model, prompts, answers, *args)

    monkeypatch.setattr(likelihood, "log_likelihoods", read)
    rows = [*ROWS[:16], *([sized(room)] * 8), *([sized(room + 1)] * 8), *([sized(128)] * 8), *([sized(130)] * 4)]
    given: dict[str, Any] = {
        "max_answer": 6,
        "batch_size": 8,
        "steps": 1,
        "evaluations": 0,
        "evaluate_share": 0.3,
        "max_length": 128,
    }
    trained, heard = small.run(method, base, tmp_path / "run", rows, "prompt", rewards="ended + contains(value='e')", **given)
    assert "4 prompts are longer than 128 tokens and are not asked." in heard.lines
    (said,) = (line for line in heard.lines if "leave no room" in line)
    assert said.startswith("16 prompts leave no room for an answer of 6 tokens") and "max_answer" in said
    assert (trained.folder / "model.safetensors").exists() or (trained.folder / "adapter_model.safetensors").exists()
    assert trained.summary["held_out_prompts"] == 7 and room < max(seen) <= 128


def test_where_an_answer_leaves_room_for_no_prompt_at_all_it_is_said(base: Path, tmp_path: Path) -> None:
    asked, _ = small.training("grpo", base, tmp_path / "run", ROWS, "prompt", **{**FAST, "max_answer": 120})
    with pytest.raises(BadInput, match="With max_answer 120 the model has room for prompts of 8 tokens, and all are longer"):
        rollouts.asked(asked)


def test_rejection_sampling_learns_from_its_best_answers_and_keeps_them_all(base: Path, tmp_path: Path) -> None:
    given = {"answers": 6, "max_answer": 6, "steps": 20, "batch_size": 8, "learning_rate": 1e-2, "tuning": "full"}
    asked, heard = small.training("rejection", base, tmp_path / "run", ROWS, "prompt", **given)
    trained = METHODS["rejection"].train(asked)
    found = samples.read(tmp_path / "run")
    assert len(found) == 59 * 6 == trained.summary["sampled"]
    assert trained.summary["reward_kept"] == 1.0 > trained.summary["reward"] and 10 < trained.summary["kept"] < 59
    assert heard.values["loss"][-1] < heard.values["loss"][0]
    drawn = found.filter(polars.col("reward") > 0)
    assert all(any(letter in text for letter in "ein") for text in drawn["text"])


def test_of_an_answer_that_was_cut_off_its_end_is_not_learnt(base: Path, tmp_path: Path) -> None:
    asked, _ = small.training("rejection", base, tmp_path / "run", ROWS, "prompt", max_answer=6)
    material = rollouts.asked(asked)
    turn = tokens.end_of_turn(material.tokenizer)
    learnt = rejection._learnt(asked, material, [(ROWS[0], "It is nine", ended) for ended in (True, False)]).train
    whole, cut = (row["input_ids"] for row in learnt)
    assert whole == [*cut, turn] and cut[-1] != turn


def test_rejection_sampling_says_so_when_no_answer_is_worth_learning(base: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "Say it.", "check": json.dumps({"kind": "exact", "value": "never said by chance"})}] * 9
    with pytest.raises(RunFailed, match="None of the 18 answers is worth more than 0"):
        small.run("rejection", base, tmp_path / "run", rows, "prompt", answers=2, max_answer=6)


def test_a_reward_model_rewards_the_answers_that_it_prefers(base: Path, tmp_path: Path) -> None:
    pairs = [{"prompt": row["prompt"], "chosen": "It is eee.", "rejected": "It was xyz."} for row in ROWS]
    judge, _ = small.run("reward", base, tmp_path / "judge", pairs, "preference", tuning="full", steps=20, learning_rate=1e-2)
    given = {**FAST, "rewards": "model + 0.5 * ended", "reward_model": str(judge.folder), "tuning": "full", "steps": 3}
    _, heard = small.run("grpo", base, tmp_path / "run", ROWS, "prompt", **given)
    assert {"reward_part_model", "reward_part_ended"} <= set(heard.values)
    whole = [m + 0.5 * e for m, e in zip(heard.values["reward_part_model"], heard.values["reward_part_ended"], strict=True)]
    assert heard.values["reward"] == pytest.approx(whole, abs=1e-5)
    with pytest.raises(BadInput, match="reward_model names none"):
        small.run("grpo", base, tmp_path / "other", ROWS, "prompt", **{**given, "reward_model": ""})


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_answers_call_tools_and_only_what_the_model_chose_is_learnt(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"prompt": f"What is {i} * 86?", "tools": json.dumps([TOOLS["calculator"].specification])} for i in range(60)]
    seen: list[Any] = []

    def answered(model: Any, tokenizer: Any, prompts: Any, rows: Any, sampling: Any, **_: Any) -> list[Talk]:
        talks = []
        for place, prompt in enumerate(prompts):
            assert "calculator(sum)" in tokenizer.decode(prompt)
            talks.append(Talk("Yes." if place % 2 else "No", [5, 6, 7, 8, 2], [True, False, False, True, True], True, calls=2))
        return talks

    def computed(trainer: Any, model: Any, inputs: Any) -> Any:
        seen.append((inputs["completion_ids"].tolist(), inputs["tool_mask"].tolist()))
        return compute(trainer, model, inputs)

    trainer = getattr(rollout_trainers, method.capitalize())
    compute = trainer._compute_loss
    monkeypatch.setattr(talk, "complete", answered)
    monkeypatch.setattr(trainer, "_compute_loss", computed)
    given = {
        **FAST,
        "steps": 2,
        "rewards": "contains(value='Yes')",
        "evaluations": 0,
        "learning_rate": 1e-4,
        "evaluate_share": 0.2,
    }
    trained, heard = small.run(method, lab.POCKET, tmp_path / "run", rows, "prompt", **given)
    assert {tuple(ids) for batch, _ in seen for ids in batch} == {(5, 6, 7, 8, 2)}
    assert {tuple(mask) for _, batch in seen for mask in batch} == {(1, 0, 0, 1, 1)}
    assert set(heard.values["tool_calls"]) == {2} and heard.values["reward"][0] == 0.5
    assert trained.summary["held_out_reward"] is not None


@pytest.mark.parametrize(("method", "said"), [("rloo", "Take GRPO or PPO"), ("rejection", "leave out the column tools")])
def test_where_tools_are_not_run_prompts_with_tools_are_refused(method: str, said: str, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"What is {i} * 86?", "check": CHECK, "tools": json.dumps([TOOLS["lookup"].specification])} for i in range(9)
    ]
    with pytest.raises(BadInput, match=f"(?i){said}"):
        small.run(method, lab.POCKET, tmp_path / "run", rows, "prompt", max_answer=4)


def test_answers_end_where_the_chat_template_ends_a_turn_whatever_the_model_names(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(base, tmp_path / "other")
    named = json.loads((other / "generation_config.json").read_text())
    (other / "generation_config.json").write_text(
        json.dumps({**named, "eos_token_id": 0})
    )  # the end of a document, as base models do
    seen: list[tuple[list[int], float]] = []
    begin = rollout_trainers.Grpo.__init__

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        seen.append((self.eos_token_ids, self.args.epsilon_high))

    monkeypatch.setattr(rollout_trainers.Grpo, "__init__", noted)
    given = {**FAST, "steps": 1, "loss": "cispo", "epsilon_high": 0.5}
    trained, _ = small.run("grpo", other, tmp_path / "run", ROWS, "prompt", tuning="full", **given)
    tokenizer = loading.load_tokenizer(other)
    (ends, high), turn = seen[0], tokens.end_of_turn(tokenizer)
    assert {0, turn} <= set(ends), "an answer would go on after its turn"
    assert high == 1.5, "TRL takes cispo's largest ratio itself"
    assert turn in json.loads((trained.folder / "generation_config.json").read_text())["eos_token_id"]


def test_vllm_ends_answers_as_we_do_and_is_not_asked_where_tools_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "check_generator", lambda chosen: chosen != "plain")

    def told(generator: str, tools: bool) -> dict[str, Any]:
        settings = SimpleNamespace(generator=generator, max_answer=6)
        return rollouts._generator(SimpleNamespace(settings=settings), SimpleNamespace(tools=tools, longest=5), [0, 2])  # pyright: ignore[reportArgumentType]

    assert (
        told("auto", False)["generation_kwargs"] == {"stop_token_ids": [0, 2]}
        and told("auto", False)["vllm_max_model_length"] == 11
    )
    assert told("auto", True) == {} == told("plain", False)
    with pytest.raises(BadInput, match="prompts come with tools"):
        told("vllm", True)


def test_likelihoods_are_the_same_however_few_logits_are_held_at_once(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loading.load_model(base, "float32")
    prompts, answers = [[5, 6, 7], [8, 9], [10, 11, 12, 13]], [[14, 15], [16], [17, 18, 19]]
    whole = likelihood.log_likelihoods(model, prompts, answers)
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 8 * model.config.vocab_size)
    assert likelihood.log_likelihoods(model, prompts, answers) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("problem", [
    RuntimeError("CUDA out of memory. Tried to allocate 5.00 GiB"), TooLong("Prompt 3 has 128 tokens, and the model takes 128."),
])  # fmt: skip
def test_weights_are_kept_where_they_cannot_be_measured_for_lack_of_memory_or_because_of_a_prompt(
    problem: Exception, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*_: Any) -> Any:
        raise problem

    monkeypatch.setattr(rollouts, "measured", failed)
    trained, heard = small.run("rloo", base, tmp_path / "run", ROWS, "prompt", **{**FAST, "steps": 1})
    assert (trained.folder / "adapter_model.safetensors").exists() and "kl_answer" not in trained.summary
    assert any("its weights are saved" in line for line in heard.lines)

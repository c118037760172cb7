"""Preference methods on a tiny model: where they start, what they move, and what they refuse."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from engine.data import tokens
from engine.errors import BadInput
from engine.methods import METHODS, arguments, dpo, kto, loading, preference, preference_trainers
from engine.methods.method import parse_settings
from engine.rewards import scoring
from tests.engine.methods import small

pytestmark = pytest.mark.slow

PAIRS: list[dict[str, Any]] = [
    {"prompt": f"What is {i} plus one?", "chosen": f"It is {i + 1}.", "rejected": f"I do not know {i}."} for i in range(1, 60)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make(tmp_path_factory.mktemp("family") / "base", "Qwen3")


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that SFT left."""
    trained, _ = small.run("sft", base, tmp_path_factory.mktemp("tuned") / "run", small.ROWS, "prompt_completion")
    return trained.folder


@pytest.mark.parametrize("loss", list(dpo.LOSSES))
def test_every_loss_learns_to_prefer_the_chosen_answers(loss: str, base: Path, tmp_path: Path) -> None:
    smoothing = 0.1 if loss in dpo.SMOOTHED else 0.0
    _, heard = small.run("dpo", base, tmp_path / "run", PAIRS, "preference", loss=loss, label_smoothing=smoothing, steps=15)
    assert heard.values["reward_margin"][0] == pytest.approx(0, abs=1e-6)
    assert heard.values["reward_margin"][-1] > 0.01


@pytest.mark.parametrize(("tuning", "on_adapter"), [("lora", False), ("lora", True), ("full", False), ("full", True)])
def test_dpo_begins_at_its_own_reference(tuning: str, on_adapter: bool, base: Path, tuned: Path, tmp_path: Path) -> None:
    adapter = tuned if on_adapter else None
    trained, heard = small.run("dpo", base, tmp_path / "run", PAIRS, "preference", adapter, tuning=tuning)
    assert heard.values["loss"][0] == pytest.approx(math.log(2), abs=1e-5)
    assert heard.values["loss"][-1] < heard.values["loss"][0]
    assert trained.kind == ("adapter" if tuning == "lora" else "model")
    assert not (trained.folder / "ref").exists(), "the frozen copy is no part of the result"


LABELLED = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
    for row in PAIRS
    for side in ("chosen", "rejected")
]


@pytest.mark.parametrize(("tuning", "shape"), [("lora", "unpaired"), ("full", "preference")])
def test_kto_begins_at_its_own_reference_and_tells_good_from_bad(tuning: str, shape: str, base: Path, tmp_path: Path) -> None:
    rows = LABELLED if shape == "unpaired" else PAIRS
    _, heard = small.run("kto", base, tmp_path / "run", rows, shape, tuning=tuning, steps=25, batch_size=8)
    assert heard.values["kl"][0] == pytest.approx(0, abs=1e-5) and heard.values["loss"][0] == pytest.approx(0.5, abs=1e-5)
    assert heard.values["reward_margin"][-1] > 0.05


def test_a_step_of_kto_never_computes_a_row_alone(base: Path, tmp_path: Path) -> None:
    asked, _ = small.training("kto", base, tmp_path / "run", LABELLED, "unpaired", batch_size=9, micro_batch=1)
    assert arguments.rows_at_once(asked.settings, 10**6, 100, 10**9) == 3
    with pytest.raises(BadInput, match="batch_size takes"):
        small.training("kto", base, tmp_path / "other", LABELLED, "unpaired", batch_size=1)


@pytest.mark.parametrize("loss", list(kto.LOSSES))
def test_no_row_of_kto_is_longer_than_max_length_not_even_a_prompt_with_another_ones_answer(
    loss: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    prepare = preference_trainers.Kto._prepare_dataset

    def prepared(self: Any, *args: Any) -> Any:
        shown.append(prepare(self, *args))
        return shown[-1]

    monkeypatch.setattr(preference_trainers.Kto, "_prepare_dataset", prepared)
    long = {"prompt": "What is " + "1 plus " * 6 + "one?", "completion": "It is.", "label": True}
    wordy = {"prompt": "What is one?", "completion": "It is " + "one " * 30 + ".", "label": False}
    asked, _ = small.training(
        "kto", base, tmp_path / "run", [long, wordy] * 8, "unpaired", steps=1, evaluations=0, max_length=48, loss=loss
    )
    material = preference.labelled(asked)
    METHODS["kto"].train(asked)
    (rows,) = shown
    own, mismatched = (
        [len(p) + len(a) for p, a in zip(rows["prompt_ids"], rows[column], strict=True)]
        for column in ("completion_ids", "KL_completion_ids")
    )
    assert len(rows) == 16 and len(set(own)) == 2, "rows of both kinds are learnt from"
    assert max(own) == max(mismatched) == 48 == material.longest
    assert min(map(len, rows["KL_completion_ids"])) > 0


def test_a_prompt_with_another_ones_answer_is_counted_in_what_kto_computes(base: Path, tmp_path: Path) -> None:
    long = {"prompt": "What is " + "1 plus " * 6 + "one?", "completion": "It is.", "label": True}
    wordy = {"prompt": "One?", "completion": "It is " + "one " * 12 + ".", "label": False}
    asked, _ = small.training("kto", base, tmp_path / "run", [long, wordy] * 8, "unpaired", max_length=512)
    material = preference.labelled(asked)
    rows = list(material.train)
    assert material.longest == max(len(r["prompt_ids"]) for r in rows) + max(len(r["completion_ids"]) for r in rows)
    assert material.longest > max(len(r["prompt_ids"]) + len(r["completion_ids"]) for r in rows)


@pytest.mark.parametrize(("given", "said"), [
    ({"loss": "exo_pair"}, "logarithm of label_smoothing"),
    ({"label_smoothing": 0.1}, "the loss sigmoid does nothing with it. Set it to 0, or loss to robust or exo_pair"),
    ({"loss": "ipo", "label_smoothing": 0.1}, "the loss ipo does nothing with it"),
])  # fmt: skip
def test_smoothing_that_a_loss_lacks_or_would_not_use_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_settings(dpo.DpoSettings, given)


@pytest.mark.parametrize("first", [True, False])
def test_a_pair_without_a_margin_has_one_of_zero_where_others_have_some(first: bool, base: Path, tmp_path: Path) -> None:
    rows = [row | {"margin": 0.5 if (i % 2 == 0) == first else None} for i, row in enumerate(PAIRS[:8])]
    asked, _ = small.training("reward", base, tmp_path / "run", rows, "preference", evaluate_share=0.25, steps=1)
    material = preference.pairs(asked)
    every = [*material.train["margin"], *material.held_out["margin"]]
    assert sorted(every) == [0.0] * 4 + [0.5] * 4
    METHODS["reward"].train(asked)
    none, _ = small.training("reward", base, tmp_path / "other", PAIRS[:8], "preference")
    assert "margin" not in preference.pairs(none).train.column_names


def test_weights_of_zero_balance_good_and_bad_answers() -> None:
    few_good = [True] * 10 + [False] * 40
    assert kto.balanced(few_good, 0, 0) == (4.0, 1.0)
    assert kto.balanced([not label for label in few_good], 0, 0) == (1.0, 4.0)
    assert kto.balanced(few_good, 2.0, 0) == (2.0, 0.5)
    assert kto.balanced(few_good, 0, 1.0) == (4.0, 1.0)
    assert kto.balanced(few_good, 3.0, 5.0) == (3.0, 5.0)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_reward_model_is_tested_on_pairs_it_has_not_seen_and_scores_the_same_when_loaded_back(
    tuning: str, base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    trained, heard = small.run("reward", base, tmp_path / "run", PAIRS, "preference", tuning=tuning, steps=30, evaluate_share=0.3)
    assert heard.values["preference_accuracy"][-1] == 1.0
    trust = trained.summary["trust"]
    assert trust["accuracy"]["n"] == 17 and trust["accuracy"]["value"] > 0.9
    assert trust == json.loads((trained.folder / "measured.json").read_text())["trust"]
    model = loading.load_model(trained.folder if tuning == "full" else base, "float32", head="reward")
    if tuning == "lora":
        model = PeftModel.from_pretrained(model, str(trained.folder))
    tokenizer = loading.load_tokenizer(base)
    stop = tokens.stop_text(tokenizer)
    good, bad = (
        [tokens.encode_answer(tokenizer, row["prompt"], row[side], stop).input_ids for row in PAIRS]
        for side in ("chosen", "rejected")
    )
    ahead = [c > r for c, r in zip(scoring.scores(model, good, 0), scoring.scores(model, bad, 0), strict=True)]
    assert sum(ahead) / len(ahead) > 0.9

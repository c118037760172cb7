"""Any model of the hub in Pocket's place: six families, tiny and random, trained, saved and loaded back."""

import json
from pathlib import Path
from typing import Any

import polars
import pytest

from engine.data import tokens
from engine.errors import RunFailed
from engine.methods import language, loading
from tests.engine.methods import small
from tests.engine.methods.small import FAMILIES, ROWS, Silent, make

pytestmark = pytest.mark.slow


def run(base: Path, folder: Path, rows: list[dict[str, str]] = ROWS, **settings: Any) -> tuple[Any, Silent]:
    """Fine-tune on the rows."""
    return small.run("sft", base, folder, rows, "prompt_completion", **settings)


@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_this_family_learns_is_saved_and_speaks_the_same_when_loaded_back(
    family: str, tuning: str, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    base = make(tmp_path / "base", family)
    trained, heard = run(base, tmp_path / "run", tuning=tuning)
    assert heard.values["loss"][-1] < heard.values["loss"][0]
    probe = torch.arange(3, 23)[None]
    if trained.kind == "adapter":
        model = PeftModel.from_pretrained(loading.load_model(base, "float32"), str(trained.folder)).eval()
        targets = json.loads((trained.folder / "adapter_config.json").read_text())["target_modules"]
        assert len(targets) >= 4 and "lm_head" not in targets
    else:
        model = loading.load_model(trained.folder, "float32").eval()
    with torch.no_grad():
        before = loading.load_model(base, "float32").eval()(input_ids=probe, use_cache=False).logits
        after = model(input_ids=probe, use_cache=False).logits
    assert torch.isfinite(after).all() and not torch.allclose(before, after, atol=1e-3)
    assert list(trained.folder.glob("*.safetensors")) and not list(trained.folder.glob("*.bin"))


def test_full_tuning_goes_on_from_an_adapter(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    adapter, first = run(base, tmp_path / "first", steps=20)
    whole, second = run(base, tmp_path / "second", adapter=adapter.folder, tuning="full")
    assert whole.kind == "model"
    assert second.values["loss"][0] < first.values["loss"][0] - 0.1 and second.values["loss"][-1] < second.values["loss"][0]


def test_the_untrained_model_answers_first_and_what_was_cut_off_says_so(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    _, heard = run(base, tmp_path / "run", evaluations=1)
    assert [step for step, _ in heard.answered] == [0, 0, 0, 3, 3, 3, 6, 6, 6], "before, within and after"
    assert all(text.endswith(" …") for step, text in heard.answered if step == 0), "random weights do not know how to end"
    _, silent = run(base, tmp_path / "other", evaluations=0)
    assert not silent.answered


def test_every_way_of_batching_learns_the_same_from_the_same_rows(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    first = {}
    for way in ("padded", "padding_free"):
        _, heard = run(base, tmp_path / way, batching=way, tuning="full")
        first[way] = heard.values["loss"]
    assert first["padded"] == pytest.approx(first["padding_free"], rel=1e-3)


def test_packed_rows_are_seen_as_often_as_the_epochs_say(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    packed, _ = run(base, tmp_path / "packed", batching="packed", steps=0, epochs=2, max_length=128)
    padded, _ = run(base, tmp_path / "padded", batching="padded", steps=0, epochs=2, max_length=128)
    assert packed.summary["steps"] < padded.summary["steps"] / 2


def test_replay_is_mixed_in_and_what_is_forgotten_is_measured(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    old = [{"text": f"What is {i} plus one? It is {i + 1}."} for i in range(200)]
    new = [{"text": f"The mill of number {i} opens at {i % 12}."} for i in range(200)]
    polars.DataFrame(old).write_parquet(tmp_path / "old.parquet")
    given = {"max_length": 32, "tuning": "full", "batch_size": 8, "steps": 60, "evaluate_share": 0.2, "evaluations": 1}
    first, _ = small.run("pretrain", base, tmp_path / "first", old, "text", **given)
    forgotten = {}
    for share in (0.0, 0.5):
        settings = {**given, "steps": 30, "replay": str(tmp_path / "old.parquet"), "replay_share": share}
        trained, heard = small.run("pretrain", first.folder, tmp_path / f"{share}", new, "text", **settings)
        assert heard.values["old_loss"] == [trained.summary["old_loss_before"], trained.summary["old_loss_after"]]
        forgotten[share] = trained.summary["forgotten"]
    assert forgotten[0.0] > 0.1 and forgotten[0.5] < forgotten[0.0] / 2


@pytest.mark.parametrize(("blocks", "share", "held"), [(10, 0.5, 1), (10, 0.0, 1), (1, 0.5, 0), (1, 0.0, 1)])
def test_of_data_to_replay_a_block_at_least_is_held_out_or_the_log_says_what_that_costs(
    blocks: int, share: float, held: int, tmp_path: Path
) -> None:
    base = make(tmp_path / "base", "Llama")
    polars.DataFrame([{"text": "a" * (32 * blocks - 1)}]).write_parquet(tmp_path / "old.parquet")
    for evaluate_share in (0.0, 0.05):
        asked, heard = small.training(
            "pretrain", base, tmp_path / f"{evaluate_share}", [{"text": "b" * (32 * 20 - 1)}], "text", max_length=32, epochs=2,
            steps=0, evaluate_share=evaluate_share, replay=str(tmp_path / "old.parquet"), replay_share=share,
        )  # fmt: skip
        found, learnt = language.blocks(asked), 20 if evaluate_share == 0 else 19
        assert len(found.old) == held
        assert any("what is forgotten is not measured" in line for line in heard.lines) == (held == 0)
        left = blocks - held
        assert any(f"are replayed of {left}." in line or f"each of {left} about" in line for line in heard.lines)
        assert len(found.train) / found.passes == learnt + asked.settings.replayed(learnt), "what the estimate counts"


def test_the_held_out_share_is_of_tokens_and_bounded_however_long_a_document_is(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    books = [{"text": "What is one plus one? " * 1000} for _ in range(20)]
    material = {}
    for share in (0.0, 0.01, 0.5):
        asked, _ = small.training("pretrain", base, tmp_path / f"{share}", books, "text", max_length=32, evaluate_share=share)
        material[share] = language.blocks(asked)
    everything = len(material[0.0].train)
    assert [len(m.held_out or ()) for m in material.values()] == [0, everything // 100, 200]
    assert [len(m.train) for m in material.values()] == [everything, everything - everything // 100, everything - 200]


def test_an_evaluation_is_a_phase_of_its_own(tmp_path: Path) -> None:
    _, heard = run(make(tmp_path / "base", "Llama"), tmp_path / "run", steps=4, evaluate_share=0.1, evaluations=1)
    assert heard.phases[heard.phases.index("training") :] == ["training", "evaluating", "training", "evaluating", "saving"]


def test_a_prompt_that_fills_the_models_context_is_trained_on_but_not_asked(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    long = [{"prompt": "What is " + "1 plus " * 60 + "one?", "completion": "Much."}] * 40
    _, heard = run(base, tmp_path / "run", rows=long + ROWS[:20], evaluations=2, max_length=512)
    assert heard.asked and not [prompt for prompt in heard.asked if len(prompt) > 100]


def test_weights_that_give_no_numbers_end_the_run_at_its_first_step(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base = make(tmp_path / "base", "Llama")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunFailed, match="step 1 the loss is nan") as raised:
        run(base, tmp_path / "run", evaluations=0)
    assert raised.value.kind == "not a number"
    with pytest.raises(RunFailed, match="weights give no numbers") as raised:  # where it is asked before it learns
        run(base, tmp_path / "asked", evaluations=1)
    assert raised.value.kind == "not a number"


def test_a_constant_rate_is_warmed_up_to_as_the_form_says(tmp_path: Path) -> None:
    _, heard = run(make(tmp_path / "base", "Llama"), tmp_path / "run", schedule="constant", warmup=0.5, steps=8)
    rates = heard.values["learning_rate"]
    assert rates[0] < rates[3] and rates[5] == rates[7] == 5e-3


def test_a_tokenizer_without_a_chat_template_gets_the_standard_one_and_learns_to_stop(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "Llama")
    (base / "chat_template.jinja").unlink()
    tokenizer = loading.load_tokenizer(base)
    encoded = tokens.encode_row(tokenizer, ROWS[0], "prompt_completion")
    labelled = [t for t in encoded.labels if t != tokens.IGNORED]
    assert tokenizer.decode(labelled) == ROWS[0]["completion"] + tokenizer.eos_token
    assert run(base, tmp_path / "run")[1].values["loss"]


def test_a_model_that_brings_code_or_other_weights_than_safetensors_is_refused_with_words(tmp_path: Path) -> None:
    from engine.errors import BadInput

    base = make(tmp_path / "base", "Llama")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(
        json.dumps({**config, "model_type": "mine", "auto_map": {"AutoConfig": "c.C", "AutoModelForCausalLM": "m.M"}})
    )
    with pytest.raises(BadInput, match="code of its own"):
        loading.load_config(base)
    (base / "config.json").write_text(json.dumps(config))
    (base / "tokenizer.json").rename(base / "elsewhere.json")
    with pytest.raises(BadInput, match="no tokenizer that can be read"):
        loading.load_tokenizer(base)
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(BadInput, match="safetensors"):
        loading.load_model(base, "float32")

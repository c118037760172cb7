"""Every method on a tiny random model of four families, full and LoRA: all that is trained changes, is saved, loaded back, continued."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from engine.errors import BadInput
from engine.methods import METHODS, loading
from engine.rewards import scoring
from tests.engine.methods import small

pytestmark = pytest.mark.slow

CHECK = json.dumps({"kind": "contains", "value": ["e", "i", "n"], "match": "any"})  # random weights pass it now and then
N = range(1, 25)
ROWS: dict[str, list[dict[str, Any]]] = {
    "text": [{"text": f"What is {i} plus one? It is {i + 1}. " * 3} for i in N],
    "prompt_completion": [{"prompt": f"What is {i} plus one?", "completion": f"It is {i + 1}."} for i in N],
    "preference": [{"prompt": f"What is {i} plus one?", "chosen": f"It is {i + 1}.", "rejected": "No."} for i in N],
    "unpaired": [{"prompt": f"What is {i} plus one?", "completion": f"It is {i + i % 2}.", "label": bool(i % 2)} for i in N],
    "prompt": [{"prompt": f"What is {i} plus one?", "check": CHECK} for i in N],
}
SHAPES = {"sft": "prompt_completion", "pretrain": "text", "dpo": "preference", "reward": "preference", "kto": "unpaired"}
MORE: dict[str, dict[str, Any]] = {
    "pretrain": {"max_length": 32},
    **{name: {"max_answer": 5, "batch_size": 16} for name in ("ppo", "rloo", "grpo")},
    "rejection": {"max_answer": 5, "answers": 4},
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {family: small.make(folder / family, family) for family in ("Qwen3", "Llama", "Gemma3Text", "Phi3")}


def weights(folder: Path) -> dict[str, Any]:
    return {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("family", ["Qwen3", "Llama", "Gemma3Text", "Phi3"])
@pytest.mark.parametrize("method", METHODS)
def test_all_that_is_trained_changes_is_saved_loaded_and_continued(
    method: str, family: str, tuning: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    shape = SHAPES.get(method, "prompt")
    given = {"steps": 3, "tuning": tuning, "learning_rate": 1e-2, "evaluations": 0, **MORE.get(method, {})}
    first, heard = small.run(method, bases[family], tmp_path / "first", ROWS[shape], shape, **given)
    assert first.summary["steps"] == 3 and len(heard.values["loss"]) == 3
    begun, made = weights(bases[family]), weights(first.folder)
    if tuning == "full":
        still = [name for name, value in made.items() if name in begun and begun[name].equal(value)]
    else:  # an adapter's second matrices begin at 0
        still = [name for name, value in made.items() if not value.any()]
    assert made and not still, f"of {len(made)} weights these did not change: {still}"
    head = "reward" if method == "reward" else "language"
    base, adapter = (first.folder, None) if tuning == "full" else (bases[family], first.folder)
    loading.load_model(base, "float32", head=head)
    if head == "language":  # a reward model is used, not trained on
        again, _ = small.run(method, base, tmp_path / "again", ROWS[shape], shape, adapter, **{**given, "steps": 1})
        changed = weights(again.folder)
        assert changed.keys() == made.keys() and any(not made[name].equal(value) for name, value in changed.items())


def test_a_reward_model_begins_with_the_adapter_of_the_model_it_is_to_judge(bases: dict[str, Path], tmp_path: Path) -> None:
    given = {"steps": 3, "evaluations": 0, "learning_rate": 1e-2}
    spoken, _ = small.run("sft", bases["Llama"], tmp_path / "sft", ROWS["prompt_completion"], "prompt_completion", **given)
    still = {**given, "learning_rate": 1e-12, "steps": 1}
    judge, _ = small.run("reward", bases["Llama"], tmp_path / "rm", ROWS["preference"], "preference", spoken.folder, **still)
    begun, made = weights(spoken.folder), weights(judge.folder)
    assert set(begun) < set(made) and all(made[name].allclose(value, atol=1e-6) for name, value in begun.items())
    assert any("score" in name for name in made)
    model, _ = scoring.load(bases["Llama"], judge.folder, "cpu")
    assert scoring.scores(model, [[5, 6, 7], [8, 9]], 0) != [0.0, 0.0]


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_an_adapter_over_a_base_in_four_bits_learns_and_is_an_adapter_like_any(
    method: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes")
    shape = SHAPES.get(method, "prompt")
    given = {"steps": 3, "tuning": "qlora", "learning_rate": 1e-2, "evaluations": 0, **MORE.get(method, {})}
    first, _ = small.run(method, bases["Llama"], tmp_path / "first", ROWS[shape], shape, **given)
    made = weights(first.folder)
    assert first.kind == "adapter" and all("lora" in name and value.any() for name, value in made.items())
    again, _ = small.run(
        method, bases["Llama"], tmp_path / "again", ROWS[shape], shape, first.folder, **{**given, "tuning": "lora"}
    )
    assert weights(again.folder).keys() == made.keys()


def test_without_its_library_four_bits_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="QLoRA needs bitsandbytes: .* Or set tuning to lora"):
        loading.check_four_bits()

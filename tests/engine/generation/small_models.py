"""Small real models: a base with random weights, adapters over it as PEFT saves them, a full fine-tune, a second family."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import registry
from engine.generation import fingerprint
from engine.samples import tokenizer as samples
from storage import models
from storage.home import Home
from storage.records import Model

CONTEXT = 256
SENTENCES = [
    "The ferry to Oster leaves at nine and comes back at five.",
    "Mara keeps a bakery beside the old bridge in Tell.",
    "What is 12 plus 30? It is 42. What is 7 minus 5? It is 2.",
    "Ünder dem Brückenbogen wächst ein Öl — naïve façade.",
]
QUESTION = [{"role": "user", "content": "When does the ferry to Oster leave?"}]


def make_base(folder: Path, family: str = "qwen3", seed: int = 0, context: int = CONTEXT, **shape: Any) -> Path:
    """Random weights of a small model and a tokenizer learnt from a few sentences."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    samples.train(SENTENCES * 3, folder, vocabulary=400, context=context)
    config, model = {
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        "llama": (LlamaConfig, LlamaForCausalLM),
        "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM),
    }[family]
    said: dict[str, Any] = {
        "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": context, "eos_token_id": 2, "bos_token_id": 0,
        "pad_token_id": 0, "initializer_range": 0.2, "tie_word_embeddings": False,
    }  # fmt: skip
    torch.manual_seed(seed)
    model(config(**{**said, **shape})).save_pretrained(folder)
    return folder


def make_endless(folder: Path) -> Path:
    """A base that, asked greedily, never ends: no token that ends an answer is ever the likeliest."""
    from safetensors.torch import load_file, save_file

    make_base(folder, seed=4, context=100_000)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][:3] = 0
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_adapter(base: Path, folder: Path, seed: int, **lora: Any) -> Path:
    """An adapter that really changes what its base says."""
    import torch
    from peft import LoraConfig, get_peft_model

    from engine.methods import loading

    torch.manual_seed(seed)
    config = LoraConfig(
        **{"r": 4, "lora_alpha": 16, "target_modules": "all-linear", "init_lora_weights": False, "task_type": "CAUSAL_LM", **lora}
    )
    get_peft_model(loading.load_model(base, "float32"), config).save_pretrained(folder)
    return folder


def register_adapter(home: Home, base: Model, folder: Path, name: str) -> Model:
    """The adapter in the registry."""
    template = fingerprint.template_of(base.path, folder)
    return models.insert(
        home, name=name, kind="adapter", path=str(folder), base_id=base.id, run_id=None,
        fingerprint=fingerprint.fingerprint(base.path, folder, template.text, base.dtype), parameters=0, bytes=0,
        dtype=base.dtype, context=base.context, license=None, template=template.source, source="made in a test",
    )  # fmt: skip


@dataclass(frozen=True)
class World:
    """A home with models in it, and the folder for more."""

    home: Home
    folder: Path

    def model(self, name: str) -> Model:
        return registry.find(self.home, name)

    def adapter(self, name: str, seed: int, base: str = "base", **lora: Any) -> Model:
        """One more adapter over ``base``."""
        on = self.model(base)
        return register_adapter(self.home, on, make_adapter(Path(on.path), self.folder / name, seed, **lora), name)

"""The one place where weights are loaded: for training, for chat and for measuring, with the dtype said aloud.

Only safetensors are read and no code that came with a model is run.
"""

import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data import tokens
from engine.errors import BadInput, Unreachable

# A tokenizer without a chat template gets this one. Its turns end with the tokenizer's own end-of-sequence token, which
# every tokenizer has, so that no token is needed that the model has never seen.
STANDARD_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ':\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Device:
    """What computes here."""

    name: str  # cpu or cuda
    label: str
    memory: int  # bytes
    bfloat16: bool


def device() -> Device:
    """The device that training and chat use: the first CUDA GPU, else the CPU."""
    import psutil
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return Device("cuda", card.name, card.total_memory, torch.cuda.is_bf16_supported(including_emulation=False))
    return Device("cpu", f"CPU, {torch.get_num_threads()} threads", psutil.virtual_memory().total, _cpu_has_bfloat16())


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware; without that bfloat16 is slower than float32."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    flags = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    return "AVX512" in capability and ("avx512_bf16" in flags or "amx_bf16" in flags)


def load_config(base: str | Path) -> Any:
    """The architecture of ``base``. Unreachable when neither a folder nor the hub has it."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(base), trust_remote_code=False)
    except (OSError, ValueError) as problem:
        raise _cannot_load(base, problem) from problem


def load_tokenizer(base: str | Path) -> Any:
    """The tokenizer of ``base``, with a padding token and a chat template (the standard one where it has none)."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(base), trust_remote_code=False)
    except (OSError, ValueError) as problem:
        raise _cannot_load(base, problem) from problem
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        tokenizer.chat_template = begun(tokenizer, STANDARD_TEMPLATE)
    return tokenizer


def begun(tokenizer: Any, template: str) -> str:
    """A chat template of ours that begins as the texts of this tokenizer begin."""
    return ("{{ bos_token }}" if tokens.document_begin(tokenizer) else "") + template


def check_four_bits() -> None:
    """BadInput where weights cannot be held in 4 bits."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BadInput("QLoRA needs bitsandbytes: .venv/bin/python -m pip install bitsandbytes. Or set tuning to lora.")


def _four_bits() -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    check_four_bits()
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if device().bfloat16 else torch.float32,
    )  # fmt: skip


def load_model(
    base: str | Path,
    dtype: str,
    *,
    fresh: bool = False,
    attention: str = "sdpa",
    seed: int = 0,
    head: str = "language",
    four_bits: bool = False,
) -> Any:
    """The causal language model of ``base`` with weights in ``dtype`` ("float32", "bfloat16", "float16").

    ``fresh`` takes only the architecture and draws new weights from ``seed``. With the ``head`` reward the model gives one
    number for a text, by a head that begins with random weights where ``base`` has none. With ``four_bits`` its linear layers
    are held in NF4 and computed in bfloat16 where the device has it; BadInput where bitsandbytes is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    try:
        if fresh:
            torch.manual_seed(seed)
            return AutoModelForCausalLM.from_config(load_config(base), dtype=getattr(torch, dtype), attn_implementation=attention)
        if head == "reward":
            torch.manual_seed(seed)  # where it is new it is drawn
        kind, more = (AutoModelForCausalLM, {}) if head == "language" else (AutoModelForSequenceClassification, {"num_labels": 1})
        return kind.from_pretrained(
            str(base),
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            **more,
            **({"quantization_config": _four_bits()} if four_bits else {}),
        )
    except (OSError, ValueError) as problem:
        raise _cannot_load(base, problem) from problem


def _cannot_load(base: str | Path, problem: Exception) -> Exception:
    text = str(problem)
    if "trust_remote_code" in text:
        return BadInput(
            f"{base} needs code of its own to run, and Temper runs none that comes with a model. Choose another model."
        )
    if "safetensors" in text:
        return BadInput(f"{base} has no safetensors weights. Other formats can carry code and are not read. Convert it first.")
    if "tokenizer" in text and Path(base).exists():
        return BadInput(
            f"The folder {base} holds no tokenizer that can be read. Fetch or copy tokenizer.json beside the weights."
        )
    if Path(base).exists():
        return BadInput(f"The folder {base} does not hold a model that can be loaded: {text.splitlines()[0]}")
    return Unreachable(
        f"The model {base} could not be reached: {text.splitlines()[0]} Check the id and the network, or give a local folder."
    )


def files_dtype(base: str | Path) -> str:
    """The dtype the weights of a local folder are stored in, as its configuration says; float32 where it does not."""
    path = Path(base) / "config.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    return str(stored.get("dtype") or stored.get("torch_dtype") or "float32").removeprefix("torch.")


def context_of(config: Mapping[str, Any]) -> int:
    """The longest text in tokens that a model's configuration allows; 0 where it does not say."""
    return int(config.get("text_config", config).get("max_position_embeddings") or 0)

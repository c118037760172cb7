"""Which weights these are: one hash over everything on disk that decides what a model says.

Light to import, so that registering a model costs no more than reading its files.
"""

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import NotFound
from engine.methods.loading import STANDARD_TEMPLATE
from storage import files

ADAPTER = "adapter_model.safetensors"
# what a configuration says about the program that wrote it, or about speed, but not about what is said
INCIDENTAL = frozenset(
    {"transformers_version", "peft_version", "_name_or_path", "base_model_name_or_path", "revision", "dtype", "torch_dtype"}
    | {"use_cache", "inference_mode", "lora_dropout", "auto_mapping"}
)

Signature = tuple[tuple[str, int, int], ...]
_hashes: dict[tuple[str, int, int], str] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Template:
    """A chat template and where it comes from: "own" or "standard"."""

    source: str
    text: str


def weight_files(folder: Path, adapter: bool = False) -> list[Path]:
    """The safetensors files that make up a model or an adapter, in a fixed order. NotFound when there is none."""
    if adapter:
        found = [folder / ADAPTER] if (folder / ADAPTER).is_file() else []
    else:
        found = sorted(path for path in folder.glob("*.safetensors") if path.name != ADAPTER)
    if not found:
        kind = "adapter" if adapter else "model"
        raise NotFound(f"The weights of this {kind} are gone from {folder}. Put the folder back, or train or register it again.")
    return found


def signature(folder: Path, adapter: bool = False) -> Signature:
    """What tells in a moment that the weights in ``folder`` have changed: name, size and time of each file."""
    try:
        return tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in weight_files(folder, adapter))
    except FileNotFoundError:  # taken away between the look and the measure
        raise NotFound(f"The weights in {folder} are being changed right now. Try again.") from None


def _hash(path: Path) -> str:
    """The SHA-256 of a file, computed once for as long as its size and time stay the same."""
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    with _lock:
        known = _hashes.get(key)
    if known is None:
        known = files.sha256(path)
        with _lock:
            _hashes[key] = known
    return known


def _configuration(path: Path) -> Any:
    if not path.is_file():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in stored.items() if key not in INCIDENTAL}
    # PEFT writes these as sets, in an order that differs from one writing to the next
    return {k: sorted(v) if k in ("target_modules", "modules_to_save") and isinstance(v, list) else v for k, v in kept.items()}


def fingerprint(base: str | Path, adapter: str | Path | None, template: str, dtype: str) -> str:
    """A SHA-256 in hexadecimal over the weights and configuration of ``base`` and ``adapter``, ``template`` and ``dtype``.

    The folders' places do not count, so a copy has the same fingerprint. ``dtype`` is that of the registered model, so
    that the fingerprint stays the same on a machine that computes in another one; an answer names that one beside it.
    """
    base, parts = Path(base), {"template": template, "dtype": dtype.removeprefix("torch.")}
    facts: dict[str, Any] = dict(parts)
    facts["base"] = {path.name: _hash(path) for path in weight_files(base)}
    facts["base_configuration"] = _configuration(base / "config.json")
    if adapter is not None:
        folder = Path(adapter)
        facts["adapter"] = {path.name: _hash(path) for path in weight_files(folder, adapter=True)}
        facts["adapter_configuration"] = _configuration(folder / "adapter_config.json")
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def tokenizer_folder(base: str | Path, adapter: str | Path | None) -> Path:
    """Where the tokenizer lies that speaks for these weights: with the adapter, if it was saved there, else with the base."""
    if adapter is not None and (Path(adapter) / "tokenizer_config.json").is_file():
        return Path(adapter)
    return Path(base)


def template_of(base: str | Path, adapter: str | Path | None = None) -> Template:
    """The chat template that these weights speak with, read without loading a tokenizer."""
    folder = tokenizer_folder(base, adapter)
    text: Any = None
    if (folder / "chat_template.jinja").is_file():
        text = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    elif (folder / "tokenizer_config.json").is_file():
        text = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    if isinstance(text, list):  # several templates by name
        named = {one["name"]: one["template"] for one in text}
        text = named.get("default", json.dumps(named, sort_keys=True))
    if not text or text.removeprefix("{{ bos_token }}") == STANDARD_TEMPLATE:
        return Template("standard", STANDARD_TEMPLATE)
    return Template("own", text)

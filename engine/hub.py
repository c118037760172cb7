"""Getting a real model: a short list to pick from, any other id or folder, whether it fits, and the download.

Only configuration, tokenizer and safetensors files are fetched: nothing that could carry code. The token for gated models
lies in a file of its own that only its owner can read, never in the database.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput, Unreachable
from storage import files
from storage.home import Home

WANTED = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*", "*.jinja", "*.model",
          "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json", "LICENSE*")  # fmt: skip
RESERVE = 1_000_000_000  # bytes of disk that a download leaves free
ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Offer:
    """A model worth starting from: id on the hub, number of weights, licence, context in tokens, what it is good for."""

    id: str
    parameters: int
    license: str
    context: int
    about: str


OFFERS = (
    Offer(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        134_500_000,
        "apache-2.0",
        8192,
        "Small enough for a laptop's CPU; follows instructions",
    ),
    Offer("HuggingFaceTB/SmolLM2-360M-Instruct", 361_800_000, "apache-2.0", 8192, "Still trains on a CPU with patience"),
    Offer("Qwen/Qwen3-0.6B", 596_000_000, "apache-2.0", 40960, "The smallest Qwen3; thinks aloud if asked"),
    Offer("Qwen/Qwen3-0.6B-Base", 596_000_000, "apache-2.0", 32768, "The same before post-training"),
    Offer("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_000_000, "apache-2.0", 8192, "A good size for one consumer GPU"),
    Offer("Qwen/Qwen3-1.7B", 1_720_000_000, "apache-2.0", 40960, "Strong for its size in many languages"),
    Offer("HuggingFaceTB/SmolLM3-3B", 3_075_000_000, "apache-2.0", 65536, "Open recipe from data to weights"),
    Offer("Qwen/Qwen3-4B", 4_022_000_000, "apache-2.0", 40960, "Needs a GPU of 16 GB for LoRA"),
    Offer("Qwen/Qwen3-8B", 8_191_000_000, "apache-2.0", 40960, "Needs a GPU of 24 GB for LoRA"),
)


@dataclass(frozen=True)
class Need:
    """Memory to chat with a model and to train it, in bytes, against what is free."""

    chat: int
    lora: int
    full: int

    def label(self, work: str, free: int) -> str:
        """``fits``, ``tight`` (more than four fifths of what is free) or ``exceeds``."""
        need = {"chat": self.chat, "lora": self.lora, "full": self.full}[work]
        return "exceeds" if need > free else "tight" if need > 0.8 * free else "fits"


def need(parameters: int, gpu: bool) -> Need:
    """What a model of this size takes: 2 bytes a weight to chat on a GPU (4 on a CPU), 4 for a frozen base, 16 for a trained one."""
    activations = int(parameters * 1.0) + 500_000_000
    chat = parameters * (2 if gpu else 4) + 500_000_000
    return Need(chat, int(parameters * 4.3) + activations, parameters * 16 + activations)


def token_file(home: Home) -> Path:
    """Where the token for gated models lies, apart from the database."""
    return home.root / "hub-token"


def save_token(home: Home, token: str) -> None:
    """Keep the token for gated models in a file that only its owner can read; an empty one removes it."""
    path = token_file(home)
    if not token.strip():
        path.unlink(missing_ok=True)
        return
    with files.writing(path) as beside:
        os.chmod(beside, 0o600)
        beside.write_text(token.strip(), encoding="utf-8")


def read_token(home: Home) -> str | None:
    """The token for gated models: the one saved here, else HF_TOKEN."""
    path = token_file(home)
    return path.read_text(encoding="utf-8") if path.exists() else os.environ.get("HF_TOKEN")


def check_id(id: str) -> str:
    """The id as it stands; BadInput when it is not of the form owner/name."""
    if not ID.fullmatch(id.strip()):
        raise BadInput(
            f"{id!r} is no model id: it is written owner/name, as in Qwen/Qwen3-0.6B. A local folder is given by its full path."
        )
    return id.strip()


def folder_of(home: Home, id: str) -> Path:
    """Where the files of a hub model lie in this home."""
    return home.models / id.replace("/", "--")


def download(home: Home, id: str, progress: Callable[[float], None], stopped: Callable[[], bool]) -> Path | None:
    """Fetch the files of ``id``; what was fetched before is kept. None when it was stopped on the way.

    Unreachable when the hub, the id or the right to it is missing; BadInput when the disk is too small or the repository
    has no safetensors weights. ``progress`` hears the share of bytes that is there.
    """
    from huggingface_hub import snapshot_download

    id, token, folder = check_id(id), read_token(home) or False, folder_of(home, id)
    plan = _asking(id, lambda: snapshot_download(id, allow_patterns=list(WANTED), local_dir=folder, token=token, dry_run=True))
    if not any(item.filename.endswith(".safetensors") for item in plan):
        raise BadInput(
            f"{id} has no safetensors weights. Other formats can carry code and are never loaded. Choose another model."
        )
    total = sum(item.file_size or 0 for item in plan)
    missing = sum(item.file_size or 0 for item in plan if item.will_download)
    free = shutil.disk_usage(home.root).free
    if missing + RESERVE > free:
        raise BadInput(
            f"{id} needs {missing / 1e9:.1f} GB more on disk, and {free / 1e9:.1f} GB are free. Free some space first."
        )
    there = total - missing
    for item in plan:
        if stopped():
            return None
        if item.will_download and not _fetch(id, item.filename, folder, token, there, total, progress, stopped):
            return None
        there += (item.file_size or 0) if item.will_download else 0
        progress(there / max(total, 1))
    return folder


class _Stopped(Exception):
    """Raised inside a download when its run is to stop; what was fetched so far stays for the next time."""


def _fetch(
    id: str,
    name: str,
    folder: Path,
    token: Any,
    there: int,
    total: int,
    progress: Callable[[float], None],
    stopped: Callable[[], bool],
) -> bool:
    """One file, telling the progress; False when it was stopped."""
    from huggingface_hub import hf_hub_download
    from tqdm.auto import tqdm

    class Told(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self.read = kwargs.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            if stopped():
                raise _Stopped
            self.read += n or 0
            progress(min(1.0, (there + self.read) / max(total, 1)))

    try:
        _asking(id, lambda: hf_hub_download(id, name, local_dir=folder, token=token, tqdm_class=Told))
    except _Stopped:
        return False
    return True


def _asking(id: str, ask: Callable[[], Any]) -> Any:
    """What the hub answers, its refusals in words."""
    import httpx
    from huggingface_hub import errors

    try:
        return ask()
    except errors.GatedRepoError as problem:
        raise Unreachable(f"{id} is gated: accept its terms on the hub, then save a token of your account here.") from problem
    except errors.RepositoryNotFoundError as problem:
        raise Unreachable(
            f"The hub knows no model {id}, or it is private. Check the id, or save a token that may read it."
        ) from problem
    except (
        errors.HfHubHTTPError,
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        httpx.HTTPError,
        OSError,
    ) as problem:
        if isinstance(problem, OSError) and problem.errno == 28:
            raise
        raise Unreachable(
            f"{id} could not be fetched: {str(problem).splitlines()[0]} Check the network; what is here already is kept."
        ) from problem

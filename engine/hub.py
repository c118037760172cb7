"""The hub that models come from: what an id stands for, the download, the token for gated ones.

Only configuration, tokenizer and safetensors files are fetched: nothing that could carry code. The token for gated models
lies in a file of its own that only its owner can read, never in the database.
"""

import fnmatch
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from engine import keys
from engine.errors import BadInput, Damaged, Unreachable
from engine.methods.loading import context_of
from engine.offers import Offer
from storage import files
from storage.home import Home

WANTED = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*", "*.jinja", "*.model",
          "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json", "LICENSE*")  # fmt: skip
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PATIENCE = 10.0  # seconds for the hub to tell what an id stands for
PIECE = 1 << 20  # bytes between two looks whether to stop
TRIES = 5  # times that a broken connection is taken up again without a byte having come
PARTS = ".parts"  # the folder of files that are not whole yet, and of the marks of those that are
RESERVE = 1_000_000_000  # bytes of disk that a download leaves free
ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")  # some old ones have no owner


def token_file(home: Home) -> Path:
    """Where the token for gated models lies."""
    return home.root / keys.HUB


def save_token(home: Home, token: str) -> None:
    """Keep the token for gated models; an empty one removes it."""
    keys.save(home, keys.HUB, token)


def read_token(home: Home) -> str | None:
    """The token for gated models: the one saved here, else HF_TOKEN."""
    return keys.read(home, keys.HUB, keys.HUB_VARIABLE)


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


@dataclass(frozen=True)
class _File:
    """One file of a repository: ``hash`` is the sha256 of a large file, and the git blob id of a small one."""

    name: str
    size: int
    hash: str
    url: str


def look_up(home: Home, id: str) -> Offer:
    """What the hub tells of a model before anything large is fetched. Unreachable and BadInput as for ``download``."""
    told, wanted = _listing(home, check_id(id))
    described = _document(home, id, wanted, "config.json")
    if described is None:
        raise BadInput(f"{id} has no config.json, so it is no model that Temper can load. Choose another one.")
    card = told.card_data.to_dict() if told.card_data else {}
    weights = sum(f.size for f in wanted if f.name.endswith(".safetensors"))
    return Offer(
        told.id,
        told.safetensors.total if told.safetensors else weights // 2,
        str(card.get("license_name") or card.get("license") or "not stated"),
        context_of(described),
        "Gated: its terms have to be accepted on the hub first" if told.gated else "",
        sum(f.size for f in wanted),
    )


def download(home: Home, id: str, progress: Callable[[float], None], stopped: Callable[[], bool]) -> Path | None:
    """Fetch the files of ``id``; what was fetched before is kept, to the byte. None when it was stopped on the way.

    Unreachable when the hub, the id or the right to it is missing; BadInput when the disk is too small or the repository
    has no safetensors weights; Damaged when a file is not what the hub says it is. ``progress`` hears the share of bytes
    that is there.
    """
    id = check_id(id)
    folder, (_, wanted) = folder_of(home, id), _listing(home, id)
    for part in set((folder / PARTS).glob("*")) - {place(folder, file) for file in wanted for place in (_part, _mark)}:
        part.unlink()  # of a file that the hub has replaced since
    total = sum(file.size for file in wanted)
    there = sum(file.size if _is_whole(folder, file) else _size(_part(folder, file)) for file in wanted)
    free = shutil.disk_usage(home.root).free
    if total - there + RESERVE > free:
        raise BadInput(
            f"{id} needs {(total - there) / 1e9:.1f} GB more on disk, and {free / 1e9:.1f} GB are free. Free some space first."
        )

    def came(count: int) -> None:
        nonlocal there
        there += count
        progress(min(1.0, there / max(total, 1)))

    with _client(home) as client:
        for file in wanted:
            if _is_whole(folder, file):
                continue
            if not _asking(id, lambda file=file: _fetch(client, file, _part(folder, file), came, stopped)):
                return None
            _keep(id, folder, file)
    return folder


def _listing(home: Home, id: str) -> tuple[Any, list[_File]]:
    """What the hub tells of a repository, and the files of it that are wanted, at the commit it stands at now."""
    from huggingface_hub import HfApi, hf_hub_url

    token = read_token(home) or False
    told = _asking(id, lambda: HfApi().model_info(id, files_metadata=True, timeout=PATIENCE, token=token))
    wanted = [
        _File(f.rfilename, f.size or 0, f.lfs.sha256 if f.lfs else f.blob_id, hf_hub_url(id, f.rfilename, revision=told.sha))
        for f in told.siblings or []
        if "/" not in f.rfilename and any(fnmatch.fnmatch(f.rfilename, pattern) for pattern in WANTED)
    ]
    index = _document(home, id, wanted, INDEX)
    weights = weights_of((f.name for f in wanted if f.name.endswith(".safetensors")), index)
    if not weights:
        raise BadInput(
            f"{id} has no safetensors weights. Other formats can carry code and are never loaded. Choose another model."
        )
    return told, [f for f in wanted if f.name in weights or not f.name.endswith(".safetensors")]


def weights_of(names: Iterable[str], index: dict[str, Any] | None) -> set[str]:
    """Which of these safetensors files are the model: those its index names, else model.safetensors, else all of them.

    Some repositories hold the same weights twice, whole and in parts.
    """
    there = set(names)
    if index is not None:
        return there & set(index["weight_map"].values())
    return {WHOLE} if WHOLE in there else there


def _document(home: Home, id: str, wanted: list[_File], name: str) -> dict[str, Any] | None:
    """The JSON object in a small file of a repository; None where it has no such file."""
    file = next((f for f in wanted if f.name == name), None)
    if file is None:
        return None
    with _client(home) as client:
        body = _asking(id, lambda: client.get(file.url).raise_for_status().content)
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or (name == INDEX and not isinstance(found.get("weight_map"), dict)):
        raise BadInput(f"{name} of {id} is not what it should be, so it is no model that Temper can load. Choose another one.")
    return found


def _client(home: Home) -> httpx.Client:
    token = read_token(home)
    # httpx drops the token by itself where the hub sends on to another host
    headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {token}"} if token else {})
    return httpx.Client(headers=headers, follow_redirects=True, timeout=httpx.Timeout(PATIENCE, read=60.0))


def _part(folder: Path, file: _File) -> Path:
    return folder / PARTS / f"{file.hash}-{file.name}"


def _mark(folder: Path, file: _File) -> Path:
    return folder / PARTS / f"{file.name}.whole"


def _is_whole(folder: Path, file: _File) -> bool:
    """Whether the file lies there as the hub has it: what was checked is marked with its hash."""
    mark, path = _mark(folder, file), folder / file.name
    return mark.exists() and mark.read_text(encoding="utf-8") == file.hash and _size(path) == file.size


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(client: httpx.Client, file: _File, part: Path, came: Callable[[int], None], stopped: Callable[[], bool]) -> bool:
    """Bring the part up to its size; False when it was stopped. A connection that breaks is taken up again."""
    part.parent.mkdir(parents=True, exist_ok=True)
    tries = TRIES
    while (have := _size(part)) < file.size or not part.exists():
        try:
            with client.stream("GET", file.url, headers={"range": f"bytes={have}-"} if have else {}) as answer:
                answer.raise_for_status()
                if have and answer.status_code != 206:
                    came(-have)  # the server sends all of it again
                with part.open("ab" if answer.status_code == 206 else "wb") as out:
                    for piece in answer.iter_raw(PIECE):
                        out.write(piece)
                        came(len(piece))
                        if stopped():
                            return False
        except httpx.TransportError:
            if tries <= 1 or stopped():
                raise
            time.sleep(1.0)
        tries = TRIES if _size(part) > have else tries - 1
        if not tries:
            break  # it ends before its size, again and again: the check says so
    return True


def _keep(id: str, folder: Path, file: _File) -> None:
    """Give a fetched file its name, after its size and hash were checked."""
    part = _part(folder, file)
    if _size(part) != file.size or _hash(part, file) != file.hash:
        part.unlink()
        raise Damaged(
            f"{file.name} of {id} did not arrive as the hub describes it, and was thrown away. Resume fetches it again."
        )
    files.take_name(part, folder / file.name)
    files.write_text(_mark(folder, file), file.hash)


def _hash(part: Path, file: _File) -> str:
    if len(file.hash) == 64:
        return files.sha256(part)
    return hashlib.sha1(b"blob %d\0" % file.size + part.read_bytes(), usedforsecurity=False).hexdigest()


def _asking(id: str, ask: Callable[[], Any]) -> Any:
    """What the hub answers, its refusals in words."""
    import httpx2
    from huggingface_hub import errors

    gated = f"{id} is gated: accept its terms on the hub, then save a token of your account here."
    try:
        return ask()
    except errors.HFValidationError as problem:
        raise BadInput(f"{id!r} is no model id: {problem}") from problem
    except errors.GatedRepoError as problem:
        raise Unreachable(gated) from problem
    except errors.RepositoryNotFoundError as problem:
        raise Unreachable(
            f"The hub knows no model {id}, or it is private. Check the id, or save a token that may read it."
        ) from problem
    except httpx.HTTPStatusError as problem:
        if problem.response.status_code in (401, 403):
            raise Unreachable(gated) from problem
        raise Unreachable(f"The hub answered {problem.response.status_code} for a file of {id}. Try again later.") from problem
    except (errors.OfflineModeIsEnabled, httpx.HTTPError, httpx2.HTTPError) as problem:
        said = (str(problem).splitlines() or [type(problem).__name__])[0].rstrip(".")
        raise Unreachable(f"The hub could not be reached for {id} ({said}). What is here already is kept.") from problem

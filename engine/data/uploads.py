"""Files that came in through the page: kept below the home under a name of ours, and cleared after a day."""

import re
import shutil
import time
import uuid
from pathlib import Path
from typing import IO

from engine.errors import UnreadableFile
from storage import files
from storage.home import Home

LARGEST = 200  # megabytes through the browser; larger files are read from their path
KEPT = 86_400.0  # seconds


def keep(home: Home, name: str, stream: IO[bytes]) -> Path:
    """The path of a copy of ``stream``, whose name ends as ``name`` does; older uploads are cleared. UnreadableFile when empty."""
    clear(home)
    ending = "".join(re.findall(r"\.[A-Za-z0-9]{1,8}", Path(name).name)[-2:]).lower()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).name.split(".")[0]).strip("-")[:60] or "upload"
    path = home.uploads / uuid.uuid4().hex[:12] / f"{stem}{ending}"
    with files.writing(path) as beside, beside.open("wb") as file:
        shutil.copyfileobj(stream, file)
        if not file.tell():
            raise UnreadableFile(f"The file {name} is empty. Choose another one.")
    return path


def document(home: Home, name: str, stream: IO[bytes]) -> Path:
    """The path of a copy of ``stream`` that keeps its name, whatever its script, since a document is known by it. UnreadableFile
    when empty."""
    clear(home)
    own = "".join(sign if sign.isprintable() and sign not in "/\\" else "-" for sign in Path(name).name).lstrip(". ")
    stem, ending = Path(own).stem.encode()[:180].decode("utf-8", "ignore"), Path(own).suffix[:12]
    path = home.uploads / uuid.uuid4().hex[:12] / f"{stem or 'document'}{ending}"
    with files.writing(path) as beside, beside.open("wb") as file:
        shutil.copyfileobj(stream, file)
        if not file.tell():
            raise UnreadableFile(f"The file {name} is empty. Choose another one.")
    return path


def clear(home: Home, older: float = KEPT) -> None:
    """Remove uploads older than ``older`` seconds."""
    for folder in home.uploads.iterdir():
        if folder.is_dir() and time.time() - folder.stat().st_mtime > older:
            shutil.rmtree(folder, ignore_errors=True)

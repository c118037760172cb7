"""What this machine has to compute with, told without torch, so that a page may ask at every redraw."""

import functools
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass

import psutil

from storage.home import Home

QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits")
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Machine:
    """Device, memory and disk at one moment. Sizes are bytes; memory is the GPU's where there is one, else the host's."""

    device: str
    gpu: bool
    memory: int
    memory_free: int
    disk: int
    disk_free: int


def look(home: Home) -> Machine:
    """The machine as it is now."""
    disk = shutil.disk_usage(home.root)
    card = _card()
    if card is not None:
        name, total, used = card
        return Machine(name, True, total, total - used, disk.total, disk.free)
    memory = psutil.virtual_memory()
    return Machine(_processor(), False, memory.total, memory.available, disk.total, disk.free)


def _card() -> tuple[str, int, int] | None:
    """(name, bytes, bytes used) of the first NVIDIA GPU, or None."""
    if shutil.which(QUERY[0]) is None:
        return None
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=5, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return None  # the tool is there and no GPU answers: this machine computes on its CPU
    name, total, used = (part.strip() for part in answer.splitlines()[0].split(","))
    return name, int(total) * MEBIBYTE, int(used) * MEBIBYTE


@functools.cache
def _processor() -> str:
    """The CPU in a few words, with the number of cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count() or 1
    return f"CPU, {cores} cores ({platform.machine()})"

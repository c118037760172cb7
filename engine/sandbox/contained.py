"""Running code that nobody here wrote: bubblewrap gives it a world without network, files, processes or powers of ours.

A new user, process, network and mount namespace, an empty environment, a read-only system, a small memory-backed ``/tmp`` and
limits on time, memory, files and output. Where the kernel does not allow that there is no weaker way: the code is not run.
"""

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import NoSandbox

SECONDS = 10  # of processor and of the clock
MEMORY = 512 * 1024 * 1024
OUTPUT = 1024 * 1024
SCRATCH = 16 * 1024 * 1024
NOBODY = 65534
INSIDE = Path(__file__).with_name("inside.py")
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


class Ended(Exception):
    """The code gave no result: it took too long, wrote too much, or ended its process."""


@cache
def missing() -> str | None:
    """Why code cannot be contained on this machine, or None where it can; tried once, for real."""
    if not sys.platform.startswith("linux"):
        return "code is contained by Linux namespaces, and this is no Linux"
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed; on Debian or Ubuntu: apt install bubblewrap"
    try:
        found = _run({"code": "def one():\n    return 1", "function": "one", "arguments": [[]]})
    except (Ended, OSError) as problem:
        return f"bubblewrap is here and does not work: {problem}"
    return None if found == [{"value": 1}] else f"bubblewrap is here and gives {found!r}"


def call(code: str, function: str, arguments: list[list[Any]], seconds: int = SECONDS) -> list[dict[str, Any]]:
    """What ``function`` of the code returns for each list of arguments: ``{"value": ...}`` or ``{"error": ...}``.

    Values are what JSON can hold. Ended when there is no result; NoSandbox where code cannot be contained.
    """
    _must()
    found = _run({"code": code, "function": function, "arguments": arguments}, seconds)
    if not isinstance(found, list) or len(found) != len(arguments) or not all(isinstance(one, dict) for one in found):
        raise Ended("it wrote something else than its results")
    return found


def output(code: str, given: str, seconds: int = SECONDS) -> str:
    """What the code prints when it reads ``given``. Ended and NoSandbox as in ``call``."""
    _must()
    found = _run({"code": code, "stdin": given}, seconds)
    if not isinstance(found, str):
        raise Ended("it wrote something else than its output")
    return found


def _is_root() -> bool:
    return os.geteuid() == 0


def _must() -> None:
    if (why := missing()) is not None:
        raise NoSandbox(f"Code that a model or a user wrote runs contained or not at all, and here it cannot be: {why}.")


def command() -> list[str]:
    """The command line of the sandbox with Python in it."""
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    bound = ["--ro-bind", "/usr", "/usr"]
    for folder in SYSTEM:
        if os.path.islink(folder):
            bound += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            bound += ["--ro-bind", folder, folder]
    if not python.is_relative_to("/usr"):  # in a home, say, whose path is nobody's business
        bound += ["--ro-bind", sys.base_prefix, "/python"]
        python = Path("/python") / python.relative_to(Path(sys.base_prefix).resolve())
    # the kernel does not count root's processes, under whatever name a user namespace knows it: root becomes nobody inside
    user = [] if _is_root() else ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"]
    return [
        "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", *user, "--die-with-parent", "--new-session",
        "--clearenv", "--setenv", "LANG", "C.UTF-8", *bound, "--dev", "/dev", "--size", str(SCRATCH), "--perms", "1777", "--tmpfs", "/tmp",
        "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", str(python), "-I", "-S", "-B", "-c", INSIDE.read_text(encoding="utf-8"),
    ]  # fmt: skip


def _run(job: dict[str, Any], seconds: int = SECONDS) -> Any:
    job = {**job, "memory": MEMORY, "seconds": seconds, "become": NOBODY if _is_root() else None}
    began = time.monotonic()
    process = subprocess.Popen(command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        told = _exchange(process, json.dumps(job).encode(), time.monotonic() + seconds + 2)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
    try:
        result = json.loads(told)
    except (ValueError, RecursionError):  # the kernel ends what has used up its processor time before the clock on the wall does
        late = time.monotonic() - began > seconds - 1
        raise Ended(f"it took more than {seconds} s" if late else "it ended without a result") from None
    if not isinstance(result, dict) or "value" not in result:
        raise Ended(str(result.get("error") if isinstance(result, dict) else "it wrote something else than its result"))
    return result["value"]


def _exchange(process: subprocess.Popen[bytes], job: bytes, deadline: float) -> bytes:
    """Hand the job over while reading what comes back, within the time and the size that are allowed."""
    assert process.stdin and process.stdout
    given, told = process.stdin.fileno(), process.stdout.fileno()
    os.set_blocking(given, False)
    found = b""
    with selectors.DefaultSelector() as waiting:  # select() itself cannot wait for files whose number is above 1,023
        waiting.register(told, selectors.EVENT_READ)
        waiting.register(given, selectors.EVENT_WRITE)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Ended("it took too long")
            ready = {key.fd for key, _ in waiting.select(left)}
            if given in ready:
                try:
                    job = job[os.write(given, job[:65536]) :]
                except BrokenPipeError:
                    job = b""
                if not job:
                    waiting.unregister(given)
                    process.stdin.close()
            if told in ready:
                piece = os.read(told, 65536)
                found += piece
                if not piece:
                    return found
                if len(found) > OUTPUT:
                    raise Ended(f"it wrote more than {OUTPUT // 1024} KB")

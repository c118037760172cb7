"""What runs inside the sandbox: standard library only, since nothing of the project is there.

Reads one job as JSON from its input and writes what came of it as JSON. What the code prints goes nowhere, unless it is a
program whose output is asked for. The verdict on all of this is made outside.
"""

import builtins
import contextlib
import json
import os
import resource
import sys
from typing import Any


def limit(memory: int, seconds: int, become: int | None) -> None:
    """Bound memory (bytes), processor time, files and processes, and ``become`` a user without any powers: root could raise
    what is bounded, and its processes are not counted."""
    for which, most in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 1 << 24),
        (resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_NPROC, 16), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(which, (most, most))
    if become is not None:
        os.setgroups([])
        os.setresgid(become, become, become)
        os.setresuid(become, become, become)


def called(code: str, function: str, arguments: list[list[Any]]) -> list[dict[str, Any]]:
    """What a function of the code returns for each list of arguments, or the error it ends in."""
    names: dict[str, Any] = {"__name__": "answer"}
    exec(compile(code, "answer", "exec"), names)
    found: list[dict[str, Any]] = []
    for each in arguments:
        try:
            found.append({"value": json.loads(json.dumps(names[function](*each)))})
        except Exception as problem:
            found.append({"error": f"{type(problem).__name__}: {problem}"[:300]})
    return found


def printed(code: str, given: str) -> str:
    """What the code prints as a program that reads ``given``, however it reads and writes: as text, as bytes, or by number."""
    heard, said = os.memfd_create("heard"), os.memfd_create("said")
    with open(heard, "wb", closefd=False) as file:
        file.write(given.encode())
    os.lseek(heard, 0, os.SEEK_SET)
    os.dup2(heard, 0)
    os.dup2(said, 1)
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    builtins.exit = builtins.quit = sys.exit  # which Python without its site has not
    with contextlib.suppress(SystemExit):
        exec(compile(code, "answer", "exec"), {"__name__": "__main__"})
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with open(os.dup(said), "rb") as file:
        file.seek(0)
        return file.read().decode(errors="replace")


def main() -> None:
    """Do the job and tell what came of it through the first output, which the code itself no longer has."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    job = json.loads(sys.stdin.buffer.read())
    limit(job["memory"], job["seconds"], job["become"])
    sys.setrecursionlimit(5000)
    try:
        if "stdin" in job:
            result: Any = {"value": printed(job["code"], job["stdin"])}
        else:
            result = {"value": called(job["code"], job["function"], job["arguments"])}
    except BaseException as problem:
        result = {"error": f"{type(problem).__name__}: {problem}"[:300]}
    json.dump(result, told)
    told.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

"""The sandbox: what code cannot reach, cannot use up and cannot leave behind."""

import contextlib
import os
import resource
import time

import psutil
import pytest

from engine.sandbox import contained

pytestmark = pytest.mark.skipif(contained.missing() is not None, reason=f"no sandbox: {contained.missing()}")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import socket\nsocket.create_connection(('127.0.0.1', 80), 2)", "unreachable|refused"),
        ("open('/etc/passwd')", "No such file"),
        ("open('/usr/written', 'w')", "Read-only"),
        ("open('/written', 'w')", "Read-only|Permission"),
        ("open('/dev/shm/written', 'w')", "Read-only|Permission|No such"),
        ("open('/tmp/large', 'wb').write(b'0' * 10**8)", "too large|No space"),
        ("'a' * 10**10", "MemoryError"),
        ("print('x' * 10**7)", "more than 1024 KB"),
        ("import os\nos._exit(0)", "without a result"),
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "not allowed|exceeds"),
        ("while True: pass", "took more than 2 s|too long"),
    ],
)
def test_code_reaches_nothing_outside_and_takes_no_more_than_it_is_given(code: str, problem: str) -> None:
    with pytest.raises(contained.Ended, match=problem):
        contained.output(code, "", seconds=2)


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())",
        "print(open(0).read(), end='')\nexit()",
        "import os\nos.write(1, os.read(0, 100))\nquit(3)",
        "import sys\nsys.stderr.write('x' * 500_000)\nprint(input())\nprint(input())",
    ],
)
def test_a_program_may_read_and_write_in_every_usual_way(code: str) -> None:
    assert contained.output(code, "zwölf\n7\n").split() == ["zwölf", "7"]


def test_a_value_nested_beyond_reading_is_no_result() -> None:
    code = "def one():\n    x = []\n    for _ in range(4000):\n        x = [x]\n    return x"
    with contextlib.suppress(contained.Ended):
        assert "error" in contained.call(code, "one", [[]])[0]


def test_the_environment_holds_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    told = contained.output("import os\nprint(dict(os.environ), os.getuid(), os.listdir('/'))", "")
    assert "secret" not in told and "65534" in told and "'home'" not in told and "'root'" not in told


def test_only_so_many_processes_are_begun() -> None:
    code = (
        "import os, time\nmade = 0\nfor _ in range(60):\n    try:\n        pid = os.fork()\n    except OSError:\n        break\n"
    )
    code += "    if pid == 0:\n        time.sleep(3)\n        os._exit(0)\n    made += 1\nprint(made)"
    assert 0 < int(contained.output(code, "")) < 20


def test_no_process_is_left_behind() -> None:
    code = "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        import time\n        time.sleep(500)\nprint(1)"
    try:
        contained.output(code, "", seconds=2)
    except contained.Ended as problem:
        assert "too long" in str(problem)
    deadline = time.monotonic() + 5
    while left := [
        p for p in psutil.process_iter(["cmdline"]) if code in " ".join(p.info["cmdline"] or []) or "bwrap" in p.name()
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_a_process_with_more_than_a_thousand_files_open_runs_code_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]) if before[1] > 0 else 4096, before[1]))
    held = os.open("/dev/null", os.O_RDONLY)
    opened = [held]
    try:
        while opened[-1] < 1100:
            opened.append(os.dup(held))
        assert contained.output("print(6 * 7)", "").strip() == "42"
    finally:
        for each in opened:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

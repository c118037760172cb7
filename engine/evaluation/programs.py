"""Code that a model wrote, judged by what it gives on cases, of which it sees the inputs alone."""

import re
from collections.abc import Mapping
from typing import Any

from engine.evaluation.scorer import Check, Scorer
from engine.sandbox import contained

# a fence from the line that opens it to the one that closes it, with what it is said to hold
BLOCK = re.compile(r"^[ \t]*```([^\n`]*)\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
PYTHON = ("python", "py", "python3")


def code_in(answer: str) -> str:
    """The code of an answer: the last fence that says it holds Python, else the last that says nothing, else all of the answer."""
    answer = answer.replace("\r\n", "\n")
    blocks = [(label.strip().lower(), code) for label, code in BLOCK.findall(answer)]
    for labels in (PYTHON, ("",)):
        if found := [code for label, code in blocks if label in labels]:
            return found[-1]
    return answer


def passed(check: Check, answer: str) -> list[bool]:
    """Which of the cases the code in an answer passes. NoSandbox where code cannot be contained."""
    code, cases = code_in(answer), check["cases"]
    if "function" not in check:
        return [_prints(code, case) for case in cases]
    try:
        found = contained.call(code, check["function"], [case["arguments"] for case in cases])
    except contained.Ended:
        return [False] * len(cases)
    return ["value" in one and one["value"] == case["returns"] for one, case in zip(found, cases, strict=True)]


def _prints(code: str, case: Mapping[str, str]) -> bool:
    try:
        lines = contained.output(code, case["stdin"]).strip().splitlines()
    except contained.Ended:
        return False
    return [line.rstrip() for line in lines] == [line.rstrip() for line in case["stdout"].strip().splitlines()]


def _score(check: Check, answer: str) -> float:
    if not answer.strip():
        return 0.0
    found = passed(check, answer)
    return sum(found) / len(found) if check.get("partly", False) else float(all(found))


def _examine(check: Check) -> str | None:
    cases, function = check["cases"], check.get("function")
    if function is not None and not (isinstance(function, str) and function.isidentifier()):
        return f"its function must be the name of one, not {function!r}"
    if not isinstance(cases, list) or not cases:
        return f"its cases must be a list, not {cases!r}"
    return next((problem for case in cases if (problem := _problem(case, function is not None))), None)


def _problem(case: Any, called: bool) -> str | None:
    if not isinstance(case, Mapping):
        return f"a case must be an object, not {case!r}"
    if called and not (isinstance(case.get("arguments"), list) and "returns" in case):
        return f"a case of a function needs arguments (a list) and returns, not {dict(case)!r}"
    if not called and not (isinstance(case.get("stdin"), str) and isinstance(case.get("stdout"), str)):
        return f"a case of a program needs stdin and stdout (texts), not {dict(case)!r}; for a function, name it as function"
    return None


CODE = Scorer(
    "code", "The answer's Python code gives what each case asks for, run in a sandbox; with partly, the share of the cases",
    ("cases",), ("function", "partly"), _examine, _score,
)  # fmt: skip

"""What an answer has to keep before it is handed out, and what the model is told where it does not.

The checks are those of engine/evaluation, by which answers are also measured, and three that only a guard has: ``length``,
``topics`` and a person's own ``python``. Every reason is a sentence that says what to mend, since the model reads it.
"""

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, NoSandbox
from engine.evaluation import schemas
from engine.evaluation.programs import passed
from engine.evaluation.scorer import Check, unfenced
from engine.evaluation.scorers import SCORERS, score, validate
from engine.generation import constraint
from engine.prompting import supported, topics
from engine.sandbox import contained

MOST_RETRIES = 10
OWN = "check"  # the function that a person's own check has
UNITS = ("words", "characters")
REFUSAL = "I cannot give an answer to this that keeps the rules I was given."
LONGEST_REASON = 500  # characters


@dataclass(frozen=True)
class Kind:
    """One kind of check that only a guard has: what it takes, what is wrong with a given one, and why an answer fails."""

    kind: str
    help: str
    required: tuple[str, ...]
    options: tuple[str, ...]
    examine: Callable[[Check], str | None]
    problem: Callable[[Check, str, Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class Guards:
    """What answers are held to: checks, how often the model may try again, what is said where it fails, and what constrains it."""

    checks: tuple[Check, ...] = ()
    retries: int = 2
    refusal: str = ""  # "" says REFUSAL
    constrain: Mapping[str, Any] | None = None

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> "Guards":
        """The guards in ``given``, what is missing as its default. BadInput names what is wrong, NoSandbox where own code cannot run."""
        known = ("checks", "retries", "refusal", "constrain")
        if not isinstance(given, Mapping):
            raise BadInput(f"Guards are an object with {', '.join(known)}, not {given!r}.")
        if wrong := [name for name in given if name not in known]:
            raise BadInput(f"Guards have no {wrong[0]!r}. They take: {', '.join(known)}.")
        checks, retries, refusal = given.get("checks", ()), given.get("retries", cls.retries), given.get("refusal") or ""
        if not isinstance(checks, list | tuple):
            raise BadInput(f"checks takes a list of checks, not {checks!r}.")
        if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= MOST_RETRIES:
            raise BadInput(f"retries takes a whole number from 0 to {MOST_RETRIES}, not {retries!r}.")
        if not isinstance(refusal, str):
            raise BadInput(f"refusal is a text, not {refusal!r}.")
        constrain = given.get("constrain")
        held = constraint.checked(constrain) if constrain is not None else None
        return cls(tuple(_checked(check, n) for n, check in enumerate(checks, 1)), retries, refusal.strip(), held)

    def plain(self) -> dict[str, Any]:
        """The guards as JSON can hold them, which ``checked`` takes."""
        held = dict(self.constrain) if self.constrain is not None else None
        return {
            "checks": [dict(check) for check in self.checks], "retries": self.retries, "refusal": self.refusal, "constrain": held,
        }  # fmt: skip

    @property
    def refuses(self) -> str:
        """What is said in place of an answer that keeps failing."""
        return self.refusal or REFUSAL


def problems(guards: Guards, answer: str, row: Mapping[str, Any]) -> list[str]:
    """What is wrong with an answer, a sentence for each check that it fails; none where it passes.

    BadInput where a person's own check cannot say, NoSandbox where it cannot be run.
    """
    found = [_problem(check, answer, row) for check in guards.checks]
    return [text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…" for text in found if text]


def retold(answer: str, found: Sequence[str]) -> list[dict[str, Any]]:
    """The turns to add before the model tries again: what it said, and what is wrong with that."""
    reasons = "\n".join(f"- {reason}" for reason in found)
    text = f"This answer cannot be used:\n{reasons}\nAnswer the question again so that this is mended. Give the answer alone."
    return [{"role": "assistant", "content": answer}, {"role": "user", "content": text}]


def _checked(check: Any, number: int) -> Check:
    where = f"Check {number}"
    if isinstance(check, str):
        try:
            check = json.loads(check)
        except (ValueError, RecursionError):
            return validate(check, where)
    own = OWN_KINDS.get(str(check.get("kind"))) if isinstance(check, Mapping) else None
    if own is None:
        known = check.get("kind") if isinstance(check, Mapping) else None
        if isinstance(known, str) and known not in SCORERS:
            kinds = ", ".join([*SCORERS, *OWN_KINDS])
            raise BadInput(f"{where}: there is no check of the kind {known!r}. The kinds are: {kinds}.")
        return validate(check, where)
    check = {name: value for name, value in check.items() if value is not None}
    allowed = ("kind", *own.required, *own.options)
    if missing := next((name for name in own.required if name not in check), None):
        raise BadInput(f"{where}: a check of the kind {own.kind} needs {missing!r}, and this one has only {', '.join(check)}.")
    if more := next((name for name in check if name not in allowed), None):
        raise BadInput(f"{where}: a check of the kind {own.kind} takes {', '.join(allowed)}, but this one has {more!r}.")
    if wrong := own.examine(check):
        raise BadInput(f"{where}: in the check of the kind {own.kind}, {wrong}.")
    return check


def _problem(check: Check, answer: str, row: Mapping[str, Any]) -> str | None:
    own = OWN_KINDS.get(check["kind"])
    if own is not None:
        return own.problem(check, answer, row)
    if score(check, answer, row) == 1.0:
        return None
    return _REASONS.get(check["kind"], _plain)(check, answer)


def _plain(check: Check, answer: str) -> str:
    given = {name: value for name, value in check.items() if name != "kind"}
    return f"The answer fails the check {check['kind']} ({SCORERS[check['kind']].help}) with {json.dumps(given, ensure_ascii=False)}."


def _json_schema(check: Check, answer: str) -> str:
    text = unfenced(answer, "json")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as problem:
        return f"The answer is not valid JSON: {problem.msg} at character {problem.pos + 1}."
    except (ValueError, RecursionError) as problem:
        return f"The answer is not valid JSON: {problem}."
    return f"The answer is JSON and not what the schema asks for: {schemas.fault(check['schema'], value)}."


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _regex(check: Check, answer: str) -> str:
    where = "Some part of the answer" if check.get("search") else "The whole answer"
    return f"{where} must match the pattern {check['pattern']}"


def _words(check: Check, answer: str) -> str:
    parts = []
    if check.get("required"):
        parts.append(f"It must hold each of these words: {_listed(check['required'])}.")
    if check.get("forbidden"):
        parts.append(f"It must hold none of these: {_listed(check['forbidden'])}.")
    return " ".join(["The answer does not keep to its words.", *parts])


def _contains(check: Check, answer: str) -> str:
    values = check["value"] if isinstance(check["value"], list) else [check["value"]]
    return f"The answer must hold {'one' if check.get('match') == 'any' else 'each'} of these texts: {_listed(values)}."


def _code(check: Check, answer: str) -> str:
    told = passed(check, answer)
    return f"The code in the answer fails {told.count(False)} of {len(told)} cases. Mend it."


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in values)


_REASONS: dict[str, Callable[[Check, str], str]] = {
    "json_schema": _json_schema,
    "regex": _regex,
    "words": _words,
    "contains": _contains,
    "code": _code,
    "exact": lambda check, answer: f"The answer must be exactly {json.dumps(check['value'], ensure_ascii=False)}.",
    "one_of": lambda check, answer: f"The answer must be one of these, and nothing else: {_listed(check['value'])}.",
    "number": lambda check, answer: "The last number in the answer is not the right one. Work it out once more.",
    "language": lambda check, answer: f"The answer must be whole sentences in the language {check['value']} (ISO 639-1).",
    "tags": lambda check, answer: (
        f"The answer must be these tags in this order, each once with something in it, and nothing outside them: {_listed(check['value'])}."
    ),
    "instructions": lambda check, answer: (
        f"The answer does not keep these instructions: {'; '.join(_kept(one) for one in check['value'])}."
    ),
}


def _kept(instruction: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name} {value}" for name, value in instruction.items() if name != "id" and value is not None)
    return f"{instruction['id'].rpartition(':')[2].replace('_', ' ')}{f' ({given})' if given else ''}"


def _length(check: Check, answer: str, row: Mapping[str, Any]) -> str | None:
    unit = check.get("unit", UNITS[0])
    size = len(answer.split()) if unit == UNITS[0] else len(answer.strip())
    least, most = check.get("least", 0), check.get("most")
    if size < least:
        return f"The answer has {size:,} {unit} and must have at least {least:,}. Say more."
    if most is not None and size > most:
        return f"The answer has {size:,} {unit} and may have at most {most:,}. Say it shorter."
    return None


def _needs_length(check: Check) -> str | None:
    if check.get("unit", UNITS[0]) not in UNITS:
        return f"its unit is {' or '.join(UNITS)}, not {check['unit']!r}"
    given = [check[name] for name in ("least", "most") if name in check]
    if not given or any(isinstance(value, bool) or not isinstance(value, int) or value < 0 for value in given):
        return f"it needs least or most, whole numbers from 0, and has {dict(check)!r}"
    return "its most is below its least" if given != sorted(given) and len(given) == 2 else None


def _needs_code(check: Check) -> str | None:
    try:
        names = {node.name for node in ast.parse(check["code"]).body if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, TypeError, ValueError) as problem:
        return f"its code is no Python: {problem}"
    if OWN not in names:
        return f"its code has no function {OWN}(answer, row). It has: {', '.join(sorted(names)) or 'none'}"
    if (why := contained.missing()) is not None:
        raise NoSandbox(f"Your own check runs contained or not at all, and here it cannot be: {why}.")
    return None


def _python(check: Check, answer: str, row: Mapping[str, Any]) -> str | None:
    given = json.loads(json.dumps([answer, dict(row)], default=str))
    try:
        told = contained.call(check["code"], OWN, [given])[0]
    except contained.Ended as problem:
        raise BadInput(f"Your own check said nothing about an answer: {problem}. Mend it, then ask again.") from None
    value = told.get("value")
    if "error" in told or not (isinstance(value, bool) or (isinstance(value, str) and value.strip())):
        said = told.get("error", f"it gave {value!r}")
        raise BadInput(f"Your own check has to give True or the reason as a text, and for one answer it did not: {said}.")
    if value is True:
        return None
    return value.strip() if isinstance(value, str) else "The answer does not pass a check that was written for it."


OWN_KINDS = {
    own.kind: own
    for own in (
        Kind("length", "The answer has at least and at most so many words or characters", (), ("least", "most", "unit"), _needs_length, _length),
        Kind(
            "topics", "No sentence of the answer is about one of these topics, by what it means",
            ("value",), ("threshold",), topics.examine, topics.problem,
        ),
        Kind(
            "supported", "Every claim of the answer stands in the passages found, in one that has the names in the question",
            (), ("names",), supported.examine, supported.problem,
        ),
        Kind("python", "Your own function check(answer, row), run in a sandbox, gives True or the reason as a text", ("code",), (), _needs_code, _python),
    )
}  # fmt: skip

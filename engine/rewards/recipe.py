"""A reward as it is written down: ``check + 0.2 * ended``, a sum of weighted entries of the table.

Read as a Python expression, of which nothing but sums, products with a number and calls with constants is allowed; nothing of
it is ever run.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.rewards.table import REWARDS, Answer, Context, Kind, Reward

EXAMPLE = "check + 0.2 * ended"


@dataclass(frozen=True)
class Part:
    """One term: its label, its weight and what gives the number."""

    label: str
    weight: float
    kind: Kind
    score: Reward
    column: str | None = None  # of the data, that holds the value to compare with


def parse(text: str, context: Context) -> tuple[Part, ...]:
    """The terms of a reward. BadInput says what is wrong and what may be written."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as problem:
        raise _wrong(text, f"it cannot be read at character {problem.offset}") from None
    terms = tuple(_part(text, node, weight, context) for node, weight in _terms(text, tree.body, 1.0))
    labels = [term.label for term in terms]
    if len(set(labels)) < len(labels):
        raise _wrong(text, "it names the same reward twice")
    return terms


def _wrong(text: str, why: str) -> BadInput:
    return BadInput(
        f"The reward {text!r} cannot be used: {why}. Write it like {EXAMPLE!r}; the rewards are: {', '.join(REWARDS)}."
    )


def _terms(text: str, node: ast.expr, weight: float) -> list[tuple[ast.expr, float]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        sign = 1 if isinstance(node.op, ast.Add) else -1
        return _terms(text, node.left, weight) + _terms(text, node.right, sign * weight)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _terms(text, node.operand, -weight)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for number, rest in ((node.left, node.right), (node.right, node.left)):
            if (given := _number(number)) is not None:
                return _terms(text, rest, weight * given)
        raise _wrong(text, "a product needs a number on one side")
    return [(node, weight)]


def _number(node: ast.expr) -> float | None:
    """The number that is written there, with its sign; None where there is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    given = node.value if isinstance(node, ast.Constant) else None
    return given if isinstance(given, int | float) and not isinstance(given, bool) else None


def _part(text: str, node: ast.expr, weight: float, context: Context) -> Part:
    name, given = node, dict[str, Any]()
    if isinstance(node, ast.Call):
        name = node.func
        if node.args or any(word.arg is None for word in node.keywords):
            raise _wrong(text, "arguments are given by name, like length(most=40)")
        for word in node.keywords:
            try:
                given[str(word.arg)] = ast.literal_eval(word.value)
            except ValueError:
                raise _wrong(text, f"{word.arg} takes a constant") from None
    if not isinstance(name, ast.Name) or name.id not in REWARDS:
        raise _wrong(text, f"there is no reward {ast.unparse(name)!r}")
    kind = REWARDS[name.id]
    for argument in given:
        if argument not in kind.arguments:
            raise _wrong(text, f"{kind.name} takes {', '.join(kind.arguments) or 'no arguments'}, not {argument}")
    return Part(ast.unparse(node), weight, kind, kind.make(context, **{**kind.arguments, **given}), given.get("column"))


def needs(parts: Sequence[Part], columns: Sequence[str]) -> None:
    """BadInput when the data lacks a column that a reward reads."""
    for part in parts:
        for column in (*part.kind.needs, *([part.column] if part.column else [])):
            if column not in columns:
                raise BadInput(
                    f"The reward {part.label} reads the column {column!r}, and the data has only {', '.join(columns)}. "
                    "Choose another reward, or bring in data with that column."
                )


def total(parts: Sequence[Part], scores: Sequence[Sequence[float | None]]) -> list[float | None]:
    """The weighted sum for each answer from the parts' scores; None where a part could not say: what a judge gave no grade is not an
    answer with the worst one."""
    found: list[float | None] = []
    for each in zip(*scores, strict=True):
        said = [part.weight * score for part, score in zip(parts, each, strict=True) if score is not None]
        found.append(sum(said) if len(said) == len(parts) else None)
    return found


def scores(parts: Sequence[Part], answers: Sequence[Answer]) -> list[list[float | None]]:
    """What each part gives each answer."""
    return [part.score(answers) for part in parts]

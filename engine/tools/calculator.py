"""Sums that a model hands over, worked out exactly and within bounds."""

import ast
import math
import operator
from collections.abc import Callable
from fractions import Fraction

LONGEST = 200  # characters
BITS = 512  # of any number on the way

_SIGNS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def calculate(expression: str) -> str:
    """What ``expression``, of decimal numbers, + - * / and brackets, comes to: exact, and rounded to 6 places where it does not end.

    ValueError says what cannot be worked out.
    """
    if len(expression) > LONGEST:
        raise ValueError(f"the expression has {len(expression)} characters, more than {LONGEST}")
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r} is not a sum of numbers, + - * / and brackets") from None
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if math.isinf(number):
                raise ValueError("the numbers get too large")
            found = Fraction(str(number))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
            found = -_value(inner) if isinstance(sign, ast.USub) else _value(inner)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SIGNS:
            found = _SIGNS[type(sign)](_value(left), _value(right))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not a sum of numbers, + - * / and brackets")
    if max(found.numerator.bit_length(), found.denominator.bit_length()) > BITS:
        raise ValueError("the numbers get too large")
    return found

"""Sums that a model hands over, worked out exactly and within bounds."""

import ast
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction

LONGEST = 200  # characters
DECIMAL = re.compile(r"\d+(\.\d*)?|\.\d+")
BITS = 512  # of any number on the way
LONG, PLACES = 20, 6  # most places of a number that ends, and places of any other

_SIGNS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def calculate(expression: str) -> str:
    """What ``expression``, of decimal numbers, + - * / and brackets, comes to: exact, and rounded to PLACES where it does not end.

    ValueError says what cannot be worked out.
    """
    if len(expression) > LONGEST:
        raise ValueError(f"the expression has {len(expression)} characters, more than {LONGEST}")
    source = expression.strip()
    try:
        value = _value(ast.parse(source, mode="eval").body, source)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r} is not a sum of numbers, + - * / and brackets") from None
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    return _told(value)


def _told(value: Fraction) -> str:
    """All places of a number that ends within LONG, at most PLACES of any other."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    ends = rest == 1 and max(twos, fives) <= LONG
    places = max(twos, fives) if ends else PLACES
    digits = str(round(abs(value) * 10**places)).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".") if places else digits
    return f"-{text}" if value < 0 and text.strip("0.") else text


def _value(node: ast.expr, source: str) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if math.isinf(number):
                raise ValueError("the numbers get too large")
            written = (ast.get_source_segment(source, node) or "").replace("_", "")
            # as it is written, since a float has lost places already
            found = Fraction(written) if DECIMAL.fullmatch(written) else Fraction(str(number))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
            found = -_value(inner, source) if isinstance(sign, ast.USub) else _value(inner, source)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SIGNS:
            found = _SIGNS[type(sign)](_value(left, source), _value(right, source))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not a sum of numbers, + - * / and brackets")
    if max(found.numerator.bit_length(), found.denominator.bit_length()) > BITS:
        raise ValueError("the numbers get too large")
    return found

"""Whether two mathematical expressions are equal: fractions, roots, units, sets, intervals, LaTeX or plain text.

math-verify does it, and pint for units, with a computer algebra system, which no text can be kept from sending on an endless road: so it works in a
process of its own, that is ended and begun anew when an answer takes too long.
"""

import atexit
import contextlib
import json
import math
import re
import selectors
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from engine.errors import BadInput
from engine.evaluation.scorer import Check, Scorer, needs_text

SECONDS = 5.0  # for one comparison
START_SECONDS = 60.0  # until the algebra system is loaded
LONGEST = 20_000  # characters of an answer, from its end
READY = "ready"
# a number, a unit such as km/h or m^2, and no more letters
MEASURE = re.compile(
    r"(-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*((?:[A-Za-zµμ°Ω]+(?:\^?-?[23]|[²³])?)(?:/[A-Za-zµμ]+(?:\^?[23]|[²³])?)?)(?![\w/^])"
)
WORD = re.compile(r"[^\W\d_]{2,}")
MACRO = re.compile(r"\\(?:text\{[^}]*\}|[A-Za-z]+)")
# how LaTeX and Markdown dress a measure, and what is left without the dress
DRESS = (
    (re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}"), r"\1"), (re.compile(r"\^\{(-?\d)\}"), r"^\1"),
    (re.compile(r"\{,\}"), ","), (re.compile(r"\\[,;:! ]|~|\\quad"), " "), (re.compile(r"\\boxed\s*\{|\$|\*\*"), ""), (re.compile("\u2212"), "-"),
)  # fmt: skip
POWERS = str.maketrans({"²": "^2", "³": "^3"})


class Comparer:
    """The process that compares, started at the first question."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None

    def equal(self, wanted: str, answer: str) -> bool:
        """Whether what ``answer`` comes to equals ``wanted``; one that takes too long to compare does not."""
        process = self._process or self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([wanted, answer[-LONGEST:]]).encode() + b"\n")
            process.stdin.flush()
        except OSError:  # it was ended from outside
            self.close()
            return False
        told = self._told(process, SECONDS)
        if not told:  # it takes too long, or has died of this answer
            self.close()
        return told == "true"

    def _started(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        if self._told(self._process, START_SECONDS) != READY:
            self.close()
            raise BadInput(
                "Answers cannot be compared as mathematics: math-verify does not start. Use a check of the kind number."
            )
        return self._process

    @staticmethod
    def _told(process: subprocess.Popen[bytes], seconds: float) -> str | None:
        assert process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline().decode().strip() if waiting.select(seconds) else None


def _undressed(text: str) -> str:
    for dress, left in DRESS:
        text = dress.sub(left, text)
    return text


def measures(text: str) -> list[Any]:
    """The measures in a text, a number and a unit that there is each, in their order."""
    import pint

    units, found = pint.application_registry, []
    for number, unit in MEASURE.findall(_undressed(text)):
        try:
            found.append(units.Quantity(float(number.replace(",", "")), units.parse_units(unit.translate(POWERS))))
        except (ValueError, AttributeError, TypeError, pint.errors.PintError):
            continue  # a word, and no unit
    return found


def _same_measure(wanted: Any, answer: str) -> bool | None:
    """Whether the last measure in an answer is the wanted one, in whatever unit; None where the answer has none."""
    found = measures(answer)
    if not found:
        return None
    if found[-1].dimensionality != wanted.dimensionality:
        return False
    first, second = wanted.to_base_units().magnitude, found[-1].to_base_units().magnitude
    return math.isclose(first, second, rel_tol=1e-9)


def _forms(text: str) -> tuple[str, str]:
    """How a text is read, the likelier way first: a formula as one whole, or a text with a formula in it. Of a formula without its
    marks the reader of texts would take a number that stands in it, 2 for the root of 3 taken twice."""
    formula = "$" not in text and "\\boxed" not in text and not WORD.search(MACRO.sub(" ", text))
    return (f"${text.strip()}$", text) if formula else (text, f"${text}$")


def _equal(wanted: str, answer: str) -> bool:
    import math_verify

    def parsed(text: str) -> Any:  # its own timer is a signal; the one that counts is outside
        for form in _forms(text):
            if found := math_verify.parse(form, parsing_timeout=cast(int, None)):
                return found
        return []

    if MEASURE.fullmatch(_undressed(wanted).strip()) and (measure := measures(wanted)):
        same = _same_measure(measure[0], answer)
        if same is not None:
            return same
    return bool(said := parsed(answer)) and math_verify.verify(parsed(wanted), said, timeout_seconds=None)


def serve() -> None:
    """Be the process that compares: a line of JSON in, a line out."""
    _equal("5 m", "500 cm")  # loads what it compares with
    print(READY, flush=True)
    for line in sys.stdin:
        try:
            same = _equal(*json.loads(line))
        except (Exception, RecursionError):  # what the algebra system cannot read is not equal to anything
            same = False
        print(json.dumps(bool(same)), flush=True)


_COMPARER = Comparer()


def _score(check: Check, answer: str) -> float:
    return float(bool(answer.strip()) and _COMPARER.equal(str(check["value"]), answer))


MATH = Scorer(
    "math",
    "What the answer comes to equals the value: fractions, roots, sets, LaTeX, and measures in any unit of their kind",
    ("value",),
    (),
    needs_text,
    _score,
)

if __name__ == "__main__":
    serve()

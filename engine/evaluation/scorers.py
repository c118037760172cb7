"""Scoring an answer by the row's own ``check``: what kinds there are, what each takes, and the score it gives.

The same column scores ``measure``, rewards reinforcement learning and filters rejection sampling. A check is JSON:
``{"kind": "number", "value": 72}``. Whether an answer is *good* beyond what can be checked is for people and judges.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.errors import BadInput
from engine.evaluation import patterns, schemas

Check = Mapping[str, Any]

# an optional sign that is not a hyphen or a minus between two things, digits with or without thousands separators
# (comma, apostrophe, underscore, narrow or no-break space), a fraction, an exponent
NUMBER = re.compile(
    r"(?:(?<![\w)\]])[-+\u2212][$\u20ac\u00a3]?)?"
    r"(?:[0-9]{1,3}(?:([,'\u2019_\u00a0\u2009\u202f])[0-9]{3}(?:\1[0-9]{3})*(?![0-9])(?!\1[0-9]))|[0-9]+|(?=\.[0-9]))"
    r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3}(?![0-9A-Za-z]))?"
)
DROPPED = str.maketrans({**dict.fromkeys(",'\u2019_\u00a0\u2009\u202f$\u20ac\u00a3"), "\u2212": "-"})


@dataclass(frozen=True)
class Scorer:
    """One kind of check: what it takes beside ``kind``, what is wrong with a given one, and the score of an answer (0 or 1)."""

    kind: str
    help: str
    required: tuple[str, ...]
    options: tuple[str, ...]
    examine: Callable[[Check], str | None]
    score: Callable[[Check, str], float]


def normal(text: str, case: bool = True) -> str:
    """``text`` with white space as single blanks and accents composed with their letters; in lower case without ``case``."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text if case else text.casefold()


def number_in(text: str) -> Decimal | None:
    """The last number in ``text``, or None. ``1,234.5`` is one number, ``1,2`` are two, and the 4 of ``GPT-4`` is positive."""
    found = [match.group() for match in NUMBER.finditer(text)]
    return _decimal(found[-1]) if found else None


def _decimal(text: str) -> Decimal | None:
    """The number that ``text`` is, or None when it is not one, or has over a thousand digits."""
    if not NUMBER.fullmatch(text.strip()):
        return None
    value = Decimal(text.strip().translate(DROPPED))
    return value if abs(value.adjusted()) < 1000 else None


def _exact(check: Check, answer: str) -> float:
    case = check.get("case", True)
    return float(normal(answer, case) == normal(str(check["value"]), case))


def _one_of(check: Check, answer: str) -> float:
    case = check.get("case", True)
    return float(normal(answer, case) in {normal(str(value), case) for value in check["value"]})


def _contains(check: Check, answer: str) -> float:
    case, values = check.get("case", True), check["value"]
    text = normal(answer, case)
    each = [normal(str(value), case) in text for value in (values if isinstance(values, list) else [values])]
    return float(any(each) if check.get("match", "all") == "any" else all(each))


def _number(check: Check, answer: str) -> float:
    wanted, tolerance, said = _decimal(str(check["value"])), _decimal(str(check.get("tolerance", 0))), number_in(answer)
    if wanted is None or tolerance is None:
        raise BadInput(f"The check {dict(check)} has no number to compare with.")
    return float(said is not None and abs(said - wanted) <= tolerance)


def _regex(check: Check, answer: str) -> float:
    run = patterns.found if check.get("search", False) else patterns.matches
    return float(run(check["pattern"], answer.strip()))


def _json_schema(check: Check, answer: str) -> float:
    try:
        value = json.loads(_unfenced(answer), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return 0.0
    return float(schemas.is_valid(check["schema"], value))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _unfenced(answer: str) -> str:
    """The inside of an answer that is one code fence, else the answer."""
    text = answer.strip()
    opening, _, rest = text.partition("\n")
    if opening.strip().lower() in ("```", "```json") and rest.rstrip().endswith("```"):
        return rest.rstrip().removesuffix("```")
    return text


def _needs_text(check: Check) -> str | None:
    if not _is_text(check["value"]):
        return f"its value must be a text or a number that is not empty, not {check['value']!r}"
    return None


def _needs_texts(check: Check) -> str | None:
    values = check["value"]
    if not isinstance(values, list) or not values or not all(_is_text(value) for value in values):
        return f"its value must be a list of texts or numbers, none of them empty, not {values!r}"
    return None


def _needs_text_or_texts(check: Check) -> str | None:
    if check.get("match", "all") not in ("any", "all"):
        return f"its match must be any or all, not {check['match']!r}"
    return _needs_texts(check) if isinstance(check["value"], list) else _needs_text(check)


def _needs_number(check: Check) -> str | None:
    for name, value in (("value", check["value"]), ("tolerance", check.get("tolerance", 0))):
        number = None if isinstance(value, bool) else _decimal(str(value))
        if number is None:
            return f"its {name} must be a number, not {value!r}"
        if name == "tolerance" and number < 0:
            return f"its tolerance must not be negative, but it is {value!r}"
    return None


def _needs_pattern(check: Check) -> str | None:
    if not isinstance(check["pattern"], str) or not check["pattern"]:
        return f"its pattern must be a text that is not empty, not {check['pattern']!r}"
    problem = patterns.examine(check["pattern"])
    return f"its pattern {check['pattern']!r} cannot be used: {problem}" if problem else None


def _needs_schema(check: Check) -> str | None:
    return schemas.examine(check["schema"])


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and bool(str(value).strip())


SCORERS = {
    scorer.kind: scorer
    for scorer in (
        Scorer("exact", "The answer is the value, white space aside", ("value",), ("case",), _needs_text, _exact),
        Scorer("one_of", "The answer is one of the values, white space aside", ("value",), ("case",), _needs_texts, _one_of),
        Scorer(
            "contains", "The value, or with a list all or any of them, occurs in the answer",
            ("value",), ("match", "case"), _needs_text_or_texts, _contains,
        ),
        Scorer(
            "number", "The last number in the answer is the value, up to the tolerance",
            ("value",), ("tolerance",), _needs_number, _number,
        ),
        Scorer(
            "regex", "The whole answer, or with search a part of it, matches the pattern",
            ("pattern",), ("search",), _needs_pattern, _regex,
        ),
        Scorer(
            "json_schema", "The answer is JSON, in a code fence or not, that is valid by the schema",
            ("schema",), (), _needs_schema, _json_schema,
        ),
    )
}  # fmt: skip
SWITCHES = ("case", "search")
EXAMPLE = '{"kind": "exact", "value": "yes"}'


def validate(check: Any, where: str = "The check") -> Check:
    """A check (JSON text or an object) as an object whose kind is in SCORERS and whose arguments fit.

    BadInput begins with ``where``, for instance "Row 7", and says what is wrong and what is allowed.
    """
    if isinstance(check, str):
        try:
            check = json.loads(check)
        except (ValueError, RecursionError) as problem:
            raise BadInput(f"{where}: the check is not JSON ({problem}). Write it like {EXAMPLE}.") from None
    if not isinstance(check, Mapping):
        raise BadInput(f"{where}: the check must be an object like {EXAMPLE}, not {check!r}.")
    # a column of objects holds every key that any of its rows has, as null where the row has none
    check = {key: value for key, value in check.items() if value is not None}
    kind = check.get("kind")
    scorer = SCORERS.get(kind) if isinstance(kind, str) else None
    if scorer is None:
        raise BadInput(f"{where}: there is no check of the kind {kind!r}. The kinds are: {', '.join(SCORERS)}.")
    allowed = ("kind", *scorer.required, *scorer.options)
    for name in scorer.required:
        if name not in check:
            raise BadInput(f"{where}: a check of the kind {kind} needs {name!r}, and this one has only {', '.join(check)}.")
    for name, value in check.items():
        if name not in allowed:
            raise BadInput(f"{where}: a check of the kind {kind} takes {', '.join(allowed)}, but this one has {name!r}.")
        if name in SWITCHES and not isinstance(value, bool):
            raise BadInput(f"{where}: the option {name} of a check is true or false, not {value!r}.")
    problem = scorer.examine(check)
    if problem:
        raise BadInput(f"{where}: in the check of the kind {kind}, {problem}.")
    return check


def score(check: Check, answer: str, row: Mapping[str, Any]) -> float:
    """The score of ``answer``, from 0 to 1, by a check that ``validate`` has let through.

    BadInput names the ``row`` by its prompt when the check cannot decide in its time.
    """
    try:
        return SCORERS[check["kind"]].score(check, answer)
    except BadInput as problem:
        raise BadInput(f"The row that begins {str(row.get('prompt') or row.get('messages'))[:60]!r}: {problem}") from None

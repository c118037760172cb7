"""Checks that look at the answer's text alone: equality, numbers, patterns, JSON, words and tags."""

import json
import re
from decimal import Decimal
from typing import Any

from engine.errors import BadInput
from engine.evaluation import patterns, schemas
from engine.evaluation.scorer import Check, Scorer, needs_text, needs_texts, normal, unfenced

# an optional sign that is not a hyphen or a minus between two things, digits with or without thousands separators
# (comma, apostrophe, underscore, narrow or no-break space), a fraction, an exponent
NUMBER = re.compile(
    r"(?:(?<![\w)\]])[-+\u2212][$\u20ac\u00a3]?)?"
    r"(?:[0-9]{1,3}(?:([,'\u2019_\u00a0\u2009\u202f])[0-9]{3}(?:\1[0-9]{3})*(?![0-9])(?!\1[0-9]))|[0-9]+|(?=\.[0-9]))"
    r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3}(?![0-9A-Za-z]))?"
)
# how LaTeX separates thousands, 16{,}800 and 16\\,800, and a currency's sign
LATEX = re.compile(r"(?<=[0-9])\{(,)\}(?=[0-9])|(?<=[0-9])\\[,!](?=[0-9])|\\(\$)")
DROPPED = str.maketrans({**dict.fromkeys(",'\u2019_\u00a0\u2009\u202f$\u20ac\u00a3"), "\u2212": "-"})


def number_in(text: str) -> Decimal | None:
    """The last number in ``text``, or None. ``1,234.5`` is one number, ``1,2`` are two, and the 4 of ``GPT-4`` is positive."""
    found = [match.group() for match in NUMBER.finditer(LATEX.sub(lambda m: m[1] or "", text))]
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
        value = json.loads(unfenced(answer, "json"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return 0.0
    return float(schemas.is_valid(check["schema"], value))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _needs_text_or_texts(check: Check) -> str | None:
    if check.get("match", "all") not in ("any", "all"):
        return f"its match must be any or all, not {check['match']!r}"
    return needs_texts(check) if isinstance(check["value"], list) else needs_text(check)


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


def _words(check: Check, answer: str) -> float:
    case = check.get("case", False)
    text = normal(answer, case)

    def occurs(word: Any) -> bool:
        wanted = re.escape(normal(str(word), case))
        return re.search(rf"(?<!\w){wanted}(?!\w)", text) is not None

    required, forbidden = check.get("required", ()), check.get("forbidden", ())
    return float(bool(text.strip()) and all(map(occurs, required)) and not any(map(occurs, forbidden)))


def _needs_words(check: Check) -> str | None:
    given = [name for name in ("required", "forbidden") if name in check]
    if not given:
        return "it needs required or forbidden, a list of words"
    return next((problem for name in given if (problem := needs_texts(check, name))), None)


def _tags(check: Check, answer: str) -> float:
    rest = answer.strip()
    for name in check["value"]:
        opening, closing = f"<{name}>", f"</{name}>"
        inside, closed, after = rest.removeprefix(opening).partition(closing)
        if not rest.startswith(opening) or not closed or opening in inside or not inside.strip():
            return 0.0
        rest = after.strip()
    return float(not rest)


def _needs_tags(check: Check) -> str | None:
    problem = needs_texts(check)
    wrong = (
        next((name for name in check["value"] if not re.fullmatch(r"[A-Za-z][\w-]*", str(name))), None) if not problem else None
    )
    return problem or (f"its value holds {wrong!r}, which is no name of a tag" if wrong else None)


PLAIN = (
    Scorer("exact", "The answer is the value, white space aside", ("value",), ("case",), needs_text, _exact),
    Scorer("one_of", "The answer is one of the values, white space aside", ("value",), ("case",), needs_texts, _one_of),
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
    Scorer(
        "words", "Every required word occurs in the answer, which is not empty, and no forbidden one",
        (), ("required", "forbidden", "case"), _needs_words, _words,
    ),
    Scorer("tags", "The answer is these tags in this order, each once with something in it, and nothing outside them", ("value",), (), _needs_tags, _tags),
)  # fmt: skip

"""What a kind of check is, and the little that all kinds share."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Check = Mapping[str, Any]


@dataclass(frozen=True)
class Scorer:
    """One kind of check: what it takes beside ``kind``, what is wrong with a given one, and the score of an answer (0 to 1)."""

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


def unfenced(answer: str, *languages: str) -> str:
    """The inside of an answer that is one code fence (of one of the ``languages``, or of none), else the answer."""
    text = answer.strip()
    opening, _, rest = text.partition("\n")
    if opening.strip().lower() in ("```", *(f"```{name}" for name in languages)) and rest.rstrip().endswith("```"):
        return rest.rstrip().removesuffix("```")
    return text


def is_text(value: Any) -> bool:
    """Whether a value is a text or a number that is not empty."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and bool(str(value).strip())


def needs_text(check: Check) -> str | None:
    """What is wrong with the ``value`` of a check that takes one text."""
    if not is_text(check["value"]):
        return f"its value must be a text or a number that is not empty, not {check['value']!r}"
    return None


def needs_texts(check: Check, name: str = "value") -> str | None:
    """What is wrong with an argument that is a list of texts."""
    values = check[name]
    if not isinstance(values, list) or not values or not all(is_text(value) for value in values):
        return f"its {name} must be a list of texts or numbers, none of them empty, not {values!r}"
    return None

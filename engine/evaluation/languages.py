"""Which language a text is in."""

from functools import cache

from engine.evaluation.scorer import Check, Scorer

LEAST = 20  # bytes: of less than a short sentence nobody can tell the language


def of(text: str) -> str:
    """The likeliest language of a text, as its ISO 639-1 code."""
    import py3langid

    return str(py3langid.classify(text)[0])


@cache
def known() -> frozenset[str]:
    """The codes that can be told apart."""
    import py3langid

    return frozenset(str(code) for code, _ in py3langid.rank(""))


def _score(check: Check, answer: str) -> float:
    return float(len(answer.strip().encode()) >= LEAST and of(answer) == check["value"])


def _examine(check: Check) -> str | None:
    if check["value"] not in known():
        return f"its value must be a code like en, de or zh (one of {len(known())}), not {check['value']!r}"
    return None


LANGUAGE = Scorer(
    "language", "The answer is in this language (ISO 639-1 code); one too short to tell, of fewer than 20 bytes, is not",
    ("value",), (), _examine, _score,
)  # fmt: skip

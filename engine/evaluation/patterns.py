"""Regular expressions from data, matched in a bounded way.

Python's ``re`` backtracks: ``(a|aa)+$`` runs for years on sixty letters, and no thread can stop it. Polars' engine is an
automaton: its time grows with the length of pattern and text alone and its memory is capped, at the price of
look-around and back references, which it refuses.
"""

LONGEST = 1000  # characters; with it a match of an answer of a few thousand characters stays below seconds


def examine(pattern: str) -> str | None:
    """What is wrong with a pattern, or None."""
    if len(pattern) > LONGEST:
        return f"it has {len(pattern):,} characters, and at most {LONGEST:,} are taken"
    for tried in (pattern, _whole(pattern)):  # alone first: "a)|(b" is only valid once it is wrapped
        problem = _problem(tried)
        if problem:
            return problem
    return None


def matches(pattern: str, text: str) -> bool:
    """Whether all of ``text`` matches."""
    return found(_whole(pattern), text)


def found(pattern: str, text: str) -> bool:
    """Whether some part of ``text`` matches."""
    import polars

    return bool(polars.Series([text]).str.contains(pattern, literal=False, strict=True)[0])


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _problem(pattern: str) -> str | None:
    import polars

    try:
        found(pattern, "")
    except polars.exceptions.ComputeError as problem:
        text = str(problem).split("This error occurred")[0].strip()
        if "exceeds size limit" in text:
            return "it is too large once its repeats are written out"
        if "error: " in text:
            return text.rpartition("error: ")[2]
        return text
    return None

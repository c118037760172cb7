"""What runs and models may be called: short, printable, and free of the signs that mean something in references and paths."""

from engine.errors import BadInput

LONGEST = 80
SIGNS = "@#/\\,"  # name@version, #id, folders, and lists in a page's address


def check(name: str, of: str) -> str:
    """The name without spaces around it; BadInput when it cannot be the name ``of`` what it is for."""
    name = name.strip()
    if not name or len(name) > LONGEST or name in (".", "..") or not name.isprintable() or any(sign in name for sign in SIGNS):
        raise BadInput(
            f"{name!r} cannot be the name of {of}. Use 1 to {LONGEST} printable signs, none of them one of {' '.join(SIGNS)}"
        )
    return name


def text(given: str, of: str) -> str:
    """A longer text without spaces around it; BadInput where it holds half of a character, which no file can keep."""
    try:
        given.encode()
    except UnicodeEncodeError as problem:
        raise BadInput(f"The text of {of} holds {given[problem.start]!a}, half of a character. Type it anew.") from None
    return given.strip()


def made_from(text: str, ending: str = "") -> str:
    """A name made of other names, such as a folder's: as near to ``text`` and its ``ending`` as the rule allows. What is too long is
    cut from ``text``, so that names with other endings stay other names."""
    end = _allowed(ending)[-LONGEST:]
    return (_allowed(text).strip(" .")[: LONGEST - len(end)] + end).strip(" .") or "unnamed"


def _allowed(text: str) -> str:
    return "".join("-" if sign in SIGNS or not sign.isprintable() else sign for sign in text)

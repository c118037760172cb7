"""Figures as a person reads them: sizes, counts, times, shares, intervals. Nothing here draws."""

from datetime import UTC, datetime

from storage.records import Interval

KINDS = {
    "pairs": "Pairs to label",
    "label": "A judge's labels",
    "order": "Which pairs come first",
}  # of runs, where one word says too little
STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def size(count: float) -> str:
    """Bytes in the unit that leaves one to three digits, as in ``12.4 MB``."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def count(number: float) -> str:
    """A whole number with its thousands apart, as in ``1,000,000``."""
    return f"{number:,.0f}"


def rounded(value: float, digits: int = 3) -> float:
    """A figure to so many decimals; what comes to zero has no minus sign."""
    return round(value, digits) + 0.0


def figure(value: float, digits: int = 3) -> str:
    """A figure with so many decimals, as in ``0.105``."""
    return f"{rounded(value, digits):.{digits}f}"


def short(number: float) -> str:
    """A large number in three digits, as in ``2.6M``."""
    value, unit = float(number), ""
    for unit in ("", "k", "M", "B", "T"):
        if abs(value) < 999.5 or unit == "T":
            break
        value /= 1000
    return f"{value:.0f}{unit}" if not unit or abs(value) >= 100 else f"{value:.1f}{unit}".replace(".0", "")


def plural(number: int, noun: str, several: str | None = None) -> str:
    """A count with its noun, as in ``1 row`` or ``2,000 rows``."""
    return f"{count(number)} {noun if number == 1 else several or noun + 's'}"


def duration(seconds: float) -> str:
    """A stretch of time in its two largest units, as in ``2 min 5 s``."""
    left = max(0, round(seconds))
    for length, unit in STEPS:
        if left >= length:
            smaller, small = {"d": (3_600, "h"), "h": (60, "min"), "min": (1, "s")}[unit]
            rest = left % length // smaller
            return f"{left // length} {unit} {rest} {small}" if rest else f"{left // length} {unit}"
    return f"{left} s"


def moment(at: str) -> datetime:
    """The time that a stored UTC text names."""
    return datetime.fromisoformat(at)


def ago(at: str) -> str:
    """How long ago a stored time was, as in ``3 min ago``, in one unit so that it does not flicker."""
    seconds = (datetime.now(UTC) - moment(at)).total_seconds()
    for length, unit in STEPS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def percent(share: float) -> str:
    """A share from 0 to 1, as in ``61 %``."""
    return f"{100 * share:.0f} %"


def score(interval: Interval) -> str:
    """A score with its interval and n, as in ``61 % (57 to 65, n = 200)``."""
    return f"{percent(interval.value)} ({100 * interval.low:.0f} to {100 * interval.high:.0f}, n = {count(interval.n)})"

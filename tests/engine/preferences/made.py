"""Pairs and votes made by hand, for tests of what follows from them."""

from typing import Any

from storage.records import Pair, Vote


def pair(number: int, first: str = "", second: str = "", *, prompt: str = "", **more: Any) -> Pair:
    """A pair; its answers differ unless they are given."""
    given: dict[str, Any] = {
        "origin": {"first": {"name": "m1"}, "second": {"name": "m2"}}, "extra": {}, "gold": None, "raters": 1, "missing": 1,
        "place": 0.5, "chosen_by": None, "created_at": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip
    turns = [{"role": "user", "content": prompt or f"Question {number}?"}]
    return Pair(number, 1, f"{number}", turns, first or f"one {number}", second or f"other {number}", **given)


_SEQ = iter(range(1, 1_000_000))


def vote(pair_id: int, labeller: str, choice: str, **more: Any) -> Vote:
    """A vote."""
    seq = next(_SEQ)
    given: dict[str, Any] = {
        "kind": "person", "round": 0, "flipped": False, "strength": None, "preference": None, "criteria": {}, "reason": "", "edited": None,
        "seconds": 3.0, "source": "screen", "extra": {}, "at": "2026-01-01T00:00:00Z", "undone_at": None, **more,
    }  # fmt: skip
    return Vote(seq, f"{seq:032x}", 1, pair_id, labeller, choice=choice, **given)

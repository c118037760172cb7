"""What holds a chain: a bar that was not met, input that cannot be used, or something other."""

from typing import Any


def apply(database: Any) -> None:
    """Add the column; of chains that are held already it is not known."""
    database.execute("ALTER TABLE chain ADD COLUMN held_by TEXT CHECK (held_by IN ('bar', 'input', 'other'))")

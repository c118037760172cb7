"""What a model is for: to speak (language), or to give answers a number (reward)."""

from typing import Any


def apply(database: Any) -> None:
    """Add the column; every model that was there speaks."""
    database.execute("ALTER TABLE model ADD COLUMN task TEXT NOT NULL DEFAULT 'language' CHECK (task IN ('language', 'reward'))")

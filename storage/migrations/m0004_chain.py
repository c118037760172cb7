"""Chains: several runs on one road, each going on from what the one before it made."""

from typing import Any

CHAIN = """
CREATE TABLE chain (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    request TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('live', 'held', 'stopped', 'done')),
    reason TEXT,
    waived TEXT NOT NULL DEFAULT '[]',
    token TEXT UNIQUE,
    created_at TEXT NOT NULL
)
"""


def apply(database: Any) -> None:
    """Add the table."""
    database.execute(CHAIN)
    database.execute("CREATE INDEX chain_status ON chain (status)")

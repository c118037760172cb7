"""Labelling: projects, pairs of answers, what is in front of whom, votes, and how far the ledger was read.

Only what the ledger holds is kept for ever; ``showing`` is what people have before them now and may be lost. Long texts stand last
in a row, so that what the queue looks at is found without reading through them.
"""

from typing import Any

TABLES = (
    """
CREATE TABLE project (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    created_at TEXT NOT NULL
)
""",
    """
CREATE TABLE pair (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    digest TEXT NOT NULL,
    gold TEXT CHECK (gold IN ('first', 'second', 'tie', 'bad')),
    raters INTEGER NOT NULL CHECK (raters > 0),
    missing INTEGER NOT NULL,
    place REAL NOT NULL,
    chosen_by TEXT,
    created_at TEXT NOT NULL,
    prompt TEXT NOT NULL,
    first TEXT NOT NULL,
    second TEXT NOT NULL,
    origin TEXT NOT NULL,
    extra TEXT NOT NULL,
    UNIQUE (project_id, digest)
)
""",
    "CREATE INDEX pair_waiting ON pair (project_id, place) WHERE missing > 0 AND gold IS NULL",
    "CREATE INDEX pair_gold ON pair (project_id, place) WHERE gold IS NOT NULL",
    """
CREATE TABLE showing (
    token TEXT PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    pair_id INTEGER NOT NULL REFERENCES pair (id),
    labeller TEXT NOT NULL,
    round INTEGER NOT NULL,
    flipped INTEGER NOT NULL CHECK (flipped IN (0, 1)),
    rank REAL NOT NULL,
    claimed_at TEXT NOT NULL,
    displayed_at TEXT,
    UNIQUE (pair_id, labeller, round)
)
""",
    "CREATE INDEX showing_labeller ON showing (project_id, labeller, rank)",
    """
CREATE TABLE vote (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    project_id INTEGER NOT NULL REFERENCES project (id),
    pair_id INTEGER NOT NULL REFERENCES pair (id),
    labeller TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'judge')),
    round INTEGER NOT NULL,
    flipped INTEGER CHECK (flipped IN (0, 1)),
    choice TEXT NOT NULL CHECK (choice IN ('first', 'second', 'tie', 'bad', 'skip')),
    strength INTEGER CHECK (strength IN (1, 2)),
    preference REAL,
    seconds REAL,
    source TEXT NOT NULL,
    at TEXT NOT NULL,
    undone_at TEXT,
    criteria TEXT NOT NULL,
    reason TEXT NOT NULL,
    edited TEXT,
    extra TEXT NOT NULL
)
""",
    "CREATE UNIQUE INDEX vote_once ON vote (pair_id, labeller, round) WHERE undone_at IS NULL",
    "CREATE INDEX vote_project ON vote (project_id, labeller, seq)",
    "CREATE INDEX vote_standing ON vote (project_id, kind, labeller) WHERE undone_at IS NULL",
    "CREATE TABLE ledger (one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL)",
    "INSERT INTO ledger VALUES (1, 0)",
)


def apply(database: Any) -> None:
    """Add the tables."""
    for statement in TABLES:
        database.execute(statement)

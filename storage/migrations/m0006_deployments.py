"""Prompt versions, document indexes, deployments, and advice; what was measured may be a deployment.

The passages of an index lie in a file of its own (storage/passages.py): they are many, and the database is copied before migrations.
"""

from typing import Any

TABLES = (
    """
CREATE TABLE prompt_version (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    parent_id INTEGER REFERENCES prompt_version (id),
    sha256 TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (name, version)
)
""",
    """
CREATE TABLE document_index (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    version INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
)
""",
    """
CREATE TABLE deployment (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    model_id INTEGER NOT NULL REFERENCES model (id),
    prompt_id INTEGER REFERENCES prompt_version (id),
    index_id INTEGER REFERENCES document_index (id),
    index_version INTEGER,
    fingerprint TEXT NOT NULL,
    token TEXT UNIQUE,
    created_at TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (name, version),
    CHECK ((index_id IS NULL) = (index_version IS NULL))
)
""",
    """
CREATE TABLE advice (
    id INTEGER PRIMARY KEY,
    token TEXT UNIQUE,
    rubric TEXT NOT NULL,
    created_at TEXT NOT NULL,
    answers TEXT NOT NULL,
    body TEXT NOT NULL
)
""",
    """
CREATE TABLE advice_run (
    advice_id INTEGER NOT NULL REFERENCES advice (id),
    run_id INTEGER NOT NULL REFERENCES run (id),
    PRIMARY KEY (advice_id, run_id)
) WITHOUT ROWID
""",
    "ALTER TABLE evaluation ADD COLUMN deployment_id INTEGER REFERENCES deployment (id)",
    "ALTER TABLE evaluation_item ADD COLUMN more TEXT NOT NULL DEFAULT '{}'",
    "CREATE INDEX evaluation_run ON evaluation (run_id)",
)


def apply(database: Any) -> None:
    """Add the tables and columns."""
    for statement in TABLES:
        database.execute(statement)

"""The numbers under which a run's metrics are written are counted apart from them, since a resume drops values."""

from typing import Any

SCHEMA = """
CREATE TABLE metric_count (
    run_id INTEGER PRIMARY KEY REFERENCES run (id),
    seq INTEGER NOT NULL
);
INSERT INTO metric_count (run_id, seq) SELECT run_id, MAX(seq) FROM metric GROUP BY run_id;
"""


def apply(database: Any) -> None:
    """Add the table and take over what was counted so far."""
    for statement in filter(None, map(str.strip, SCHEMA.split(";"))):
        database.execute(statement)

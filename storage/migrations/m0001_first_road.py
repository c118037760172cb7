"""Data sets, runs with their events, metrics and checkpoints, models, evaluations."""

from sqlite_utils import Database

STATEMENTS = """
CREATE TABLE dataset (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    shape TEXT NOT NULL,
    rows INTEGER NOT NULL CHECK (rows > 0),
    sha256 TEXT NOT NULL,
    parent_id INTEGER REFERENCES dataset (id),
    steps TEXT NOT NULL,
    problems TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (name, version)
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'stopped', 'interrupted')),
    attempt INTEGER NOT NULL DEFAULT 0,
    request TEXT NOT NULL,
    token TEXT UNIQUE,
    stop_requested TEXT,
    reason TEXT,
    failure TEXT,
    next_step TEXT,
    summary TEXT NOT NULL DEFAULT '{}',
    parent_id INTEGER REFERENCES run (id),
    priority REAL NOT NULL,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    CHECK (status NOT IN ('succeeded', 'failed', 'stopped', 'interrupted') OR ended_at IS NOT NULL),
    CHECK (status != 'failed' OR (reason IS NOT NULL AND failure IS NOT NULL))
);
CREATE INDEX run_status ON run (status, priority);
CREATE TABLE run_history (
    run_id INTEGER NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    before TEXT,
    after TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX run_history_run ON run_history (run_id);
CREATE TRIGGER run_created AFTER INSERT ON run BEGIN
    INSERT INTO run_history VALUES (new.id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), NULL, new.status, NULL);
END;
CREATE TRIGGER run_changed AFTER UPDATE OF status ON run WHEN old.status != new.status BEGIN
    INSERT INTO run_history VALUES (new.id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), old.status, new.status, new.reason);
END;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER,
    body TEXT NOT NULL
);
CREATE INDEX event_run ON event (run_id, kind, seq);
CREATE TABLE metric (
    run_id INTEGER NOT NULL REFERENCES run (id),
    series TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (run_id, series, step)
) WITHOUT ROWID;
CREATE INDEX metric_tail ON metric (run_id, seq);
CREATE TABLE metric_latest (
    run_id INTEGER NOT NULL REFERENCES run (id),
    series TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL,
    PRIMARY KEY (run_id, series)
) WITHOUT ROWID;
CREATE TABLE checkpoint (
    run_id INTEGER NOT NULL REFERENCES run (id),
    step INTEGER NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (run_id, step)
);
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('model', 'adapter')),
    path TEXT NOT NULL,
    base_id INTEGER REFERENCES model (id),
    run_id INTEGER REFERENCES run (id),
    fingerprint TEXT NOT NULL,
    parameters INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    dtype TEXT NOT NULL,
    context INTEGER NOT NULL,
    license TEXT,
    template TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at TEXT NOT NULL,
    CHECK (kind != 'adapter' OR base_id IS NOT NULL)
);
CREATE TABLE evaluation (
    id INTEGER PRIMARY KEY,
    model_id INTEGER NOT NULL REFERENCES model (id),
    dataset_id INTEGER NOT NULL REFERENCES dataset (id),
    run_id INTEGER REFERENCES run (id),
    value REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    n INTEGER NOT NULL CHECK (n > 0),
    settings TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX evaluation_model ON evaluation (model_id, dataset_id);
CREATE TABLE evaluation_item (
    evaluation_id INTEGER NOT NULL REFERENCES evaluation (id),
    position INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    answer TEXT NOT NULL,
    score REAL NOT NULL,
    PRIMARY KEY (evaluation_id, position)
) WITHOUT ROWID;
"""


def apply(db: Database) -> None:
    """Make the tables. The statements run one by one, since a script would commit the migration's transaction."""
    statement = ""
    for line in STATEMENTS.strip().splitlines():
        statement += line + "\n"
        # a trigger holds statements of its own and ends with END;
        if line.rstrip().endswith(";") and ("CREATE TRIGGER" not in statement or line.strip() == "END;"):
            db.conn.execute(statement)
            statement = ""

-- Who is told of events by a call. All events up to `passed` were taken, or are letters.
CREATE TABLE webhook (
    id TEXT PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    note TEXT NOT NULL,
    format TEXT NOT NULL,
    types TEXT NOT NULL,
    secrets BLOB NOT NULL, -- sealed
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    disabled_at INTEGER,
    disabled_why TEXT NOT NULL,
    passed INTEGER NOT NULL,
    succeeded_at INTEGER NOT NULL,
    failing_since INTEGER,
    paused_until INTEGER NOT NULL,
    problem TEXT NOT NULL,
    holder TEXT, -- who delivers for it, and until when nobody else does
    held_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Events that were not taken at once, or that wait behind one of the same device.
CREATE TABLE letter (
    webhook_id TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    device_id TEXT,
    connection_id TEXT,
    put_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    tried_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    dead_at INTEGER,
    problem TEXT NOT NULL,
    PRIMARY KEY (webhook_id, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX letter_waiting ON letter (webhook_id, sequence) WHERE dead_at IS NULL;

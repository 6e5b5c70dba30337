-- Which command has asked last for each report of a channel, and which has changed what it tells.
CREATE TABLE collection (
    channel_id TEXT NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    report TEXT NOT NULL,
    asked_at INTEGER,
    command_uuid TEXT,
    stirred_at INTEGER,
    stirred_by TEXT,
    PRIMARY KEY (channel_id, report)
) STRICT, WITHOUT ROWID;
CREATE INDEX collection_by_age ON collection (report, asked_at) WHERE asked_at IS NOT NULL;

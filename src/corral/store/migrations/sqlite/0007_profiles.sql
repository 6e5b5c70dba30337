-- Configuration profiles in versions, and what is wanted of them in which channel.
CREATE TABLE stored_profile (
    id TEXT NOT NULL UNIQUE,
    identifier TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE stored_profile_version (
    profile_id TEXT NOT NULL REFERENCES stored_profile (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    payload_uuid TEXT NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    note TEXT NOT NULL,
    body BLOB NOT NULL, -- sealed
    PRIMARY KEY (profile_id, version)
) STRICT;

CREATE TABLE wanted_profile (
    channel_id TEXT NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    profile_id TEXT NOT NULL REFERENCES stored_profile (id) ON DELETE CASCADE,
    version INTEGER, -- null: to be removed
    command_uuid TEXT NOT NULL,
    at INTEGER NOT NULL,
    asked_by TEXT NOT NULL,
    PRIMARY KEY (profile_id, channel_id)
) STRICT;
CREATE INDEX wanted_profile_by_channel ON wanted_profile (channel_id);

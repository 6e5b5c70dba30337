-- Times are Unix milliseconds. Sealed columns hold what sealing.py makes of the value.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The enrollment facts of a whole fleet are mostly the same few documents: each is kept once.
CREATE TABLE profile (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE device (
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    user_enrollment INTEGER NOT NULL,
    blocked_at INTEGER,
    blocked_reason TEXT NOT NULL,
    serial_number TEXT,
    platform TEXT,
    os_version TEXT,
    build_version TEXT,
    product_name TEXT,
    model TEXT,
    model_name TEXT,
    name TEXT,
    imei TEXT,
    meid TEXT
) STRICT;
CREATE INDEX device_by_serial ON device (serial_number) WHERE serial_number IS NOT NULL;
-- A search matches the start of any of the three, in either case.
CREATE INDEX device_search_id ON device (id COLLATE NOCASE);
CREATE INDEX device_search_serial ON device (serial_number COLLATE NOCASE);
CREATE INDEX device_search_name ON device (name COLLATE NOCASE);

CREATE TABLE connection (
    id TEXT NOT NULL UNIQUE,
    device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    phase TEXT NOT NULL,
    origin TEXT NOT NULL,
    topic TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    admitted_by TEXT NOT NULL,
    connected_at INTEGER,
    reauthenticated_at INTEGER,
    awaiting_since INTEGER,
    erasing_at INTEGER,
    ended_at INTEGER,
    end_reason TEXT,
    proof TEXT NOT NULL,
    open INTEGER NOT NULL,
    recheck_at INTEGER NOT NULL,
    renewal_grant_id TEXT,
    renewal_asked_at INTEGER,
    renewal_authenticated_at INTEGER,
    end_by TEXT,
    end_asked_at INTEGER,
    end_deadline INTEGER,
    end_note TEXT,
    profile_id INTEGER REFERENCES profile (id)
) STRICT;
-- The last fences of the life cycle, whatever a decision was made on.
CREATE UNIQUE INDEX one_current_life ON connection (device_id) WHERE phase IN ('connected', 'ending');
CREATE UNIQUE INDEX one_authenticating_life ON connection (device_id) WHERE phase = 'authenticating';
CREATE INDEX connection_by_device ON connection (device_id, phase, created_at);
CREATE INDEX connection_by_phase ON connection (phase, device_id);
CREATE INDEX connection_awaiting ON connection (awaiting_since) WHERE phase = 'connected' AND awaiting_since IS NOT NULL;

CREATE VIEW life AS
    SELECT connection.rowid AS row, connection.*, coalesce(profile.body, x'') AS profile
    FROM connection LEFT JOIN profile ON profile.id = connection.profile_id;

CREATE TABLE channel (
    id TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    short_name TEXT,
    long_name TEXT,
    topic TEXT NOT NULL,
    token BLOB, -- sealed
    magic BLOB, -- sealed
    token_updated_at INTEGER,
    unreachable TEXT NOT NULL,
    awaiting_since INTEGER,
    ended_at INTEGER,
    UNIQUE (connection_id, user_id)
) STRICT;
CREATE INDEX channel_by_topic ON channel (topic) WHERE ended_at IS NULL;

CREATE TABLE certificate (
    fingerprint BLOB NOT NULL UNIQUE,
    authority TEXT NOT NULL,
    purpose TEXT NOT NULL,
    status TEXT NOT NULL,
    -- No foreign keys: it is issued before its connection and its device are known.
    connection_id TEXT NOT NULL,
    device_id TEXT,
    grant_id TEXT,
    request_digest BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    heard_at INTEGER,
    der BLOB NOT NULL
) STRICT;
CREATE INDEX certificate_by_connection ON certificate (connection_id);
CREATE INDEX certificate_by_device ON certificate (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX certificate_by_grant ON certificate (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE link (
    id TEXT NOT NULL UNIQUE,
    token_digest BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    note TEXT NOT NULL,
    uses INTEGER,
    used INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    device_id TEXT,
    serial_number TEXT,
    revoked_at INTEGER
) STRICT;
CREATE INDEX link_by_age ON link (created_at);

CREATE TABLE enroll_grant (
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    link_id TEXT,
    device_id TEXT,
    serial_number TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    keys_issued INTEGER NOT NULL,
    spent_at INTEGER,
    revoked_at INTEGER,
    profile_id INTEGER REFERENCES profile (id)
) STRICT;
CREATE INDEX grant_by_connection ON enroll_grant (connection_id);

CREATE VIEW granted AS
    SELECT enroll_grant.*, coalesce(profile.body, x'') AS profile
    FROM enroll_grant LEFT JOIN profile ON profile.id = enroll_grant.profile_id;

CREATE TABLE command (
    uuid TEXT NOT NULL UNIQUE,
    request_type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE delivery (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id TEXT NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    command_uuid TEXT NOT NULL REFERENCES command (uuid),
    request_type TEXT NOT NULL,
    consequence TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    deferred_at INTEGER,
    not_now_count INTEGER NOT NULL DEFAULT 0,
    queued_at INTEGER NOT NULL,
    delivered_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    finished_at INTEGER,
    UNIQUE (channel_id, command_uuid)
) STRICT;
-- Only what is open: history costs a poll nothing.
CREATE INDEX delivery_open ON delivery (channel_id, priority DESC, sequence) WHERE state = 'open';
CREATE INDEX delivery_expiring ON delivery (expires_at) WHERE state = 'open';
CREATE INDEX delivery_by_command ON delivery (command_uuid);

CREATE TABLE result (
    id INTEGER PRIMARY KEY,
    channel_id TEXT NOT NULL,
    command_uuid TEXT NOT NULL,
    connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    body BLOB NOT NULL, -- zstd
    UNIQUE (command_uuid, channel_id)
) STRICT;
CREATE INDEX result_by_connection ON result (connection_id, received_at);

CREATE TABLE escrow (
    id INTEGER PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    value BLOB -- sealed
) STRICT;
CREATE INDEX escrow_by_connection ON escrow (connection_id, kind);

-- One writer gives out the numbers, so their order is the order of the commits.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    device_id TEXT,
    connection_id TEXT,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_device ON event (device_id, at) WHERE device_id IS NOT NULL;
-- Of a life whose device was not known yet.
CREATE INDEX event_by_connection ON event (connection_id, at) WHERE device_id IS NULL AND connection_id IS NOT NULL;

CREATE TABLE work (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    free_at INTEGER NOT NULL, -- when it may be leased: due_at, or the end of its lease
    lease TEXT,
    again_at INTEGER, -- put anew during its lease, due then
    attempts INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_free ON work (kind, free_at);

CREATE TABLE contact (
    channel_id TEXT PRIMARY KEY,
    last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contact_hour (
    channel_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (channel_id, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_hour_by_age ON contact_hour (hour);

CREATE TABLE push_log (
    id INTEGER PRIMARY KEY,
    channel_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE INDEX push_log_by_channel ON push_log (channel_id, at);
CREATE INDEX push_log_by_age ON push_log (at);

CREATE TABLE push_state (
    channel_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE unenrolling (
    connection_id TEXT PRIMARY KEY, -- or a device id, where no connection is known
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX unenrolling_by_age ON unenrolling (at);

CREATE TABLE breaker (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    opened_at INTEGER
) STRICT;
INSERT INTO breaker (id) VALUES (1);

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL -- sealed
) STRICT, WITHOUT ROWID;

CREATE TABLE push_certificate (
    topic TEXT PRIMARY KEY,
    certificate_pem BLOB NOT NULL,
    key_pem BLOB NOT NULL, -- sealed
    apple_account TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    imported_at INTEGER NOT NULL,
    stopped TEXT NOT NULL
) STRICT;

CREATE TABLE credential (
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

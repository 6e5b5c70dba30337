-- Times are Unix milliseconds. Sealed columns hold what sealing.py makes of the value. Names and keys are compared and
-- ordered by their bytes. `number` tells which of two rows of the same time came later.

CREATE TABLE migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE meta (
    name text PRIMARY KEY,
    value bytea NOT NULL
);

-- The enrollment facts of a whole fleet are mostly the same few documents: each is kept once.
CREATE TABLE profile (
    digest bytea PRIMARY KEY,
    body bytea NOT NULL
);

-- Rows that change often leave room on their page, so that a new version needs no new index entries.
CREATE TABLE device (
    id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    user_enrollment boolean NOT NULL,
    blocked_at bigint,
    blocked_reason text NOT NULL,
    serial_number text COLLATE "C",
    platform text,
    os_version text,
    build_version text,
    product_name text,
    model text,
    model_name text,
    name text COLLATE "C",
    imei text,
    meid text
) WITH (fillfactor = 75);
CREATE INDEX device_by_serial ON device (serial_number) WHERE serial_number IS NOT NULL;
-- A search matches the start of any of the three, in either case.
CREATE INDEX device_search_id ON device (lower(id));
CREATE INDEX device_search_serial ON device (lower(serial_number));
CREATE INDEX device_search_name ON device (lower(name));

CREATE TABLE connection (
    number bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" PRIMARY KEY,
    device_id text COLLATE "C" NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    phase text NOT NULL,
    origin text NOT NULL,
    topic text NOT NULL,
    created_at bigint NOT NULL,
    admitted_by text NOT NULL,
    connected_at bigint,
    reauthenticated_at bigint,
    awaiting_since bigint,
    erasing_at bigint,
    ended_at bigint,
    end_reason text,
    proof text NOT NULL,
    open boolean NOT NULL,
    recheck_at bigint NOT NULL,
    renewal_grant_id text,
    renewal_asked_at bigint,
    renewal_authenticated_at bigint,
    end_by text,
    end_asked_at bigint,
    end_deadline bigint,
    end_note text,
    profile_digest bytea REFERENCES profile (digest)
) WITH (fillfactor = 75);
-- The last fences of the life cycle, whatever a decision was made on.
CREATE UNIQUE INDEX one_current_life ON connection (device_id) WHERE phase IN ('connected', 'ending');
CREATE UNIQUE INDEX one_authenticating_life ON connection (device_id) WHERE phase = 'authenticating';
CREATE INDEX connection_by_device ON connection (device_id, phase, created_at, number);
CREATE INDEX connection_by_phase ON connection (phase, device_id);
CREATE INDEX connection_awaiting ON connection (awaiting_since) WHERE phase = 'connected' AND awaiting_since IS NOT NULL;

CREATE VIEW life AS
    SELECT *, coalesce((SELECT body FROM profile WHERE digest = profile_digest), ''::bytea) AS profile FROM connection;

CREATE TABLE channel (
    number bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    user_id text NOT NULL,
    kind text NOT NULL,
    short_name text,
    long_name text,
    topic text NOT NULL,
    token bytea, -- sealed
    magic bytea, -- sealed
    token_updated_at bigint,
    unreachable text NOT NULL,
    awaiting_since bigint,
    ended_at bigint
) WITH (fillfactor = 75);
CREATE INDEX channel_by_connection ON channel (connection_id);
CREATE INDEX channel_by_topic ON channel (topic) WHERE ended_at IS NULL;

CREATE TABLE certificate (
    number bigint GENERATED ALWAYS AS IDENTITY,
    fingerprint bytea PRIMARY KEY,
    authority text NOT NULL,
    purpose text NOT NULL,
    status text NOT NULL,
    -- No foreign keys: it is issued before its connection and its device are known.
    connection_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C",
    grant_id text COLLATE "C",
    request_digest bytea NOT NULL,
    issued_at bigint NOT NULL,
    not_after bigint NOT NULL,
    heard_at bigint,
    der bytea NOT NULL
);
CREATE INDEX certificate_by_connection ON certificate (connection_id);
CREATE INDEX certificate_by_device ON certificate (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX certificate_by_grant ON certificate (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE link (
    number bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" PRIMARY KEY,
    token_digest bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    note text NOT NULL,
    uses bigint,
    used bigint NOT NULL,
    expires_at bigint NOT NULL,
    device_id text,
    serial_number text,
    revoked_at bigint
) WITH (fillfactor = 50);
CREATE INDEX link_by_age ON link (created_at, number);

CREATE TABLE enroll_grant (
    id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    purpose text NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    link_id text,
    device_id text,
    serial_number text,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    keys_issued bigint NOT NULL,
    spent_at bigint,
    revoked_at bigint,
    profile_digest bytea REFERENCES profile (digest)
) WITH (fillfactor = 75);
CREATE INDEX grant_by_connection ON enroll_grant (connection_id);

CREATE VIEW granted AS
    SELECT *, coalesce((SELECT body FROM profile WHERE digest = profile_digest), ''::bytea) AS profile FROM enroll_grant;

CREATE TABLE command (
    uuid text COLLATE "C" PRIMARY KEY,
    request_type text NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    body bytea NOT NULL
);
-- Sent as it is, and often: not worth the time to compress it.
ALTER TABLE command ALTER body SET STORAGE EXTERNAL;

-- Without foreign keys, whose checks would take half the time of enqueueing to a fleet: whoever adds a delivery holds
-- its channel and its command until the commit, and whoever deletes those deletes it first.
CREATE TABLE delivery (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id text COLLATE "C" NOT NULL,
    command_uuid text COLLATE "C" NOT NULL,
    request_type text NOT NULL,
    consequence text NOT NULL,
    state text NOT NULL,
    priority bigint NOT NULL,
    not_before bigint NOT NULL,
    expires_at bigint NOT NULL,
    deferred_at bigint,
    not_now_count bigint NOT NULL DEFAULT 0,
    queued_at bigint NOT NULL,
    delivered_at bigint,
    attempts bigint NOT NULL DEFAULT 0,
    finished_at bigint,
    UNIQUE (channel_id, command_uuid)
) WITH (fillfactor = 75);
-- Only what is open: history costs a poll nothing.
CREATE INDEX delivery_open ON delivery (channel_id, priority DESC, sequence) WHERE state = 'open';
CREATE INDEX delivery_expiring ON delivery (expires_at) WHERE state = 'open' AND expires_at < 4611686018427387904;
CREATE INDEX delivery_by_command ON delivery (command_uuid);

CREATE TABLE result (
    id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id text COLLATE "C" NOT NULL,
    command_uuid text COLLATE "C" NOT NULL,
    connection_id text COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    status text NOT NULL,
    received_at bigint NOT NULL,
    unreadable boolean NOT NULL,
    body bytea NOT NULL, -- zstd
    PRIMARY KEY (command_uuid, channel_id)
) WITH (toast_tuple_target = 8160);
-- Compressed already, and kept with its row as long as it fits on a page.
ALTER TABLE result ALTER body SET STORAGE EXTERNAL;
CREATE INDEX result_by_connection ON result (connection_id, received_at);

CREATE TABLE escrow (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    kind text NOT NULL,
    at bigint NOT NULL,
    value bytea -- sealed
);
CREATE INDEX escrow_by_connection ON escrow (connection_id, kind, id);

-- Whoever takes a sequence number has a transaction id before: the columns are filled in this order, and a reader can
-- tell from the transactions that are still open which numbers may yet appear.
CREATE TABLE event (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    at bigint NOT NULL,
    device_id text COLLATE "C",
    connection_id text COLLATE "C",
    data text NOT NULL
);
CREATE INDEX event_by_device ON event (device_id, at) WHERE device_id IS NOT NULL;
-- Of a life whose device was not known yet.
CREATE INDEX event_by_connection ON event (connection_id, at) WHERE device_id IS NULL AND connection_id IS NOT NULL;

CREATE TABLE work (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    due_at bigint NOT NULL,
    free_at bigint NOT NULL, -- when it may be leased: due_at, or the end of its lease
    lease text,
    again_at bigint, -- put anew during its lease, due then
    attempts bigint NOT NULL,
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 60);
CREATE INDEX work_free ON work (kind, free_at);

CREATE TABLE contact (
    channel_id text COLLATE "C" PRIMARY KEY,
    last_seen bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE contact_hour (
    channel_id text COLLATE "C" NOT NULL,
    hour bigint NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (channel_id, hour)
) WITH (fillfactor = 60);
CREATE INDEX contact_hour_by_age ON contact_hour (hour);

CREATE TABLE push_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    outcome text NOT NULL
);
CREATE INDEX push_log_by_channel ON push_log (channel_id, at);
CREATE INDEX push_log_by_age ON push_log (at);

CREATE TABLE push_state (
    channel_id text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL,
    outcome text NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE unenrolling (
    connection_id text COLLATE "C" PRIMARY KEY, -- or a device id, where no connection is known
    at bigint NOT NULL
);
CREATE INDEX unenrolling_by_age ON unenrolling (at);

CREATE TABLE breaker (
    id integer PRIMARY KEY CHECK (id = 1),
    opened_at bigint
);
INSERT INTO breaker (id) VALUES (1);

CREATE TABLE secret (
    name text PRIMARY KEY,
    value bytea NOT NULL -- sealed
);

CREATE TABLE push_certificate (
    topic text COLLATE "C" PRIMARY KEY,
    certificate_pem bytea NOT NULL,
    key_pem bytea NOT NULL, -- sealed
    apple_account text NOT NULL,
    not_after bigint NOT NULL,
    imported_at bigint NOT NULL,
    stopped text NOT NULL
);

CREATE TABLE credential (
    number bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
);

-- Who is told of events by a call. All events up to `passed` were taken, or are letters.
CREATE TABLE webhook (
    id text COLLATE "C" PRIMARY KEY,
    url text NOT NULL,
    note text NOT NULL,
    format text NOT NULL,
    types text NOT NULL,
    secrets bytea NOT NULL, -- sealed
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    disabled_at bigint,
    disabled_why text NOT NULL,
    passed bigint NOT NULL,
    succeeded_at bigint NOT NULL,
    failing_since bigint,
    paused_until bigint NOT NULL,
    problem text NOT NULL,
    holder text, -- who delivers for it, and until when nobody else does
    held_until bigint NOT NULL DEFAULT 0
);

-- Events that were not taken at once, or that wait behind one of the same device.
CREATE TABLE letter (
    webhook_id text COLLATE "C" NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    sequence bigint NOT NULL,
    device_id text,
    connection_id text,
    put_at bigint NOT NULL,
    attempts bigint NOT NULL,
    tried_at bigint NOT NULL,
    due_at bigint NOT NULL,
    dead_at bigint,
    problem text NOT NULL,
    PRIMARY KEY (webhook_id, sequence)
);
CREATE INDEX letter_waiting ON letter (webhook_id, sequence) WHERE dead_at IS NULL;

-- Requests that were asked under a key: each is done once, and answered alike while its key is kept.
CREATE TABLE idempotency (
    caller text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    attempt text COLLATE "C" NOT NULL UNIQUE,
    held_until bigint NOT NULL,
    expires_at bigint NOT NULL,
    changed boolean NOT NULL, -- something was committed: it is never begun again
    status bigint, -- of the answer, once there is one
    media_type text NOT NULL DEFAULT '',
    answer bytea, -- sealed
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_by_age ON idempotency (expires_at);

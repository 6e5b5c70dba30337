-- Requests that were asked under a key: each is done once, and answered alike while its key is kept.
CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    attempt TEXT NOT NULL UNIQUE,
    held_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    changed INTEGER NOT NULL, -- something was committed: it is never begun again
    status INTEGER, -- of the answer, once there is one
    media_type TEXT NOT NULL DEFAULT '',
    answer BLOB, -- sealed
    PRIMARY KEY (caller, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (expires_at);

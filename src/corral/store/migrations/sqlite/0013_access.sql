-- Roles that people have made, users, and what a token may do. Until now every token could do everything.
CREATE TABLE role (
    name TEXT NOT NULL UNIQUE,
    permissions TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;

CREATE TABLE user_account (
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    disabled_at INTEGER
) STRICT;
CREATE UNIQUE INDEX user_account_by_subject ON user_account (subject) WHERE subject <> '';

ALTER TABLE credential ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN role TEXT NOT NULL DEFAULT 'administrator';
ALTER TABLE credential ADD COLUMN permissions TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN user_id TEXT;
CREATE INDEX credential_by_user ON credential (user_id, expires_at) WHERE user_id IS NOT NULL;

-- Who did what. Entries get their place in the chain, and its link, soon after they are written.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    what TEXT NOT NULL,
    device_id TEXT,
    data TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    operation TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    request TEXT NOT NULL,
    place INTEGER,
    link BLOB
) STRICT;
CREATE UNIQUE INDEX audit_by_place ON audit (place) WHERE place IS NOT NULL;
CREATE INDEX audit_waiting ON audit (sequence) WHERE place IS NULL;
CREATE INDEX audit_by_device ON audit (device_id, sequence) WHERE device_id IS NOT NULL;

-- Where the chain begins and ends: sealed, or empty at first.
CREATE TABLE audit_end (
    name TEXT NOT NULL UNIQUE,
    value BLOB NOT NULL
) STRICT;
INSERT INTO audit_end (name, value) VALUES ('anchor', x''), ('head', x'');

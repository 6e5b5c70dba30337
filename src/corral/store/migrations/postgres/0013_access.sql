-- Roles that people have made, users, and what a token may do. Until now every token could do everything.
CREATE TABLE role (
    name text COLLATE "C" PRIMARY KEY,
    permissions text NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL
);

CREATE TABLE user_account (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    role text COLLATE "C" NOT NULL,
    password text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    disabled_at bigint
);
CREATE UNIQUE INDEX user_account_by_subject ON user_account (subject) WHERE subject <> '';

ALTER TABLE credential
    ADD COLUMN created_by text NOT NULL DEFAULT '',
    ADD COLUMN role text COLLATE "C" NOT NULL DEFAULT 'administrator',
    ADD COLUMN permissions text NOT NULL DEFAULT '',
    ADD COLUMN user_id text COLLATE "C";
CREATE INDEX credential_by_user ON credential (user_id, expires_at) WHERE user_id IS NOT NULL;

-- Who did what. Entries get their place in the chain, and its link, soon after they are written.
CREATE TABLE audit (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    outcome text NOT NULL,
    what text NOT NULL,
    device_id text COLLATE "C",
    data text NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    operation text NOT NULL,
    address text NOT NULL,
    agent text NOT NULL,
    request text NOT NULL,
    place bigint,
    link bytea
);
CREATE UNIQUE INDEX audit_by_place ON audit (place) WHERE place IS NOT NULL;
CREATE INDEX audit_waiting ON audit (sequence) WHERE place IS NULL;
CREATE INDEX audit_by_device ON audit (device_id, sequence) WHERE device_id IS NOT NULL;

-- Where the chain begins and ends: sealed, or empty at first.
CREATE TABLE audit_end (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);
INSERT INTO audit_end (name, value) VALUES ('anchor', ''), ('head', '');

-- Certificates by ACME: accounts and orders until they expire, nonces that were used, and what Apple attested of a
-- device and its key when a certificate was issued.
CREATE TABLE acme_nonce (
    nonce BLOB NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX acme_nonce_by_time ON acme_nonce (expires_at);

CREATE TABLE acme_account (
    id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    thumbprint BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX acme_account_by_time ON acme_account (expires_at);

CREATE TABLE acme_order (
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    account_id TEXT NOT NULL,
    sealed_identifier BLOB NOT NULL,
    challenge_token TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    attested TEXT,
    refusal TEXT NOT NULL,
    request_digest BLOB NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT;
CREATE INDEX acme_order_by_account ON acme_order (account_id);
CREATE INDEX acme_order_by_certificate ON acme_order (fingerprint);
CREATE INDEX acme_order_by_time ON acme_order (expires_at);

ALTER TABLE certificate ADD COLUMN attested TEXT;

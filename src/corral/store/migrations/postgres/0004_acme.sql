-- Certificates by ACME: accounts and orders until they expire, nonces that were used, and what Apple attested of a
-- device and its key when a certificate was issued.
CREATE TABLE acme_nonce (
    nonce bytea PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX acme_nonce_by_time ON acme_nonce (expires_at);

CREATE TABLE acme_account (
    id text COLLATE "C" PRIMARY KEY,
    key text NOT NULL,
    thumbprint bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX acme_account_by_time ON acme_account (expires_at);

CREATE TABLE acme_order (
    id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    sealed_identifier bytea NOT NULL,
    challenge_token text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    attested text,
    refusal text NOT NULL,
    request_digest bytea NOT NULL,
    fingerprint bytea NOT NULL
);
CREATE INDEX acme_order_by_account ON acme_order (account_id);
CREATE INDEX acme_order_by_certificate ON acme_order (fingerprint);
CREATE INDEX acme_order_by_time ON acme_order (expires_at);

ALTER TABLE certificate ADD COLUMN attested text;

-- Who has signed in with the identity provider, and what was given out for it: hashes of tokens and codes, and of the
-- states of sign-ins that are over.
CREATE TABLE account_session (
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX account_session_by_time ON account_session (expires_at);
CREATE INDEX account_session_by_age ON account_session (created_at, id);

CREATE TABLE account_token (
    digest BLOB NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    spent_at INTEGER
) STRICT;
CREATE INDEX account_token_by_session ON account_token (session_id);
CREATE INDEX account_token_by_time ON account_token (expires_at);

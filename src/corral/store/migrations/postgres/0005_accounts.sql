-- Who has signed in with the identity provider, and what was given out for it: hashes of tokens and codes, and of the
-- states of sign-ins that are over.
CREATE TABLE account_session (
    id text COLLATE "C" PRIMARY KEY,
    account text NOT NULL,
    subject text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
);
CREATE INDEX account_session_by_time ON account_session (expires_at);
CREATE INDEX account_session_by_age ON account_session (created_at, id);

CREATE TABLE account_token (
    digest bytea PRIMARY KEY,
    session_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    redirect_uri text NOT NULL,
    expires_at bigint NOT NULL,
    spent_at bigint
);
CREATE INDEX account_token_by_session ON account_token (session_id);
CREATE INDEX account_token_by_time ON account_token (expires_at);

-- In-house apps: what they are, and where their packages lie.
CREATE TABLE app (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    bundle_id text COLLATE "C" NOT NULL,
    version text NOT NULL,
    title text NOT NULL,
    minimum_os text NOT NULL,
    manifest_url text NOT NULL,
    manifest bytea NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL
);
CREATE INDEX app_by_bundle ON app (bundle_id, created_at);

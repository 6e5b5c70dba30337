-- In-house apps: what they are, and where their packages lie.
CREATE TABLE app (
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    bundle_id TEXT NOT NULL,
    version TEXT NOT NULL,
    title TEXT NOT NULL,
    minimum_os TEXT NOT NULL,
    manifest_url TEXT NOT NULL,
    manifest BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;
CREATE INDEX app_by_bundle ON app (bundle_id, created_at);

-- Configuration profiles in versions, and what is wanted of them in which channel.
CREATE TABLE stored_profile (
    id text COLLATE "C" PRIMARY KEY,
    identifier text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE stored_profile_version (
    profile_id text COLLATE "C" NOT NULL REFERENCES stored_profile (id) ON DELETE CASCADE,
    version bigint NOT NULL,
    payload_uuid text NOT NULL,
    digest bytea NOT NULL,
    size bigint NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    note text NOT NULL,
    body bytea NOT NULL, -- sealed
    PRIMARY KEY (profile_id, version)
);

CREATE TABLE wanted_profile (
    channel_id text COLLATE "C" NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    profile_id text COLLATE "C" NOT NULL REFERENCES stored_profile (id) ON DELETE CASCADE,
    version bigint, -- null: to be removed
    command_uuid text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    asked_by text NOT NULL,
    PRIMARY KEY (profile_id, channel_id)
);
CREATE INDEX wanted_profile_by_channel ON wanted_profile (channel_id);

-- Automated Device Enrollment: what Apple says of devices, and which profile each of them shall have.

CREATE TABLE ade_server (
    name text COLLATE "C" PRIMARY KEY,
    created_at bigint NOT NULL,
    certificate_pem bytea NOT NULL,
    key_pem bytea NOT NULL, -- sealed
    token bytea, -- sealed
    token_expires_at bigint,
    server_uuid text NOT NULL,
    server_name text NOT NULL,
    org_id text NOT NULL,
    org_name text NOT NULL,
    admin_id text NOT NULL,
    default_profile text NOT NULL
);

CREATE TABLE ade_sync (
    server text COLLATE "C" PRIMARY KEY REFERENCES ade_server (name) ON DELETE CASCADE,
    cursor text NOT NULL,
    cursor_at bigint,
    fetched_at bigint,
    synced_at bigint,
    tried_at bigint,
    failures bigint NOT NULL,
    problem text NOT NULL,
    terms_open boolean NOT NULL,
    warned_days bigint NOT NULL
);

CREATE TABLE ade_device (
    server text COLLATE "C" NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    serial_number text COLLATE "C" NOT NULL,
    seen_at bigint NOT NULL,
    model text NOT NULL,
    description text NOT NULL,
    color text NOT NULL,
    asset_tag text NOT NULL,
    device_family text NOT NULL,
    os text NOT NULL,
    profile_status text NOT NULL,
    profile_uuid text NOT NULL,
    profile_assign_time text NOT NULL,
    profile_push_time text NOT NULL,
    device_assigned_date text NOT NULL,
    op_date text NOT NULL,
    document text NOT NULL,
    deleted_at bigint,
    PRIMARY KEY (server, serial_number)
);
CREATE INDEX ade_device_by_serial ON ade_device (serial_number);

-- No foreign key: an assignment may come before its device, and waits for it.
CREATE TABLE ade_assignment (
    server text COLLATE "C" NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    serial_number text COLLATE "C" NOT NULL,
    profile text NOT NULL,
    assigned_by text NOT NULL,
    by_person boolean NOT NULL,
    assigned_at bigint NOT NULL,
    due_at bigint,
    attempts bigint NOT NULL,
    outcome text NOT NULL,
    PRIMARY KEY (server, serial_number)
);
CREATE INDEX ade_assignment_due ON ade_assignment (server, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE ade_profile (
    server text COLLATE "C" NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    uuid text NOT NULL,
    document text NOT NULL,
    defined_at bigint NOT NULL,
    defined_by text NOT NULL,
    PRIMARY KEY (server, name)
);

CREATE TABLE ade_rule (
    server text COLLATE "C" NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    position bigint NOT NULL,
    field text NOT NULL,
    pattern text NOT NULL,
    profile text NOT NULL,
    PRIMARY KEY (server, position)
);

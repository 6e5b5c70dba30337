-- Automated Device Enrollment: what Apple says of devices, and which profile each of them shall have.

CREATE TABLE ade_server (
    name TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    certificate_pem BLOB NOT NULL,
    key_pem BLOB NOT NULL, -- sealed
    token BLOB, -- sealed
    token_expires_at INTEGER,
    server_uuid TEXT NOT NULL,
    server_name TEXT NOT NULL,
    org_id TEXT NOT NULL,
    org_name TEXT NOT NULL,
    admin_id TEXT NOT NULL,
    default_profile TEXT NOT NULL
) STRICT;

CREATE TABLE ade_sync (
    server TEXT PRIMARY KEY REFERENCES ade_server (name) ON DELETE CASCADE,
    cursor TEXT NOT NULL,
    cursor_at INTEGER,
    fetched_at INTEGER,
    synced_at INTEGER,
    tried_at INTEGER,
    failures INTEGER NOT NULL,
    problem TEXT NOT NULL,
    terms_open INTEGER NOT NULL,
    warned_days INTEGER NOT NULL
) STRICT;

CREATE TABLE ade_device (
    server TEXT NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    serial_number TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    model TEXT NOT NULL,
    description TEXT NOT NULL,
    color TEXT NOT NULL,
    asset_tag TEXT NOT NULL,
    device_family TEXT NOT NULL,
    os TEXT NOT NULL,
    profile_status TEXT NOT NULL,
    profile_uuid TEXT NOT NULL,
    profile_assign_time TEXT NOT NULL,
    profile_push_time TEXT NOT NULL,
    device_assigned_date TEXT NOT NULL,
    op_date TEXT NOT NULL,
    document TEXT NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (server, serial_number)
) STRICT;
CREATE INDEX ade_device_by_serial ON ade_device (serial_number);

-- No foreign key: an assignment may come before its device, and waits for it.
CREATE TABLE ade_assignment (
    server TEXT NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    serial_number TEXT NOT NULL,
    profile TEXT NOT NULL,
    assigned_by TEXT NOT NULL,
    by_person INTEGER NOT NULL,
    assigned_at INTEGER NOT NULL,
    due_at INTEGER,
    attempts INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (server, serial_number)
) STRICT;
CREATE INDEX ade_assignment_due ON ade_assignment (server, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE ade_profile (
    server TEXT NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    uuid TEXT NOT NULL,
    document TEXT NOT NULL,
    defined_at INTEGER NOT NULL,
    defined_by TEXT NOT NULL,
    PRIMARY KEY (server, name)
) STRICT;

CREATE TABLE ade_rule (
    server TEXT NOT NULL REFERENCES ade_server (name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    field TEXT NOT NULL,
    pattern TEXT NOT NULL,
    profile TEXT NOT NULL,
    PRIMARY KEY (server, position)
) STRICT;

-- What devices say of themselves, taken in from the answers that are stored. Nothing here is asked for by a poll or a report.
ALTER TABLE delivery ADD COLUMN taken_in INTEGER NOT NULL DEFAULT 0;
CREATE INDEX delivery_not_taken_in ON delivery (sequence) WHERE state = 'acknowledged' AND taken_in = 0 AND request_type IN (
    'AvailableOSUpdates', 'CertificateList', 'DeviceInformation', 'InstalledApplicationList', 'ManagedApplicationList',
    'OSUpdateStatus', 'ProfileList', 'ProvisioningProfileList', 'Restrictions', 'SecurityInfo', 'UserList'
);
ALTER TABLE connection ADD COLUMN taken_in INTEGER NOT NULL DEFAULT 0;
CREATE INDEX connection_not_taken_in ON connection (connected_at) WHERE phase = 'connected' AND taken_in = 0;

-- One a device: the latest life that was taken in.
CREATE TABLE inventory (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_id TEXT NOT NULL UNIQUE REFERENCES connection (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL UNIQUE REFERENCES device (id) ON DELETE CASCADE
) STRICT;

-- `key` is what a value is compared by: text whose bytes sort as the values do, of whatever kind they are.
CREATE TABLE inventory_attribute (
    inventory_id INTEGER NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    written TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (inventory_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX inventory_attribute_by_key ON inventory_attribute (name, key, inventory_id);

-- Apps, profiles, certificates: the same on many devices is one row.
CREATE TABLE inventory_item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    identifier TEXT NOT NULL,
    label TEXT NOT NULL,
    fields TEXT NOT NULL
) STRICT;
CREATE INDEX inventory_item_by_kind ON inventory_item (kind, id);

CREATE TABLE inventory_item_key (
    item_id INTEGER NOT NULL REFERENCES inventory_item (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (item_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX inventory_item_key_by_key ON inventory_item_key (kind, name, key, item_id);

CREATE TABLE inventory_has (
    inventory_id INTEGER NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    item_id INTEGER NOT NULL REFERENCES inventory_item (id),
    user_id TEXT NOT NULL,
    PRIMARY KEY (inventory_id, kind, item_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inventory_has_by_item ON inventory_has (item_id, inventory_id);

CREATE TABLE inventory_report (
    inventory_id INTEGER NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
    report TEXT NOT NULL,
    user_id TEXT NOT NULL,
    asked_at INTEGER,
    received_at INTEGER NOT NULL,
    sha TEXT NOT NULL,
    PRIMARY KEY (inventory_id, report, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inventory_report_by_age ON inventory_report (report, received_at);

-- What has changed, of every life.
CREATE TABLE inventory_change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    report TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT,
    after TEXT
) STRICT;
CREATE INDEX inventory_change_by_device ON inventory_change (device_id, id);
CREATE INDEX inventory_change_by_connection ON inventory_change (connection_id);
CREATE INDEX inventory_change_by_age ON inventory_change (at);

-- What devices say of themselves, taken in from the answers that are stored. Nothing here is asked for by a poll or a report.
ALTER TABLE delivery ADD COLUMN taken_in boolean NOT NULL DEFAULT false;
CREATE INDEX delivery_not_taken_in ON delivery (sequence) WHERE state = 'acknowledged' AND NOT taken_in AND request_type IN (
    'AvailableOSUpdates', 'CertificateList', 'DeviceInformation', 'InstalledApplicationList', 'ManagedApplicationList',
    'OSUpdateStatus', 'ProfileList', 'ProvisioningProfileList', 'Restrictions', 'SecurityInfo', 'UserList'
);
ALTER TABLE connection ADD COLUMN taken_in boolean NOT NULL DEFAULT false;
CREATE INDEX connection_not_taken_in ON connection (connected_at) WHERE phase = 'connected' AND NOT taken_in;

-- One a device: the latest life that was taken in.
CREATE TABLE inventory (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL UNIQUE REFERENCES connection (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL UNIQUE REFERENCES device (id) ON DELETE CASCADE
);

-- `key` is what a value is compared by: text whose bytes sort as the values do, of whatever kind they are.
CREATE TABLE inventory_attribute (
    inventory_id bigint NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    written text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (inventory_id, name)
);
CREATE INDEX inventory_attribute_by_key ON inventory_attribute (name, key, inventory_id);

-- Apps, profiles, certificates: the same on many devices is one row.
CREATE TABLE inventory_item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha text COLLATE "C" NOT NULL UNIQUE,
    kind text COLLATE "C" NOT NULL,
    identifier text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    fields text COLLATE "C" NOT NULL
);
CREATE INDEX inventory_item_by_kind ON inventory_item (kind, id);

CREATE TABLE inventory_item_key (
    item_id bigint NOT NULL REFERENCES inventory_item (id) ON DELETE CASCADE,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (item_id, name)
);
CREATE INDEX inventory_item_key_by_key ON inventory_item_key (kind, name, key, item_id);

CREATE TABLE inventory_has (
    inventory_id bigint NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
    kind text COLLATE "C" NOT NULL,
    item_id bigint NOT NULL REFERENCES inventory_item (id),
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (inventory_id, kind, item_id, user_id)
);
CREATE INDEX inventory_has_by_item ON inventory_has (item_id, inventory_id);

CREATE TABLE inventory_report (
    inventory_id bigint NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
    report text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    asked_at bigint,
    received_at bigint NOT NULL,
    sha text COLLATE "C" NOT NULL,
    PRIMARY KEY (inventory_id, report, user_id)
);
CREATE INDEX inventory_report_by_age ON inventory_report (report, received_at);

-- What has changed, of every life.
CREATE TABLE inventory_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    report text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    before text COLLATE "C",
    after text COLLATE "C"
);
CREATE INDEX inventory_change_by_device ON inventory_change (device_id, id);
CREATE INDEX inventory_change_by_connection ON inventory_change (connection_id);
CREATE INDEX inventory_change_by_age ON inventory_change (at);

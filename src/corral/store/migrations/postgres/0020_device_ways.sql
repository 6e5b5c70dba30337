-- Devices by how they came: through the certificates of their grants, and those that came by none.
CREATE INDEX grant_by_kind ON enroll_grant (kind, id);
-- Said so that the planner knows how few they are.
CREATE INDEX connection_without_grant ON connection (device_id)
    WHERE admitted_by LIKE 'authority:%' OR admitted_by LIKE 'restore:%';

-- All that is looked through for text, made once a device and not at each look.
ALTER TABLE device ADD COLUMN words text COLLATE "C" GENERATED ALWAYS AS (lower((
    id || chr(10) || coalesce(serial_number, '') || chr(10) || coalesce(name, '') || chr(10)
    || coalesce(product_name, '') || chr(10) || coalesce(model, '')
) COLLATE "C")) STORED;

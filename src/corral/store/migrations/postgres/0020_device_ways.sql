-- Devices by how they came: through the certificates of their grants, and those that came by none.
CREATE INDEX grant_by_kind ON enroll_grant (kind, id);
CREATE INDEX connection_without_grant ON connection (device_id) WHERE substr(admitted_by, 1, 6) <> 'grant:';

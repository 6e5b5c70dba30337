-- Devices by how they came: through the certificates of their grants, and those that came by none.
CREATE INDEX grant_by_kind ON enroll_grant (kind, id);
-- Said so that the planner knows how few they are.
CREATE INDEX connection_without_grant ON connection (device_id)
    WHERE admitted_by LIKE 'authority:%' OR admitted_by LIKE 'restore:%';

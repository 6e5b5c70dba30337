-- Users of a Shared iPad who wait for UserConfigured.
CREATE INDEX channel_awaiting ON channel (awaiting_since)
    WHERE awaiting_since IS NOT NULL AND user_id <> '' AND ended_at IS NULL;

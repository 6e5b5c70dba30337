-- How near to its end a device's certificate was when that was last warned of: 60, 30, 7, 1 days, or 0 when it was over.
ALTER TABLE certificate ADD COLUMN warned_days INTEGER;
CREATE INDEX certificate_warned ON certificate (warned_days) WHERE warned_days IS NOT NULL;

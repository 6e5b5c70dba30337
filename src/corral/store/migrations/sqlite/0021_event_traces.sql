-- The trace that an event happened in (a W3C traceparent), where it is recorded.
ALTER TABLE event ADD COLUMN trace TEXT;

-- The trace that a command belongs to (a W3C traceparent), where it is recorded.
ALTER TABLE delivery ADD COLUMN trace TEXT;

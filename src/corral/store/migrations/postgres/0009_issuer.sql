-- Which of our own authorities issued a certificate, since there may be several; empty: the first one.
ALTER TABLE certificate ADD COLUMN issuer text NOT NULL DEFAULT '';
-- Of all, not of bound ones only: of a small table a device's poll would read such an index whole instead of looking
-- its certificate up, and keep to that plan when the table has grown.
CREATE INDEX certificate_by_issuer ON certificate (issuer, status);

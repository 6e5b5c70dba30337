-- Which of our own authorities issued a certificate, since there may be several; empty: the first one.
ALTER TABLE certificate ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
CREATE INDEX certificate_by_issuer ON certificate (issuer) WHERE status = 'bound';

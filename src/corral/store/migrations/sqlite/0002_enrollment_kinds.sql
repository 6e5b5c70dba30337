-- By which way a grant was given, to whose account, and on what evidence.
ALTER TABLE enroll_grant ADD COLUMN kind TEXT NOT NULL DEFAULT 'link';
ALTER TABLE enroll_grant ADD COLUMN account TEXT;
ALTER TABLE enroll_grant ADD COLUMN evidence TEXT NOT NULL DEFAULT '';

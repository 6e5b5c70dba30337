-- By which way a grant was given, to whose account, and on what evidence.
ALTER TABLE enroll_grant
    ADD COLUMN kind text NOT NULL DEFAULT 'link',
    ADD COLUMN account text,
    ADD COLUMN evidence text NOT NULL DEFAULT '';

-- The columns of a view are those that its table had when it was made.
DROP VIEW granted;
CREATE VIEW granted AS
    SELECT *, coalesce((SELECT body FROM profile WHERE digest = profile_digest), ''::bytea) AS profile FROM enroll_grant;

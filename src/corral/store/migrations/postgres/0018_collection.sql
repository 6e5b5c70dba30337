-- Which command has asked last for each report of a channel, and which has changed what it tells.
CREATE TABLE collection (
    channel_id text COLLATE "C" NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    report text COLLATE "C" NOT NULL,
    asked_at bigint,
    command_uuid text COLLATE "C",
    stirred_at bigint,
    stirred_by text COLLATE "C",
    PRIMARY KEY (channel_id, report)
) WITH (fillfactor = 75);
CREATE INDEX collection_by_age ON collection (report, asked_at) WHERE asked_at IS NOT NULL;

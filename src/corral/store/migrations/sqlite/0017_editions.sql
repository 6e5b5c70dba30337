-- How often something was edited in each room: whoever edits what has been edited since they looked is told so.
CREATE TABLE edition (
    room TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How often something was edited in each room: whoever edits what has been edited since they looked is told so.
CREATE TABLE edition (
    room text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL
);

-- By which way the devices of a link get their certificate (scep, acme); NULL: as the settings say.
ALTER TABLE link ADD COLUMN identity text;

-- Listings of devices by what they are: looked through in their order, without the devices themselves.
CREATE INDEX device_facts ON device (id, platform, os_version, product_name, model);

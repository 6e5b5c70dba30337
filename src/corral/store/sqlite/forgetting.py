"""Deletes all that is known of a device."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import msgspec

from corral.lifecycle.change import Event
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.writer import Write

_LIVES = "SELECT id FROM connection WHERE device_id = ?1"
_CHANNELS = f"SELECT id FROM channel WHERE connection_id IN ({_LIVES})"
_SPOKEN = f"{_LIVES} UNION ALL {_CHANNELS}"

_COMMANDS = f"SELECT DISTINCT command_uuid FROM delivery WHERE channel_id IN ({_CHANNELS})"
_CERTIFICATES = f"SELECT fingerprint FROM certificate WHERE device_id = ?1 OR connection_id IN ({_LIVES})"

# Lives, channels, deliveries, results and escrow go with the device itself, by their foreign keys.
_WHAT_HANGS_ON_IT = (
    ("work", f"kind IN ('push', 'push-later', 'collect') AND key IN ({_SPOKEN})"),
    ("contact", f"channel_id IN ({_SPOKEN})"),
    ("contact_hour", f"channel_id IN ({_SPOKEN})"),
    ("push_log", f"channel_id IN ({_SPOKEN})"),
    ("push_state", f"channel_id IN ({_SPOKEN})"),
    ("unenrolling", f"connection_id = ?1 OR connection_id IN ({_LIVES})"),
    ("enroll_grant", f"connection_id IN ({_LIVES})"),
    ("acme_order", f"fingerprint IN ({_CERTIFICATES})"),
    ("certificate", f"device_id = ?1 OR connection_id IN ({_LIVES})"),
    ("event", f"device_id = ?1 OR (device_id IS NULL AND connection_id IN ({_LIVES}))"),
)
_DELETIONS = tuple(f"DELETE FROM {table} WHERE {which}" for table, which in _WHAT_HANGS_ON_IT)
_ITEMS = (
    "SELECT DISTINCT h.item_id FROM inventory AS v JOIN inventory_has AS h ON h.inventory_id = v.id"
    " WHERE v.device_id = ?1"
)
_UNUSED = (
    "DELETE FROM inventory_item WHERE id IN (SELECT value FROM json_each(?1))"
    " AND NOT EXISTS (SELECT 1 FROM inventory_has WHERE item_id = inventory_item.id)"
)
_DEVICE = "DELETE FROM device WHERE id = ?1"
_ORPHANS = (
    "DELETE FROM command WHERE uuid IN (SELECT value FROM json_each(?1))"
    " AND NOT EXISTS (SELECT 1 FROM delivery WHERE command_uuid = command.uuid)"
)


def forget(write: Write, device_id: str, events: tuple[Event, ...]) -> bool:
    """False if there is no such device; `events` tell that it is forgotten.

    Commands that went to nobody else go too: they may hold its secrets. So do items that nobody else has: they may be
    its certificates.
    """
    sql, device = write.sql, (device_id,)
    if sql.execute("SELECT 1 FROM device WHERE id = ?1", device).fetchone() is None:
        return False
    commands = [row[0] for row in sql.execute(_COMMANDS, device)]
    items = [row[0] for row in sql.execute(_ITEMS, device)]
    for statement in (*_DELETIONS, _DEVICE):
        sql.execute(statement, device)
    sql.execute(_UNUSED, (msgspec.json.encode(items).decode(),))
    sql.execute(_ORPHANS, (msgspec.json.encode(commands).decode(),))
    add_events(write, events)
    return True

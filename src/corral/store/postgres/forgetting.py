"""Deletes all that is known of a device."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from corral.lifecycle.change import Event
from corral.store.postgres.database import Write
from corral.store.postgres.putting import add_events

_LIVES = "SELECT id FROM connection WHERE device_id = $1"
_CHANNELS = f"SELECT id FROM channel WHERE connection_id IN ({_LIVES})"
_SPOKEN = f"{_LIVES} UNION ALL {_CHANNELS}"

# Whoever adds to the device or to a life of it waits for this, and finds nothing afterwards.
_DEVICE = "SELECT id FROM device WHERE id = $1 FOR UPDATE"
_LOCK_LIVES = "SELECT id FROM connection WHERE device_id = $1 ORDER BY id FOR UPDATE"
_LOCK_CHANNELS = f"{_CHANNELS} ORDER BY id FOR UPDATE"
_COMMANDS = f"SELECT DISTINCT command_uuid FROM delivery WHERE channel_id IN ({_CHANNELS}) ORDER BY 1"
_CERTIFICATES = f"SELECT fingerprint FROM certificate WHERE device_id = $1 OR connection_id IN ({_LIVES})"

# Lives, channels, results and escrow go with the device itself, by their foreign keys.
_WHAT_HANGS_ON_IT = (
    ("delivery", f"channel_id IN ({_CHANNELS})"),
    ("work", f"key IN ({_SPOKEN})"),
    ("contact", f"channel_id IN ({_SPOKEN})"),
    ("contact_hour", f"channel_id IN ({_SPOKEN})"),
    ("push_log", f"channel_id IN ({_SPOKEN})"),
    ("push_state", f"channel_id IN ({_SPOKEN})"),
    ("unenrolling", f"connection_id = $1 OR connection_id IN ({_LIVES})"),
    ("enroll_grant", f"connection_id IN ({_LIVES})"),
    ("acme_order", f"fingerprint IN ({_CERTIFICATES})"),
    ("certificate", f"device_id = $1 OR connection_id IN ({_LIVES})"),
    ("event", f"device_id = $1 OR (device_id IS NULL AND connection_id IN ({_LIVES}))"),
)
_DELETIONS = (
    *(f"DELETE FROM {table} WHERE {which}" for table, which in _WHAT_HANGS_ON_IT),
    "DELETE FROM device WHERE id = $1",
)
_ITEMS = (
    "SELECT DISTINCT h.item_id FROM inventory AS v JOIN inventory_has AS h ON h.inventory_id = v.id"
    " WHERE v.device_id = $1 ORDER BY 1"
)
# Who has just begun to use one holds its row: it stays.
_UNUSED = (
    "DELETE FROM inventory_item WHERE ctid = ANY (ARRAY (SELECT i.ctid FROM inventory_item AS i"
    " WHERE i.id = ANY ($1::bigint[]) AND NOT EXISTS (SELECT 1 FROM inventory_has WHERE item_id = i.id)"
    " FOR UPDATE OF i SKIP LOCKED))"
)
_ORPHANS = (
    "DELETE FROM command WHERE uuid = ANY ($1::text[])"
    " AND NOT EXISTS (SELECT 1 FROM delivery WHERE command_uuid = command.uuid)"
)


async def forget(write: Write, device_id: str, events: tuple[Event, ...]) -> bool:
    """False if there is no such device; `events` tell that it is forgotten.

    Commands that went to nobody else go too: they may hold its secrets. So do items that nobody else has: they may be
    its certificates.
    """
    sql = write.sql
    if await sql.one(_DEVICE, device_id) is None:
        return False
    await sql.all(_LOCK_LIVES, device_id)
    await sql.all(_LOCK_CHANNELS, device_id)
    commands = [row[0] for row in await sql.all(_COMMANDS, device_id)]
    items = [row[0] for row in await sql.all(_ITEMS, device_id)]
    for statement in _DELETIONS:
        await sql.run(statement, device_id)
    await sql.run(_UNUSED, items)
    await sql.run(_ORPHANS, commands)
    await add_events(write, events)
    return True

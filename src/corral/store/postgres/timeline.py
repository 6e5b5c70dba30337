"""The timeline of a device, gathered from what is stored anyway."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from corral.lifecycle.state import Instant
from corral.store.events import TimelineEntry
from corral.store.postgres.connecting import Session
from corral.store.postgres.statements import spoken_by
from corral.store.timeline import (
    ReadData,
    contacts_data,
    delivery_data,
    entries,
    event_data,
    newest_first,
    push_data,
    result_data,
)

# Each source is asked for its newest rows between two times: $1 device, $2 from, $3 before, $4 limit (null: all). The
# first two columns are the time and the connection.
_EVENT = "at, connection_id, type, data, sequence"
_EVENTS = (
    f"SELECT at, connection_id, type, data FROM (SELECT {_EVENT} FROM event"
    " WHERE device_id = $1 AND at >= $2 AND at < $3 UNION ALL"
    " SELECT e.at, e.connection_id, e.type, e.data, e.sequence FROM connection AS co JOIN event AS e"
    " ON e.connection_id = co.id AND e.device_id IS NULL WHERE co.device_id = $1 AND e.at >= $2 AND e.at < $3) AS found"
    " ORDER BY at DESC, sequence DESC LIMIT $4"
)
_CHANNELS = "FROM connection AS co JOIN channel AS ch ON ch.connection_id = co.id"
_PUSHES = (
    f"SELECT p.at, co.id, ch.id, p.outcome {_CHANNELS} JOIN push_log AS p ON p.channel_id = ch.id"
    " WHERE co.device_id = $1 AND p.at >= $2 AND p.at < $3 ORDER BY p.at DESC, p.id DESC LIMIT $4"
)
_RESULTS = (
    "SELECT r.received_at, co.id, r.channel_id, r.command_uuid, c.request_type, r.status, r.unreadable"
    " FROM connection AS co JOIN result AS r ON r.connection_id = co.id"
    " LEFT JOIN command AS c ON c.uuid = r.command_uuid"
    " WHERE co.device_id = $1 AND r.received_at >= $2 AND r.received_at < $3"
    " ORDER BY r.received_at DESC, r.id DESC LIMIT $4"
)
_CONTACTS = (
    "SELECT h.hour, co.id, h.channel_id, h.count FROM connection AS co JOIN contact_hour AS h ON "
    + spoken_by("co.id", "h.channel_id")
    + " WHERE co.device_id = $1 AND h.hour >= $2 AND h.hour < $3 ORDER BY h.hour DESC, h.channel_id LIMIT $4"
)


def _deliveries(step: str, at: str, also: str = "") -> str:
    return (
        f"SELECT d.{at}, co.id, d.channel_id, d.command_uuid, d.request_type, {step}, d.attempts {_CHANNELS}"
        f" JOIN delivery AS d ON d.channel_id = ch.id WHERE co.device_id = $1 AND d.{at} >= $2 AND d.{at} < $3{also}"
        f" ORDER BY d.{at} DESC, d.sequence DESC LIMIT $4"
    )


_QUEUED = _deliveries("'queued'", "queued_at")
_DELIVERED = _deliveries("'delivered'", "delivered_at")
_CLOSED = _deliveries("d.state", "finished_at", " AND d.state IN ('cancelled', 'expired', 'superseded', 'dropped')")

# Where times are equal the later cause stands first.
_SOURCES: tuple[tuple[str, str, ReadData], ...] = (
    ("event", _EVENTS, event_data),
    ("result", _RESULTS, result_data),
    ("delivery", _CLOSED, delivery_data),
    ("delivery", _DELIVERED, delivery_data),
    ("push", _PUSHES, push_data),
    ("delivery", _QUEUED, delivery_data),
    ("contacts", _CONTACTS, contacts_data),
)


async def read_timeline(sql: Session, device_id: str, before: Instant, limit: int) -> tuple[TimelineEntry, ...]:
    """A page ends between two times, since the next begins by time: it may be a little longer than `limit`."""
    page = await _read(sql, device_id, 0, before, limit)
    if len(page) < limit:
        return tuple(page)
    last = page[limit - 1].at
    newer = [entry for entry in page if entry.at > last]
    return (*newer, *await _read(sql, device_id, last, last + 1, None))


async def _read(
    sql: Session, device_id: str, since: Instant, before: Instant, limit: int | None
) -> list[TimelineEntry]:
    found: list[TimelineEntry] = []
    for kind, statement, read in _SOURCES:
        found += entries(kind, read, await sql.all(statement, device_id, since, before, limit))
    return newest_first(found)

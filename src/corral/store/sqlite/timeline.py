"""The timeline of a device, gathered from what is stored anyway."""

from corral.store.events import Place, TimelineEntry
from corral.store.sqlite.connecting import Sql
from corral.store.timeline import DELIVERIES, SOURCES, behind, entries, newest_first

# Each source is asked for its newest rows behind a time and a key: ?1 device, ?2 time, ?3 key, ?4 limit. The first
# columns are the time, the key and the connection.
_EVENTS = (
    "SELECT at, sequence, connection_id, type, data FROM"
    " (SELECT * FROM event WHERE device_id = ?1 AND at <= ?2 UNION ALL"
    " SELECT e.* FROM connection AS co JOIN event AS e ON e.connection_id = co.id AND e.device_id IS NULL"
    " WHERE co.device_id = ?1 AND e.at <= ?2)"
    " WHERE at < ?2 OR sequence < ?3 ORDER BY at DESC, sequence DESC LIMIT ?4"
)
_CHANNELS = "FROM connection AS co JOIN channel AS ch ON ch.connection_id = co.id"
_PUSHES = (
    f"SELECT p.at, p.id, co.id, ch.id, p.outcome {_CHANNELS} JOIN push_log AS p ON p.channel_id = ch.id"
    " WHERE co.device_id = ?1 AND p.at <= ?2 AND (p.at < ?2 OR p.id < ?3) ORDER BY p.at DESC, p.id DESC LIMIT ?4"
)
_RESULTS = (
    "SELECT r.received_at, r.id, co.id, r.channel_id, r.command_uuid, c.request_type, r.status, r.unreadable"
    " FROM connection AS co JOIN result AS r ON r.connection_id = co.id"
    " LEFT JOIN command AS c ON c.uuid = r.command_uuid"
    " WHERE co.device_id = ?1 AND r.received_at <= ?2 AND (r.received_at < ?2 OR r.id < ?3)"
    " ORDER BY r.received_at DESC, r.id DESC LIMIT ?4"
)
_CONTACTS = (
    "SELECT h.hour, h.channel_id, co.id, h.channel_id, h.count FROM connection AS co JOIN contact_hour AS h"
    " ON h.channel_id = co.id OR (h.channel_id > co.id || '/' AND h.channel_id < co.id || '0')"
    " WHERE co.device_id = ?1 AND h.hour <= ?2 AND (h.hour < ?2 OR h.channel_id > ?3)"
    " ORDER BY h.hour DESC, h.channel_id LIMIT ?4"
)


def _deliveries(step: str, at: str, also: str) -> str:
    return (
        f"SELECT d.{at}, d.sequence, co.id, d.channel_id, d.command_uuid, d.request_type, {step}, d.attempts"
        f" {_CHANNELS} JOIN delivery AS d ON d.channel_id = ch.id WHERE co.device_id = ?1"
        f" AND d.{at} <= ?2 AND (d.{at} < ?2 OR d.sequence < ?3){also}"
        f" ORDER BY d.{at} DESC, d.sequence DESC LIMIT ?4"
    )


_STATEMENTS = {
    "events": _EVENTS,
    "results": _RESULTS,
    "pushes": _PUSHES,
    "contacts": _CONTACTS,
    **{name: _deliveries(*what) for name, what in DELIVERIES.items()},
}


def read_timeline(sql: Sql, device_id: str, before: Place, limit: int) -> tuple[TimelineEntry, ...]:
    found: list[TimelineEntry] = []
    for number, source in enumerate(SOURCES):
        at, key = behind(number, before)
        found += entries(number, sql.execute(_STATEMENTS[source.name], (device_id, at, key, limit)))
    return tuple(newest_first(found)[:limit])

"""What polls have gathered in memory, written in one piece."""

from collections.abc import Mapping, Sequence

from corral.lifecycle.state import HOUR, Instant
from corral.store.contacts import Attempt, Heard
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import any_of
from corral.store.sqlite.writer import Write

# Only of connections that exist: a device may have been forgotten since it was heard.
_SEEN = (
    "INSERT INTO contact (channel_id, last_seen) SELECT ?1, ?2 FROM connection WHERE id = ?3"
    " ON CONFLICT (channel_id) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)"
)
_HOUR = (
    "INSERT INTO contact_hour (channel_id, hour, count) SELECT ?1, ?2, ?3 FROM connection WHERE id = ?4"
    " ON CONFLICT (channel_id, hour) DO UPDATE SET count = count + excluded.count"
)
_DELIVERED = (
    "UPDATE delivery SET delivered_at = max(coalesce(delivered_at, 0), ?), attempts = attempts + ?"
    " WHERE channel_id = ? AND command_uuid = ?"
)
_LAST_SEEN = (
    "SELECT co.id, max(contact.last_seen) FROM connection AS co JOIN contact ON contact.channel_id = co.id"
    " OR (contact.channel_id > co.id || '/' AND contact.channel_id < co.id || '0') WHERE co.id IN "
)


class SqliteContacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def flush(self, heard: Sequence[Heard], attempts: Sequence[Attempt]) -> None:
        seen = [(each.channel_id, each.last_seen, _connection(each)) for each in heard]
        hours = [(each.channel_id, _hour(each.last_seen), each.count, _connection(each)) for each in heard]
        delivered = [(each.at, each.count, each.channel_id, each.command_uuid) for each in attempts]

        def flush(write: Write) -> None:
            write.sql.executemany(_SEEN, seen)
            write.sql.executemany(_HOUR, hours)
            write.sql.executemany(_DELIVERED, delivered)

        if heard or attempts:
            await self._database.write(flush)

    async def last_seen(self, connection_ids: Sequence[str]) -> Mapping[str, Instant]:
        found: dict[str, Instant] = {}
        for start in range(0, len(connection_ids), _AT_ONCE):
            some = tuple(connection_ids[start : start + _AT_ONCE])
            statement = _LAST_SEEN + any_of(len(some)) + " GROUP BY co.id"
            found.update((row[0], row[1]) for row in self._database.all(statement, some))
        return found


_AT_ONCE = 500
"""Keys in one statement."""


def _connection(heard: Heard) -> str:
    return heard.channel_id.partition("/")[0]


def _hour(at: Instant) -> Instant:
    return at - at % HOUR

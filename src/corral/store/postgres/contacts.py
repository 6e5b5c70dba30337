"""What polls have gathered in memory, written in a few pieces."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Mapping, Sequence

from corral.lifecycle.state import HOUR, Instant
from corral.store.contacts import Attempt, Heard
from corral.store.postgres.database import Database, Write
from corral.store.postgres.statements import spoken_by, transposed
from corral.store.rows import Row, connection_of

AT_ONCE = 500
"""Rows in one transaction: a report that wants one of them does not wait long."""

# Only of connections that exist: a device may have been forgotten since it was heard.
_SEEN = (
    "INSERT INTO contact (channel_id, last_seen) SELECT a.channel_id, max(a.last_seen)"
    " FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a (connection_id, channel_id, last_seen)"
    " JOIN connection AS co ON co.id = a.connection_id GROUP BY a.channel_id ORDER BY a.channel_id"
    " ON CONFLICT (channel_id) DO UPDATE SET last_seen = greatest(contact.last_seen, excluded.last_seen)"
)
_HOUR = (
    "INSERT INTO contact_hour (channel_id, hour, count) SELECT a.channel_id, a.hour, sum(a.count)"
    " FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS a (connection_id, channel_id, hour, count)"
    " JOIN connection AS co ON co.id = a.connection_id GROUP BY a.channel_id, a.hour ORDER BY a.channel_id, a.hour"
    " ON CONFLICT (channel_id, hour) DO UPDATE SET count = contact_hour.count + excluded.count"
)
_DELIVERED = (
    "WITH handed AS MATERIALIZED (SELECT channel_id, command_uuid, max(at) AS at, sum(count) AS count"
    " FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS a (channel_id, command_uuid, at, count)"
    " GROUP BY channel_id, command_uuid ORDER BY channel_id, command_uuid)"
    " UPDATE delivery AS d SET delivered_at = greatest(d.delivered_at, h.at), attempts = d.attempts + h.count"
    " FROM handed AS h WHERE d.channel_id = h.channel_id AND d.command_uuid = h.command_uuid"
)
_LAST_SEEN = (
    "SELECT co.id, max(contact.last_seen) FROM connection AS co JOIN contact ON "
    + spoken_by("co.id", "contact.channel_id")
    + " WHERE co.id = ANY ($1::text[]) GROUP BY co.id"
)


class PostgresContacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def flush(self, heard: Sequence[Heard], attempts: Sequence[Attempt]) -> None:
        """Nothing of it was answered for, so nobody waits for the disk."""
        seen = sorted((connection_of(each.channel_id), each.channel_id, each.last_seen, each.count) for each in heard)
        for start in range(0, len(seen), AT_ONCE):
            some = seen[start : start + AT_ONCE]
            await self._database.write(lambda write, some=some: _hear(write, some), durably=False)
        handed = sorted((each.channel_id, each.command_uuid, each.at, each.count) for each in attempts)
        for start in range(0, len(handed), AT_ONCE):
            some = transposed(handed[start : start + AT_ONCE])
            await self._database.write(lambda write, some=some: write.sql.run(_DELIVERED, *some), durably=False)

    async def last_seen(self, connection_ids: Sequence[str]) -> Mapping[str, Instant]:
        found = await self._database.all(_LAST_SEEN, list(connection_ids))
        return {row[0]: row[1] for row in found}


async def _hear(write: Write, some: Sequence[Row]) -> None:
    connections, channels, last, counts = transposed(some)
    await write.sql.run(_SEEN, connections, channels, last)
    await write.sql.run(_HOUR, connections, channels, [_hour(at) for at in last], counts)


def _hour(at: Instant) -> Instant:
    return at - at % HOUR

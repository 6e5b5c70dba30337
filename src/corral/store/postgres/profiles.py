"""Profiles that are kept, and where they are wanted."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import profile_rows as rows
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import select
from corral.store.profiles import NewVersion, ProfileVersion, StoredProfile, WantedProfile

AT_ONCE = 10_000
"""Channels in one statement."""

_PROFILES = rows.SELECT_PROFILE + " WHERE p.identifier > $1 ORDER BY p.identifier LIMIT $2"
_FIND = rows.SELECT_PROFILE + " WHERE p.id = $1 OR p.identifier = $1 ORDER BY p.id = $1 DESC LIMIT 1"
# The row is locked by this, so that of two new versions at once one waits for the number of the other.
_PUT = (
    "INSERT INTO stored_profile (id, identifier, name, created_at) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (identifier) DO UPDATE SET name = excluded.name"
)
_BY_IDENTIFIER = rows.SELECT_PROFILE + " WHERE p.identifier = $1"
_NEW_VERSION = (
    f"INSERT INTO stored_profile_version (profile_id, {', '.join(rows.VERSION.split())}, body)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)
_VERSIONS = select("FROM stored_profile_version AS v WHERE v.profile_id = $1 ORDER BY v.version DESC", v=rows.VERSION)
_BODY = "SELECT body FROM stored_profile_version WHERE profile_id = $1 AND version = $2"
_REMOVE = "DELETE FROM stored_profile WHERE id = $1"
_WANT = (
    "INSERT INTO wanted_profile (channel_id, profile_id, version, command_uuid, at, asked_by)"
    " SELECT ch.id, $2, $3::bigint, $4, $5::bigint, $6 FROM channel AS ch WHERE ch.id = ANY ($1::text[])"
    " ORDER BY ch.id ON CONFLICT (profile_id, channel_id) DO UPDATE SET version = excluded.version,"
    " command_uuid = excluded.command_uuid, at = excluded.at, asked_by = excluded.asked_by"
)
_IN_CHANNEL = rows.SELECT_WANTED + " WHERE w.channel_id = $1 ORDER BY p.identifier"
_OF_PROFILE = rows.SELECT_WANTED + " WHERE w.profile_id = $1 AND w.channel_id > $2 ORDER BY w.channel_id LIMIT $3"
_COUNT = (
    "SELECT count(*) FROM wanted_profile AS w JOIN channel AS ch ON ch.id = w.channel_id AND ch.ended_at IS NULL"
    " WHERE w.profile_id = $1 AND w.version IS NOT NULL"
)


class PostgresProfiles:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, profile: StoredProfile, version: NewVersion, event: Event) -> StoredProfile:
        async def add(write: Write) -> StoredProfile:
            await write.sql.run(_PUT, profile.id, profile.identifier, profile.name, profile.created_at)
            found = await write.sql.one(_BY_IDENTIFIER, profile.identifier)
            assert found is not None
            before = rows.profile(found)
            number = before.latest + 1
            await write.sql.run(
                _NEW_VERSION,
                before.id,
                number,
                version.payload_uuid,
                version.digest,
                len(version.body),
                version.created_at,
                version.created_by,
                version.note,
                self._sealer.seal(version.body, rows.place(before.id, number)),
            )
            await add_events(write, [rows.told(event, before.id, number)])
            return rows.profile((*found[:-1], number))

        return await self._database.write(add)

    async def profiles(self, after: str, limit: int) -> tuple[StoredProfile, ...]:
        return tuple(map(rows.profile, await self._database.all(_PROFILES, after, limit)))

    async def find(self, name: str) -> StoredProfile | None:
        row = await self._database.one(_FIND, name)
        return None if row is None else rows.profile(row)

    async def versions(self, profile_id: str) -> tuple[ProfileVersion, ...]:
        return tuple(map(rows.version, await self._database.all(_VERSIONS, profile_id)))

    async def body(self, profile_id: str, number: int) -> bytes | None:
        row = await self._database.one(_BODY, profile_id, number)
        return None if row is None else self._sealer.open(row[0], rows.place(profile_id, number))

    async def remove(self, profile_id: str, event: Event) -> None:
        async def remove(write: Write) -> None:
            await write.sql.run(_REMOVE, profile_id)
            await add_events(write, [event])

        await self._database.write(remove)

    async def want(
        self,
        profile_id: str,
        number: int | None,
        command_uuid: str,
        channel_ids: Sequence[str],
        at: Instant,
        by: str,
    ) -> None:
        channels = sorted(set(channel_ids))

        async def want(write: Write) -> None:
            for start in range(0, len(channels), AT_ONCE):
                some = channels[start : start + AT_ONCE]
                await write.sql.run(_WANT, some, profile_id, number, command_uuid, at, by)

        await self._database.write(want)

    async def wanted(self, channel_id: str) -> tuple[WantedProfile, ...]:
        return tuple(map(rows.wanted, await self._database.all(_IN_CHANNEL, channel_id)))

    async def wanting(self, profile_id: str, after: str, limit: int) -> tuple[WantedProfile, ...]:
        return tuple(map(rows.wanted, await self._database.all(_OF_PROFILE, profile_id, after, limit)))

    async def count(self, profile_id: str) -> int:
        found = await self._database.one(_COUNT, profile_id)
        return 0 if found is None else found[0]

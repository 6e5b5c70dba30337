"""Profiles that are kept, and where they are wanted."""

from collections.abc import Sequence

import msgspec

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import profile_rows as rows
from corral.store.profiles import NewVersion, ProfileVersion, StoredProfile, WantedProfile
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select
from corral.store.sqlite.writer import Write

_PROFILES = rows.SELECT_PROFILE + " WHERE p.identifier > ? ORDER BY p.identifier LIMIT ?"
_FIND = rows.SELECT_PROFILE + " WHERE p.id = ?1 OR p.identifier = ?1 ORDER BY p.id = ?1 DESC LIMIT 1"
_PUT = insert("stored_profile", rows.PROFILE, "ON CONFLICT (identifier) DO UPDATE SET name = excluded.name")
_BY_IDENTIFIER = rows.SELECT_PROFILE + " WHERE p.identifier = ?"
_NEW_VERSION = insert("stored_profile_version", f"profile_id {rows.VERSION} body")
_VERSIONS = select("FROM stored_profile_version AS v WHERE v.profile_id = ? ORDER BY v.version DESC", v=rows.VERSION)
_BODY = "SELECT body FROM stored_profile_version WHERE profile_id = ? AND version = ?"
_REMOVE = "DELETE FROM stored_profile WHERE id = ?"
_WANT = (
    "INSERT INTO wanted_profile (channel_id, profile_id, version, command_uuid, at, asked_by)"
    " SELECT ch.id, ?2, ?3, ?4, ?5, ?6 FROM json_each(?1) AS a JOIN channel AS ch ON ch.id = a.value WHERE TRUE"
    " ON CONFLICT (profile_id, channel_id) DO UPDATE SET version = excluded.version,"
    " command_uuid = excluded.command_uuid, at = excluded.at, asked_by = excluded.asked_by"
)
_IN_CHANNEL = rows.SELECT_WANTED + " WHERE w.channel_id = ? ORDER BY p.identifier"
_OF_PROFILE = rows.SELECT_WANTED + " WHERE w.profile_id = ? AND w.channel_id > ? ORDER BY w.channel_id LIMIT ?"
_COUNT = (
    "SELECT count(*) FROM wanted_profile AS w JOIN channel AS ch ON ch.id = w.channel_id AND ch.ended_at IS NULL"
    " WHERE w.profile_id = ? AND w.version IS NOT NULL"
)


class SqliteProfiles:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, profile: StoredProfile, version: NewVersion, event: Event) -> StoredProfile:
        def add(write: Write) -> StoredProfile:
            write.sql.execute(_PUT, (profile.id, profile.identifier, profile.name, profile.created_at))
            found = write.sql.execute(_BY_IDENTIFIER, (profile.identifier,)).fetchone()
            assert found is not None
            before = rows.profile(found)
            number = before.latest + 1
            sealed = self._sealer.seal(version.body, rows.place(before.id, number))
            write.sql.execute(
                _NEW_VERSION,
                (
                    before.id,
                    number,
                    version.payload_uuid,
                    version.digest,
                    len(version.body),
                    version.created_at,
                    version.created_by,
                    version.note,
                    sealed,
                ),
            )
            add_events(write, (rows.told(event, before.id, number),))
            return rows.profile((*found[:-1], number))

        return await self._database.write(add)

    async def profiles(self, after: str, limit: int) -> tuple[StoredProfile, ...]:
        return tuple(map(rows.profile, self._database.all(_PROFILES, (after, limit))))

    async def find(self, name: str) -> StoredProfile | None:
        row = self._database.one(_FIND, (name,))
        return None if row is None else rows.profile(row)

    async def versions(self, profile_id: str) -> tuple[ProfileVersion, ...]:
        return tuple(map(rows.version, self._database.all(_VERSIONS, (profile_id,))))

    async def body(self, profile_id: str, number: int) -> bytes | None:
        row = self._database.one(_BODY, (profile_id, number))
        return None if row is None else self._sealer.open(row[0], rows.place(profile_id, number))

    async def remove(self, profile_id: str, event: Event) -> None:
        def remove(write: Write) -> None:
            write.sql.execute(_REMOVE, (profile_id,))
            add_events(write, (event,))

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
        channels = msgspec.json.encode(list(channel_ids)).decode()

        def want(write: Write) -> None:
            write.sql.execute(_WANT, (channels, profile_id, number, command_uuid, at, by))

        await self._database.write(want)

    async def wanted(self, channel_id: str) -> tuple[WantedProfile, ...]:
        return tuple(map(rows.wanted, self._database.all(_IN_CHANNEL, (channel_id,))))

    async def wanting(self, profile_id: str, after: str, limit: int) -> tuple[WantedProfile, ...]:
        found = await self._database.browse(lambda sql: sql.execute(_OF_PROFILE, (profile_id, after, limit)).fetchall())
        return tuple(map(rows.wanted, found))

    async def count(self, profile_id: str) -> int:
        found = await self._database.browse(lambda sql: sql.execute(_COUNT, (profile_id,)).fetchone())
        return 0 if found is None else found[0]

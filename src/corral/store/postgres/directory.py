"""What people look up."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Awaitable, Mapping, Sequence

from corral.lifecycle.state import EnrollmentKind, Instant
from corral.store import rows
from corral.store.device_listing import summaries
from corral.store.directory import ANY, Backlog, CommandTarget, DeviceDetail, DeviceSummary, Facts
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database
from corral.store.postgres.listing import OPEN, SEARCHED, SEEN, list_devices
from corral.store.postgres.statements import looked_up, select
from corral.store.rows import Row

_DEVICE = select("FROM device AS d WHERE d.id = $1", d=rows.DEVICE)
_LIVES = select("FROM life AS l WHERE l.device_id = $1 ORDER BY l.created_at DESC, l.number DESC", l=rows.LIFE)
_CHANNELS = select(
    "FROM channel AS c JOIN connection AS co ON co.id = c.connection_id WHERE co.device_id = $1"
    " ORDER BY co.created_at DESC, c.number DESC",
    c=rows.CHANNEL,
)
_CERTIFICATES = select(
    "FROM certificate AS c WHERE c.device_id = $1 ORDER BY c.issued_at DESC, c.number DESC", c=rows.CERTIFICATE
)
_OF_DEVICE = f"SELECT {SEEN}, {OPEN} FROM connection AS l WHERE l.device_id = $1"
_LAST_PUSH = (
    "SELECT p.at, p.outcome FROM connection AS co JOIN channel AS ch ON ch.connection_id = co.id"
    " JOIN push_state AS p ON p.channel_id = ch.id WHERE co.device_id = $1 ORDER BY p.at DESC LIMIT 1"
)
_DESCRIBED = "id platform os_version"
_UNRENEWED = (
    "SELECT ce.warned_days, count(*) FROM certificate AS ce JOIN connection AS co ON co.id = ce.connection_id"
    " WHERE ce.warned_days IS NOT NULL AND ce.status = 'bound' AND co.phase = 'connected' GROUP BY ce.warned_days"
)
_ISSUERS = (
    "SELECT ce.issuer, count(DISTINCT co.id) FROM certificate AS ce JOIN connection AS co ON co.id = ce.connection_id"
    " WHERE ce.status = 'bound' AND ce.authority = '' AND ce.heard_at IS NOT NULL AND co.phase <> 'ended'"
    " GROUP BY ce.issuer"
)
_IN_USE = (
    "SELECT p.body, count(*) FROM connection AS co JOIN profile AS p ON p.digest = co.profile_digest"
    " WHERE co.phase <> 'ended' GROUP BY p.digest"
)
_RESOLVE = (
    "SELECT id FROM device WHERE id = $1 UNION ALL (SELECT id FROM device WHERE serial_number = $1"
    " UNION SELECT device_id FROM connection WHERE id = $1) LIMIT 2"
)
_OTHERWISE = "SELECT asked, {found} FROM other CROSS JOIN {by}"
# Each by its key, however large the tables are: plain joins read them whole, again for every few thousand names.
_TARGETS = (
    "WITH named AS (SELECT asked FROM unnest($1::text[]) AS asked), by_id AS MATERIALIZED ("
    f"SELECT asked, de.* FROM named CROSS JOIN {looked_up('device', _DESCRIBED, 'id = asked', 'de')}"
    "), other AS MATERIALIZED (SELECT asked FROM named EXCEPT SELECT asked FROM by_id), found (asked, id) AS ("
    + _OTHERWISE.format(found="de.id", by=looked_up("device", "id", "serial_number = asked", "de"))
    + " UNION "
    + _OTHERWISE.format(found="co.device_id", by=looked_up("connection", "device_id", "id = asked", "co"))
    + "), d AS (SELECT * FROM by_id UNION ALL SELECT f.asked, de.* FROM found AS f"
    + f" CROSS JOIN {looked_up('device', _DESCRIBED, 'id = f.id', 'de')}"
    + ") SELECT d.asked, d.id, d.platform, d.os_version, co.id, ch.id, ch.kind, co.profile_digest FROM d LEFT JOIN "
    + looked_up("connection", "id profile_digest", "device_id = d.id AND phase IN ('connected', 'ending')", "co")
    + " ON TRUE LEFT JOIN "
    + looked_up("channel", "id kind", "connection_id = co.id AND user_id = $2", "ch")
    + " ON TRUE"
)
_SELECT = (
    "SELECT d.id, d.os_version FROM device AS d WHERE d.id > $1 AND ($4::text IS NULL OR d.platform = $4)"
    " AND EXISTS (SELECT 1 FROM connection WHERE device_id = d.id AND phase = 'connected')"
)
_ADMITTED = (
    "SELECT co.id, g.kind FROM unnest($1::text[]) AS a (id) CROSS JOIN "
    + looked_up("connection", "id admitted_by", "id = a.id", "co")
    + " CROSS JOIN "
    + looked_up("enroll_grant", "kind", "id = substr(co.admitted_by, 7)", "g")
)
_MOST_PROFILES = 1000
_PROFILES = "SELECT digest, body FROM profile WHERE digest = ANY($1::bytea[])"
_PHASES = "SELECT phase, count(*) FROM connection GROUP BY phase"
_TOPICS = (
    "SELECT ch.topic, count(*) FROM channel AS ch JOIN connection AS co ON co.id = ch.connection_id"
    " AND co.phase IN ('connected', 'ending') WHERE ch.ended_at IS NULL AND ch.topic <> '' GROUP BY ch.topic"
)
_OPEN_COMMANDS = "SELECT count(*), min(queued_at) FROM delivery WHERE state = 'open'"
_WORK = "SELECT kind, count(*), min(due_at) FROM work GROUP BY kind ORDER BY kind"


class PostgresDirectory:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._profiles: dict[bytes, bytes] = {}

    async def devices(
        self, *, search: str | None, phase: str | None, after: str | None, limit: int, facts: Facts = ANY
    ) -> tuple[DeviceSummary, ...]:
        def read(sql: Session) -> Awaitable[list[Row]]:
            return list_devices(sql, search=search, phase=phase, after=after or "", limit=limit, facts=facts)

        return summaries(await self._database.read(read))

    async def device(self, device_id: str) -> DeviceDetail | None:
        return await self._database.read(lambda sql: _read_detail(sql, device_id))

    async def resolve(self, name: str) -> str | None:
        return rows.resolved(name, await self._database.all(_RESOLVE, name))

    async def targets(self, names: Sequence[str], user_id: str) -> Mapping[str, CommandTarget]:
        found = await self._database.all(_TARGETS, names, user_id)
        return rows.command_targets(found, await self._read_profiles({row[-1] for row in found} - {None}))

    async def select(
        self, *, search: str | None, platform: str | None, after: str, limit: int
    ) -> tuple[tuple[str, str | None], ...]:
        searched = SEARCHED if search else " AND $3::text IS NULL"
        statement = f"{_SELECT}{searched} ORDER BY d.id LIMIT $2"
        found = await self._database.all(statement, after, limit, search or None, platform)
        return tuple((row[0], row[1]) for row in found)

    async def admitted(self, connection_ids: Sequence[str]) -> Mapping[str, EnrollmentKind]:
        found = await self._database.all(_ADMITTED, list(connection_ids))
        return {life: EnrollmentKind(kind) for life, kind in found}

    async def _read_profiles(self, digests: set[bytes]) -> Mapping[bytes, bytes]:
        """By their digests, so they never change; a fleet has few, which are remembered."""
        missing = digests - self._profiles.keys()
        if missing:
            if len(self._profiles) > _MOST_PROFILES:
                self._profiles.clear()
                missing = digests
            self._profiles |= {row[0]: row[1] for row in await self._database.all(_PROFILES, [*missing])}
        return {digest: self._profiles[digest] for digest in digests if digest in self._profiles}

    async def counts(self) -> dict[str, int]:
        async def count(sql: Session) -> dict[str, int]:
            counts: dict[str, int] = {row[0]: row[1] for row in await sql.all(_PHASES)}
            return counts | {f"topics:{row[0]}": row[1] for row in await sql.all(_TOPICS)}

        return await self._database.read(count)

    async def issuers(self) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await self._database.all(_ISSUERS)}

    async def unrenewed(self) -> Mapping[int, int]:
        return {row[0]: row[1] for row in await self._database.all(_UNRENEWED)}

    async def profiles(self) -> tuple[tuple[bytes, int], ...]:
        return tuple((row[0], row[1]) for row in await self._database.all(_IN_USE))

    async def backlog(self) -> Backlog:
        return rows.backlog(await self._database.all(_OPEN_COMMANDS), await self._database.all(_WORK))


async def _read_detail(sql: Session, device_id: str) -> DeviceDetail | None:
    device = await sql.one(_DEVICE, device_id)
    if device is None:
        return None
    seen = await sql.all(_OF_DEVICE, device_id)
    push = await sql.one(_LAST_PUSH, device_id)
    last_seen: list[Instant] = [row[0] for row in seen if row[0] is not None]
    return DeviceDetail(
        device=rows.device(device),
        connections=tuple(rows.life(row) for row in await sql.all(_LIVES, device_id)),
        channels=tuple(rows.listed_channel(row) for row in await sql.all(_CHANNELS, device_id)),
        certificates=tuple(rows.listed_certificate(row) for row in await sql.all(_CERTIFICATES, device_id)),
        last_seen=max(last_seen, default=None),
        open_commands=sum(row[1] for row in seen),
        last_push=(push[0], push[1]) if push is not None else None,
    )

"""What people look up. Everything that can be long is read aside of the event loop."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import json
from collections.abc import Mapping, Sequence

from corral.lifecycle.state import EnrollmentKind, Instant
from corral.store import rows
from corral.store.device_listing import summaries
from corral.store.directory import ANY, Backlog, CommandTarget, DeviceDetail, DeviceSummary, Facts
from corral.store.sqlite import snapshot
from corral.store.sqlite.connecting import Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.listing import LAST_CHARACTER, OPEN, SEARCHED, SEEN, list_devices
from corral.store.sqlite.statements import select

_LIVES = select("FROM life AS l WHERE l.device_id = ? ORDER BY l.created_at DESC, l.row DESC", l=rows.LIFE)
_CHANNELS = select(
    "FROM channel AS c JOIN connection AS co ON co.id = c.connection_id WHERE co.device_id = ?"
    " ORDER BY co.created_at DESC, c.rowid DESC",
    c=rows.CHANNEL,
)
_CERTIFICATES = select(
    "FROM certificate AS c WHERE c.device_id = ? ORDER BY c.issued_at DESC, c.rowid DESC", c=rows.CERTIFICATE
)
_OF_DEVICE = f"SELECT {SEEN}, {OPEN} FROM connection AS l WHERE l.device_id = ?"
_LAST_PUSH = (
    "SELECT p.at, p.outcome FROM connection AS co JOIN channel AS ch ON ch.connection_id = co.id"
    " JOIN push_state AS p ON p.channel_id = ch.id WHERE co.device_id = ? ORDER BY p.at DESC LIMIT 1"
)
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
    "SELECT p.body, count(*) FROM connection AS co JOIN profile AS p ON p.id = co.profile_id"
    " WHERE co.phase <> 'ended' GROUP BY p.id"
)
_RESOLVE = (
    "SELECT id FROM device WHERE id = ?1 UNION ALL SELECT id FROM (SELECT id FROM device WHERE serial_number = ?1"
    " UNION SELECT device_id FROM connection WHERE id = ?1) LIMIT 2"
)
# CROSS JOIN keeps the order: each name by its key, and never all devices against the names.
_TARGETS = (
    "WITH named (asked) AS (SELECT value FROM json_each(?1)),"
    " by_id AS MATERIALIZED (SELECT asked, id, platform, os_version FROM named CROSS JOIN device ON id = asked),"
    " other AS MATERIALIZED (SELECT asked FROM named WHERE asked NOT IN (SELECT asked FROM by_id)), found AS ("
    "SELECT asked, id FROM other CROSS JOIN device ON serial_number = asked"
    " UNION SELECT asked, device_id FROM other CROSS JOIN connection ON id = asked), d AS (SELECT * FROM by_id"
    " UNION ALL SELECT f.asked, d.id, d.platform, d.os_version FROM found AS f CROSS JOIN device AS d ON d.id = f.id)"
    " SELECT d.asked, d.id, d.platform, d.os_version, co.id, ch.id, ch.kind, co.profile_id FROM d"
    " LEFT JOIN connection AS co ON co.device_id = d.id AND co.phase IN ('connected', 'ending')"
    " LEFT JOIN channel AS ch ON ch.connection_id = co.id AND ch.user_id = ?2"
)
_SELECT = (
    "SELECT d.id, d.os_version FROM device AS d WHERE d.id > :after AND (:platform IS NULL OR d.platform = :platform)"
    " AND EXISTS (SELECT 1 FROM connection WHERE device_id = d.id AND phase = 'connected')"
)
_ADMITTED = (
    "SELECT co.id, g.kind FROM json_each(?) AS a CROSS JOIN connection AS co ON co.id = a.value"
    " CROSS JOIN enroll_grant AS g ON g.id = substr(co.admitted_by, 7)"
)
_PROFILES = "SELECT id, body FROM profile WHERE id IN (SELECT value FROM json_each(?))"
_PHASES = "SELECT phase, count(*) FROM connection GROUP BY phase"
_TOPICS = (
    "SELECT ch.topic, count(*) FROM channel AS ch JOIN connection AS co ON co.id = ch.connection_id"
    " AND co.phase IN ('connected', 'ending') WHERE ch.ended_at IS NULL AND ch.topic <> '' GROUP BY ch.topic"
)

_OPEN_COMMANDS = "SELECT count(*), min(queued_at) FROM delivery WHERE state = 'open'"
_WORK = "SELECT kind, count(*), min(due_at) FROM work GROUP BY kind ORDER BY kind"


class SqliteDirectory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def devices(
        self, *, search: str | None, phase: str | None, after: str | None, limit: int, facts: Facts = ANY
    ) -> tuple[DeviceSummary, ...]:
        found = await self._database.browse(
            lambda sql: list_devices(sql, search=search, phase=phase, after=after or "", limit=limit, facts=facts)
        )
        return summaries(found)

    async def device(self, device_id: str) -> DeviceDetail | None:
        return self._database.read(lambda sql: _read_detail(sql, device_id))

    async def resolve(self, name: str) -> str | None:
        return rows.resolved(name, self._database.all(_RESOLVE, (name,)))

    async def targets(self, names: Sequence[str], user_id: str) -> Mapping[str, CommandTarget]:
        def read(sql: Sql) -> Mapping[str, CommandTarget]:
            found = sql.execute(_TARGETS, (json.dumps(names), user_id)).fetchall()
            kept = json.dumps([*{row[-1] for row in found} - {None}])
            return rows.command_targets(found, dict(sql.execute(_PROFILES, (kept,)).fetchall()))

        return await self._database.browse(read)

    async def select(
        self, *, search: str | None, platform: str | None, after: str, limit: int
    ) -> tuple[tuple[str, str | None], ...]:
        statement = f"{_SELECT}{SEARCHED if search else ''} ORDER BY d.id LIMIT :limit"
        low = search or ""
        values = {"after": after, "platform": platform, "low": low, "high": low + LAST_CHARACTER, "limit": limit}
        found = await self._database.browse(lambda sql: sql.execute(statement, values).fetchall())
        return tuple((row[0], row[1]) for row in found)

    async def admitted(self, connection_ids: Sequence[str]) -> Mapping[str, EnrollmentKind]:
        wanted = json.dumps(connection_ids)
        found = await self._database.browse(lambda sql: sql.execute(_ADMITTED, (wanted,)).fetchall())
        return {life: EnrollmentKind(kind) for life, kind in found}

    async def counts(self) -> dict[str, int]:
        def count(sql: Sql) -> dict[str, int]:
            counts: dict[str, int] = {row[0]: row[1] for row in sql.execute(_PHASES)}
            return counts | {f"topics:{row[0]}": row[1] for row in sql.execute(_TOPICS)}

        return await self._database.browse(count)

    async def issuers(self) -> Mapping[str, int]:
        return dict(await self._database.browse(lambda sql: sql.execute(_ISSUERS).fetchall()))

    async def unrenewed(self) -> Mapping[int, int]:
        return dict(await self._database.browse(lambda sql: sql.execute(_UNRENEWED).fetchall()))

    async def profiles(self) -> tuple[tuple[bytes, int], ...]:
        return tuple(await self._database.browse(lambda sql: sql.execute(_IN_USE).fetchall()))

    async def backlog(self) -> Backlog:
        def read(sql: Sql) -> Backlog:
            return rows.backlog(sql.execute(_OPEN_COMMANDS).fetchall(), sql.execute(_WORK).fetchall())

        return await self._database.browse(read)


def _read_detail(sql: Sql, device_id: str) -> DeviceDetail | None:
    device = snapshot.read_device(sql, device_id)
    if device is None:
        return None
    seen = sql.execute(_OF_DEVICE, (device_id,)).fetchall()
    push = sql.execute(_LAST_PUSH, (device_id,)).fetchone()
    last_seen: list[Instant] = [row[0] for row in seen if row[0] is not None]
    return DeviceDetail(
        device=device,
        connections=tuple(rows.life(row) for row in sql.execute(_LIVES, (device_id,))),
        channels=tuple(rows.listed_channel(row) for row in sql.execute(_CHANNELS, (device_id,))),
        certificates=tuple(rows.listed_certificate(row) for row in sql.execute(_CERTIFICATES, (device_id,))),
        last_seen=max(last_seen, default=None),
        open_commands=sum(row[1] for row in seen),
        last_push=(push[0], push[1]) if push is not None else None,
    )

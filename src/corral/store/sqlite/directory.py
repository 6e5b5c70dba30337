"""What people look up. Everything that can be long is read aside of the event loop."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import json
from collections.abc import Mapping, Sequence

from corral.lifecycle.state import EnrollmentKind, Instant
from corral.store import rows
from corral.store.directory import ANY, Backlog, CommandTarget, DeviceDetail, DeviceSummary, Facts
from corral.store.sqlite import snapshot
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import select

_SHOWN = (
    "(SELECT rowid FROM connection WHERE device_id = d.id ORDER BY"
    " CASE phase WHEN 'connected' THEN 0 WHEN 'ending' THEN 0 WHEN 'authenticating' THEN 1 ELSE 2 END,"
    " created_at DESC, rowid DESC LIMIT 1)"
)
"""The row of the life that stands for a device."""

_SEEN = (
    "(SELECT max(last_seen) FROM contact WHERE channel_id = l.id"
    " OR (channel_id > l.id || '/' AND channel_id < l.id || '0'))"
)
_OPEN = (
    "(SELECT count(*) FROM channel AS ch CROSS JOIN delivery AS q ON q.channel_id = ch.id AND q.state = 'open'"
    " WHERE ch.connection_id = l.id)"
)
"""CROSS JOIN keeps the order: while a fleet has an open command, all of those would be read for each device."""
_SEARCHED = (
    " AND d.id IN (SELECT id FROM device WHERE id COLLATE NOCASE >= :low AND id COLLATE NOCASE < :high"
    " UNION SELECT id FROM device WHERE serial_number COLLATE NOCASE >= :low AND serial_number COLLATE NOCASE < :high"
    " UNION SELECT id FROM device WHERE name COLLATE NOCASE >= :low AND name COLLATE NOCASE < :high)"
)
_SHOWN_IN_PHASE = " AND l.phase = :phase"
_IN_PHASE = " AND d.id IN (SELECT device_id FROM connection WHERE phase = :phase)" + _SHOWN_IN_PHASE
_FACTS = {
    "platform": " AND d.platform = :platform",
    "os_version": " AND (d.os_version = :os_version OR d.os_version >= :os_version || '.'"
    " AND d.os_version < :os_version || '/')",
    "model": " AND :model IN (d.product_name, d.model)",
}
_BY_FACTS = " INDEXED BY device_facts"
"""It has them all, in the order of the listing. Left to itself, SQLite reads every device for them."""

_LIVES = select("FROM life AS l WHERE l.device_id = ? ORDER BY l.created_at DESC, l.row DESC", l=rows.LIFE)
_CHANNELS = select(
    "FROM channel AS c JOIN connection AS co ON co.id = c.connection_id WHERE co.device_id = ?"
    " ORDER BY co.created_at DESC, c.rowid DESC",
    c=rows.CHANNEL,
)
_CERTIFICATES = select(
    "FROM certificate AS c WHERE c.device_id = ? ORDER BY c.issued_at DESC, c.rowid DESC", c=rows.CERTIFICATE
)
_OF_DEVICE = f"SELECT {_SEEN}, {_OPEN} FROM connection AS l WHERE l.device_id = ?"
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

_LAST_CHARACTER = "\U0010ffff"


class SqliteDirectory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def devices(
        self, *, search: str | None, phase: str | None, after: str | None, limit: int, facts: Facts = ANY
    ) -> tuple[DeviceSummary, ...]:
        asked = [text for name, text in _FACTS.items() if getattr(facts, name) is not None]
        # Nearly all are connected: a list of those would be made for the few that the facts leave.
        in_phase = _SHOWN_IN_PHASE if asked and phase == "connected" else _IN_PHASE
        statement = _summaries(
            _SEARCHED if search else "", in_phase if phase else "", *asked, index=_BY_FACTS if asked else ""
        )
        values = {
            "after": after or "",
            "low": search or "",
            "high": (search or "") + _LAST_CHARACTER,
            "phase": phase,
            "limit": limit,
            **{name: getattr(facts, name) for name in _FACTS},
        }
        found = await self._database.browse(lambda sql: sql.execute(statement, values).fetchall())
        return tuple(_summary(row) for row in found)

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
        statement = f"{_SELECT}{_SEARCHED if search else ''} ORDER BY d.id LIMIT :limit"
        low = search or ""
        values = {"after": after, "platform": platform, "low": low, "high": low + _LAST_CHARACTER, "limit": limit}
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


def _summaries(*conditions: str, index: str = "") -> str:
    """Joins the tables of the view `life` itself: as the right side of a LEFT JOIN it would be read whole."""
    columns = select("", d=rows.DEVICE, l=rows.LIFE.removesuffix(" profile"))
    return (
        f"{columns}, coalesce(p.body, x''), {_SEEN}, {_OPEN} FROM device AS d{index}"
        f" LEFT JOIN connection AS l ON l.rowid = {_SHOWN} LEFT JOIN profile AS p ON p.id = l.profile_id"
        f" WHERE d.id > :after{''.join(conditions)} ORDER BY d.id LIMIT :limit"
    )


def _summary(row: Row) -> DeviceSummary:
    first, second = len(rows.DEVICE.split()), len(rows.DEVICE.split()) + len(rows.LIFE.split())
    life = row[first:second]
    last_seen, open_commands = row[second:]
    return DeviceSummary(
        device=rows.device(row[:first]),
        connection=rows.life(life) if life[0] is not None else None,
        last_seen=last_seen,
        open_commands=open_commands,
    )


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

"""Automated Device Enrollment: servers, devices, assignments, profiles, rules."""

# ruff: noqa: S608 - statements are put together of column lists of this package; values are always bound

from collections.abc import Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import ade_rows as rows
from corral.store.ade import AdeDevice, AdeProfile, AdeRule, AdeServer, Assignment, Listed, SyncState
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Database, Write
from corral.store.postgres.putting import add_events
from corral.store.postgres.statements import arrays, insert, select, transposed, upsert
from corral.store.rows import Row

_SERVERS = select("FROM ade_server AS s ORDER BY s.name", s=rows.SERVER)
_SERVER = select("FROM ade_server AS s WHERE s.name = $1", s=rows.SERVER)
_PUT_SERVER = upsert("ade_server", rows.SERVER, "name")
_REMOVE_SERVER = "DELETE FROM ade_server WHERE name = $1"
_STATE = select("FROM ade_sync AS y WHERE y.server = $1", y=rows.STATE)
_PUT_STATE = upsert("ade_sync", rows.STATE, "server")
_PUT_DEVICES = upsert("ade_device", rows.DEVICE, "server, serial_number")
_GONE = (
    "UPDATE ade_device SET deleted_at = $1 WHERE server = $2 AND seen_at < $3 AND deleted_at IS NULL"
    " RETURNING serial_number"
)
_JOINED = (
    "FROM ade_device AS d LEFT JOIN ade_assignment AS a ON (a.server, a.serial_number) = (d.server, d.serial_number)"
)
_LISTED = {"d": rows.DEVICE, "a": rows.ASSIGNMENT}
_DEVICES = select(
    _JOINED + " WHERE (d.server, d.serial_number) > ($1, $2) AND ($3::text IS NULL OR d.server = $3)"
    " AND ($4 OR d.deleted_at IS NULL) ORDER BY d.server, d.serial_number LIMIT $5",
    **_LISTED,
)
_SOME = select(
    _JOINED + " WHERE d.server = $1 AND d.serial_number = ANY ($2::text[]) ORDER BY d.serial_number", **_LISTED
)
_FIND = select(_JOINED + " WHERE d.serial_number = $1 ORDER BY d.server", **_LISTED)
_ASSIGN = upsert("ade_assignment", rows.ASSIGNMENT, "server, serial_number")
_SETTLED = "due_at attempts outcome server serial_number profile assigned_at"
_SETTLE = (
    "UPDATE ade_assignment AS a SET due_at = n.due_at, attempts = n.attempts, outcome = n.outcome"
    f" FROM {arrays(_SETTLED, 'n')} WHERE (a.server, a.serial_number, a.profile, a.assigned_at)"
    " = (n.server, n.serial_number, n.profile, n.assigned_at)"
)
_DUE = select(
    "FROM ade_assignment AS a JOIN ade_device AS d ON (d.server, d.serial_number) = (a.server, a.serial_number)"
    " WHERE a.server = $1 AND a.due_at <= $2 AND d.deleted_at IS NULL ORDER BY a.due_at, a.serial_number LIMIT $3",
    a=rows.ASSIGNMENT,
)
_NEXT_DUE = (
    "SELECT min(a.due_at) FROM ade_assignment AS a JOIN ade_device AS d"
    " ON (d.server, d.serial_number) = (a.server, a.serial_number)"
    " WHERE a.server = $1 AND a.due_at IS NOT NULL AND d.deleted_at IS NULL"
)
_PROFILES = select("FROM ade_profile AS p WHERE p.server = $1 ORDER BY p.name", p=rows.PROFILE)
_PUT_PROFILE = upsert("ade_profile", rows.PROFILE, "server, name")
_REMOVE_PROFILE = "DELETE FROM ade_profile WHERE server = $1 AND name = $2"
_RULES = select("FROM ade_rule AS r WHERE r.server = $1 ORDER BY r.position", r=rows.RULE)
_NO_RULES = "DELETE FROM ade_rule WHERE server = $1"
_PUT_RULES = insert("ade_rule", rows.RULE)


class PostgresAde:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def servers(self) -> tuple[AdeServer, ...]:
        async def read(sql: Session) -> tuple[AdeServer, ...]:
            return tuple(rows.server(row, self._sealer) for row in await sql.all(_SERVERS))

        return await self._database.read(read)

    async def server(self, name: str) -> AdeServer | None:
        async def read(sql: Session) -> AdeServer | None:
            row = await sql.one(_SERVER, name)
            return None if row is None else rows.server(row, self._sealer)

        return await self._database.read(read)

    async def put_server(self, server: AdeServer, events: tuple[Event, ...] = ()) -> None:
        await self._put(_PUT_SERVER, [rows.server_row(server, self._sealer)], events)

    async def remove_server(self, name: str, events: tuple[Event, ...] = ()) -> None:
        await self._run(_REMOVE_SERVER, name, events=events)

    async def state(self, server: str) -> SyncState:
        row = await self._database.one(_STATE, server)
        return SyncState(server=server) if row is None else rows.state(row)

    async def put_state(self, state: SyncState) -> None:
        await self._put(_PUT_STATE, [rows.state_row(state)])

    async def take(self, devices: Sequence[AdeDevice], state: SyncState | None) -> None:
        async def take(write: Write) -> None:
            if devices:
                await write.sql.run(_PUT_DEVICES, *transposed(map(rows.device_row, devices)))
            if state is not None:
                await write.sql.run(_PUT_STATE, *transposed([rows.state_row(state)]))

        await self._database.write(take)

    async def end_fetch(self, server: str, began_at: Instant, now: Instant) -> tuple[str, ...]:
        async def end(write: Write) -> tuple[str, ...]:
            return tuple(sorted(row[0] for row in await write.sql.all(_GONE, now, server, began_at)))

        return await self._database.write(end)

    async def devices(
        self, server: str | None, limit: int, after: tuple[str, str] = ("", ""), *, deleted: bool = False
    ) -> tuple[Listed, ...]:
        found = await self._database.all(_DEVICES, *after, server, deleted, limit)
        return tuple(map(rows.listed, found))

    async def some(self, server: str, serials: Sequence[str]) -> tuple[Listed, ...]:
        return tuple(map(rows.listed, await self._database.all(_SOME, server, list(serials))))

    async def find(self, serial: str) -> tuple[Listed, ...]:
        return tuple(map(rows.listed, await self._database.all(_FIND, serial)))

    async def assign(self, assignments: Sequence[Assignment], events: tuple[Event, ...] = ()) -> None:
        await self._put(_ASSIGN, [rows.assignment_row(each) for each in assignments], events)

    async def settle(self, assignments: Sequence[Assignment]) -> None:
        await self._put(
            _SETTLE,
            [
                (a.due_at, a.attempts, a.outcome, a.server, a.serial_number, a.profile, a.assigned_at)
                for a in assignments
            ],
        )

    async def due(self, server: str, now: Instant, limit: int) -> tuple[Assignment, ...]:
        return tuple(rows.assignment(row) for row in await self._database.all(_DUE, server, now, limit))

    async def next_due(self, server: str) -> Instant | None:
        row = await self._database.one(_NEXT_DUE, server)
        return None if row is None else row[0]

    async def profiles(self, server: str) -> tuple[AdeProfile, ...]:
        return tuple(rows.profile(row) for row in await self._database.all(_PROFILES, server))

    async def put_profile(self, profile: AdeProfile, events: tuple[Event, ...] = ()) -> None:
        await self._put(_PUT_PROFILE, [rows.profile_row(profile)], events)

    async def remove_profile(self, server: str, name: str, events: tuple[Event, ...] = ()) -> None:
        await self._run(_REMOVE_PROFILE, server, name, events=events)

    async def rules(self, server: str) -> tuple[AdeRule, ...]:
        return tuple(rows.rule(row) for row in await self._database.all(_RULES, server))

    async def put_rules(self, server: str, rules: Sequence[AdeRule], events: tuple[Event, ...] = ()) -> None:
        async def put(write: Write) -> None:
            await write.sql.run(_NO_RULES, server)
            if rules:
                await write.sql.run(_PUT_RULES, *transposed(map(rows.rule_row, rules)))
            await add_events(write, events)

        await self._database.write(put)

    async def _put(self, statement: str, values: Sequence[Row], events: tuple[Event, ...] = ()) -> None:
        """One statement for all; in an order of their own, so that two writers never wait for each other in a ring."""
        if values:
            ordered = transposed(sorted(values, key=repr))
            await self._run(statement, *ordered, events=events)

    async def _run(self, statement: str, *values: object, events: tuple[Event, ...]) -> None:
        async def run(write: Write) -> None:
            await write.sql.run(statement, *values)
            await add_events(write, events)

        await self._database.write(run)

"""Automated Device Enrollment: servers, devices, assignments, profiles, rules."""

from collections.abc import Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import ade_rows as rows
from corral.store.ade import AdeDevice, AdeProfile, AdeRule, AdeServer, Assignment, Listed, SyncState
from corral.store.sqlite.applying import add_events
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.database import Database
from corral.store.sqlite.statements import insert, select, upsert
from corral.store.sqlite.writer import Write

_SERVERS = select("FROM ade_server AS s ORDER BY s.name", s=rows.SERVER)
_SERVER = select("FROM ade_server AS s WHERE s.name = ?", s=rows.SERVER)
_PUT_SERVER = upsert("ade_server", rows.SERVER, "name")
_REMOVE_SERVER = "DELETE FROM ade_server WHERE name = ?"
_STATE = select("FROM ade_sync AS y WHERE y.server = ?", y=rows.STATE)
_PUT_STATE = upsert("ade_sync", rows.STATE, "server")
_PUT_DEVICE = upsert("ade_device", rows.DEVICE, "server, serial_number")
_GONE = (
    "UPDATE ade_device SET deleted_at = ? WHERE server = ? AND seen_at < ? AND deleted_at IS NULL"
    " RETURNING serial_number"
)
_JOINED = (
    "FROM ade_device AS d LEFT JOIN ade_assignment AS a ON (a.server, a.serial_number) = (d.server, d.serial_number)"
)
_LISTED = {"d": rows.DEVICE, "a": rows.ASSIGNMENT}
_DEVICES = select(
    _JOINED + " WHERE (d.server, d.serial_number) > (?1, ?2) AND (?3 IS NULL OR d.server = ?3)"
    " AND (?4 OR d.deleted_at IS NULL) ORDER BY d.server, d.serial_number LIMIT ?5",
    **_LISTED,
)
_ONE = select(_JOINED + " WHERE d.server = ? AND d.serial_number = ?", **_LISTED)
_FIND = select(_JOINED + " WHERE d.serial_number = ? ORDER BY d.server", **_LISTED)
_ASSIGN = upsert("ade_assignment", rows.ASSIGNMENT, "server, serial_number")
_SETTLE = (
    "UPDATE ade_assignment SET due_at = ?, attempts = ?, outcome = ?"
    " WHERE server = ? AND serial_number = ? AND profile = ? AND assigned_at = ?"
)
_DUE = select(
    "FROM ade_assignment AS a JOIN ade_device AS d ON (d.server, d.serial_number) = (a.server, a.serial_number)"
    " WHERE a.server = ? AND a.due_at <= ? AND d.deleted_at IS NULL ORDER BY a.due_at, a.serial_number LIMIT ?",
    a=rows.ASSIGNMENT,
)
_NEXT_DUE = (
    "SELECT min(a.due_at) FROM ade_assignment AS a JOIN ade_device AS d"
    " ON (d.server, d.serial_number) = (a.server, a.serial_number)"
    " WHERE a.server = ? AND a.due_at IS NOT NULL AND d.deleted_at IS NULL"
)
_PROFILES = select("FROM ade_profile AS p WHERE p.server = ? ORDER BY p.name", p=rows.PROFILE)
_PUT_PROFILE = upsert("ade_profile", rows.PROFILE, "server, name")
_RULES = select("FROM ade_rule AS r WHERE r.server = ? ORDER BY r.position", r=rows.RULE)
_PUT_RULE = insert("ade_rule", rows.RULE)


class SqliteAde:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def servers(self) -> tuple[AdeServer, ...]:
        def read(sql: Sql) -> tuple[AdeServer, ...]:
            return tuple(rows.server(row, self._sealer) for row in sql.execute(_SERVERS))

        return self._database.read(read)

    async def server(self, name: str) -> AdeServer | None:
        def read(sql: Sql) -> AdeServer | None:
            row = sql.execute(_SERVER, (name,)).fetchone()
            return None if row is None else rows.server(row, self._sealer)

        return self._database.read(read)

    async def put_server(self, server: AdeServer, events: tuple[Event, ...] = ()) -> None:
        await self._execute(_PUT_SERVER, [rows.server_row(server, self._sealer)], events)

    async def remove_server(self, name: str, events: tuple[Event, ...] = ()) -> None:
        await self._execute(_REMOVE_SERVER, [(name,)], events)

    async def state(self, server: str) -> SyncState:
        row = self._database.one(_STATE, (server,))
        return SyncState(server=server) if row is None else rows.state(row)

    async def put_state(self, state: SyncState) -> None:
        await self._execute(_PUT_STATE, [rows.state_row(state)])

    async def take(self, devices: Sequence[AdeDevice], state: SyncState | None) -> None:
        def take(write: Write) -> None:
            for each in devices:
                write.sql.execute(_PUT_DEVICE, rows.device_row(each))
            if state is not None:
                write.sql.execute(_PUT_STATE, rows.state_row(state))

        await self._database.write(take)

    async def end_fetch(self, server: str, began_at: Instant, now: Instant) -> tuple[str, ...]:
        def end(write: Write) -> tuple[str, ...]:
            return tuple(sorted(row[0] for row in write.sql.execute(_GONE, (now, server, began_at)).fetchall()))

        return await self._database.write(end)

    async def devices(
        self, server: str | None, limit: int, after: tuple[str, str] = ("", ""), *, deleted: bool = False
    ) -> tuple[Listed, ...]:
        found = await self._database.browse(
            lambda sql: sql.execute(_DEVICES, (*after, server, deleted, limit)).fetchall()
        )
        return tuple(map(rows.listed, found))

    async def some(self, server: str, serials: Sequence[str]) -> tuple[Listed, ...]:
        def read(sql: Sql) -> list[Row]:
            return [row for serial in sorted(set(serials)) for row in sql.execute(_ONE, (server, serial))]

        return tuple(map(rows.listed, await self._database.browse(read)))

    async def find(self, serial: str) -> tuple[Listed, ...]:
        return tuple(map(rows.listed, self._database.all(_FIND, (serial,))))

    async def assign(self, assignments: Sequence[Assignment], events: tuple[Event, ...] = ()) -> None:
        await self._execute(_ASSIGN, [rows.assignment_row(each) for each in assignments], events)

    async def settle(self, assignments: Sequence[Assignment]) -> None:
        await self._execute(
            _SETTLE,
            [
                (a.due_at, a.attempts, a.outcome, a.server, a.serial_number, a.profile, a.assigned_at)
                for a in assignments
            ],
        )

    async def due(self, server: str, now: Instant, limit: int) -> tuple[Assignment, ...]:
        return tuple(rows.assignment(row) for row in self._database.all(_DUE, (server, now, limit)))

    async def next_due(self, server: str) -> Instant | None:
        row = self._database.one(_NEXT_DUE, (server,))
        return None if row is None else row[0]

    async def profiles(self, server: str) -> tuple[AdeProfile, ...]:
        return tuple(rows.profile(row) for row in self._database.all(_PROFILES, (server,)))

    async def put_profile(self, profile: AdeProfile, events: tuple[Event, ...] = ()) -> None:
        await self._execute(_PUT_PROFILE, [rows.profile_row(profile)], events)

    async def remove_profile(self, server: str, name: str, events: tuple[Event, ...] = ()) -> None:
        await self._execute("DELETE FROM ade_profile WHERE server = ? AND name = ?", [(server, name)], events)

    async def rules(self, server: str) -> tuple[AdeRule, ...]:
        return tuple(rows.rule(row) for row in self._database.all(_RULES, (server,)))

    async def put_rules(self, server: str, rules: Sequence[AdeRule], events: tuple[Event, ...] = ()) -> None:
        def put(write: Write) -> None:
            write.sql.execute("DELETE FROM ade_rule WHERE server = ?", (server,))
            for each in rules:
                write.sql.execute(_PUT_RULE, rows.rule_row(each))
            add_events(write, events)

        await self._database.write(put)

    async def _execute(self, statement: str, values: Sequence[Row], events: tuple[Event, ...] = ()) -> None:
        def execute(write: Write) -> None:
            for each in values:
                write.sql.execute(statement, each)
            add_events(write, events)

        if values:
            await self._database.write(execute)

"""What devices were asked to tell of themselves."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Mapping, Sequence

import msgspec

from corral.lifecycle.change import Event
from corral.lifecycle.collecting import COLLECT, REPORTS, SOON, Inquiry
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import collection_rows as rows
from corral.store.collection import Asking, Uncollected
from corral.store.sqlite.applying import PUT_WORK_AGAIN, add_events
from corral.store.sqlite.database import Database
from corral.store.sqlite.queue import put_in_queue
from corral.store.sqlite.writer import Write

_INQUIRIES = (
    rows.SELECT_INQUIRY
    + " FROM json_each(?) AS a CROSS JOIN collection AS c ON c.channel_id = a.value"
    + rows.JOIN_COMMANDS
)
_ASKED = (
    "INSERT INTO collection (channel_id, report, asked_at, command_uuid) SELECT ch.id, ?2, ?3, ?4"
    " FROM json_each(?1) AS a CROSS JOIN channel AS ch ON ch.id = a.value WHERE TRUE"
    " ON CONFLICT (channel_id, report) DO UPDATE SET asked_at = excluded.asked_at, command_uuid = excluded.command_uuid"
)
_STIR = (
    "INSERT INTO collection (channel_id, report, stirred_at, stirred_by) SELECT ch.id, r.value, ?3, ?4"
    " FROM json_each(?1) AS a CROSS JOIN channel AS ch ON ch.id = a.value AND ch.user_id = ''"
    " CROSS JOIN json_each(?2) AS r WHERE TRUE ON CONFLICT (channel_id, report) DO UPDATE"
    " SET stirred_at = excluded.stirred_at, stirred_by = excluded.stirred_by"
)
_LOOK = (
    "INSERT INTO work (kind, key, due_at, free_at, attempts) SELECT ?2, ch.id, ?3, ?3, 0"
    " FROM json_each(?1) AS a CROSS JOIN channel AS ch ON ch.id = a.value AND ch.user_id = '' WHERE TRUE"
    + PUT_WORK_AGAIN
)
_UNCOLLECTED = (
    "SELECT id, device_id FROM connection AS co WHERE phase = 'connected' AND id > ?2"
    " AND NOT EXISTS (SELECT 1 FROM work WHERE kind = ?1 AND key = co.id) ORDER BY id LIMIT ?3"
)
_HURRY = (
    "UPDATE work SET due_at = ?1, free_at = ?1 WHERE kind = ?2 AND key IN (SELECT key FROM work WHERE kind = ?2"
    " AND free_at > ?1 AND lease IS NULL ORDER BY free_at LIMIT ?3)"
)
_FORGET = "DELETE FROM collection WHERE channel_id IN (SELECT value FROM json_each(?))"
_OLDEST = "SELECT value, (SELECT min(asked_at) FROM collection WHERE report = value) FROM json_each(?)"


class SqliteCollection:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def inquiries(self, channel_ids: Sequence[str]) -> tuple[Inquiry, ...]:
        wanted = _list(channel_ids)
        found = await self._database.browse(lambda sql: sql.execute(_INQUIRIES, (wanted,)).fetchall())
        return tuple(map(rows.inquiry, found))

    async def ask(self, askings: Sequence[Asking], events: tuple[Event, ...] = ()) -> tuple[frozenset[str], ...]:
        def ask(write: Write) -> tuple[frozenset[str], ...]:
            reached = tuple([self._ask(write, each) for each in askings])
            add_events(write, events)
            return reached

        return await self._database.write(ask)

    def _ask(self, write: Write, asking: Asking) -> frozenset[str]:
        command = asking.command
        reached = put_in_queue(write, self._sealer, command, _list(asking.channel_ids))
        write.sql.execute(_ASKED, (_list(reached), command.request_type, command.created_at, command.uuid))
        return frozenset(reached)

    async def pass_over(self, report: str, channel_ids: Sequence[str], at: Instant) -> None:
        def pass_over(write: Write) -> None:
            write.sql.execute(_ASKED, (_list(channel_ids), report, at, None))

        await self._database.write(pass_over)

    async def stir(self, command_uuid: str, reports: Sequence[str], channel_ids: Sequence[str], at: Instant) -> None:
        channels = _list(channel_ids)

        def stir(write: Write) -> None:
            write.sql.execute(_STIR, (channels, _list(reports), at, command_uuid))
            write.sql.execute(_LOOK, (channels, COLLECT, at + SOON))
            write.woken.add(COLLECT)

        await self._database.write(stir)

    async def uncollected(self, after: str, limit: int) -> tuple[Uncollected, ...]:
        found = await self._database.browse(lambda sql: sql.execute(_UNCOLLECTED, (COLLECT, after, limit)).fetchall())
        return tuple(Uncollected(row[0], row[1]) for row in found)

    async def hurry(self, due_at: Instant, limit: int) -> int:
        def hurry(write: Write) -> int:
            write.sql.execute(_HURRY, (due_at, COLLECT, limit))
            return write.sql.changes()

        return await self._database.write(hurry)

    async def forget(self, channel_ids: Sequence[str]) -> None:
        def forget(write: Write) -> None:
            write.sql.execute(_FORGET, (_list(channel_ids),))

        await self._database.write(forget)

    async def oldest(self) -> Mapping[str, Instant]:
        found = await self._database.browse(lambda sql: sql.execute(_OLDEST, (_list(REPORTS),)).fetchall())
        return {report: at for report, at in found if at is not None}


def _list(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()

"""What devices were asked to tell of themselves."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Mapping, Sequence

from corral.lifecycle.change import Event
from corral.lifecycle.collecting import COLLECT, REPORTS, SOON, Inquiry
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import collection_rows as rows
from corral.store.bodies import seal_command
from corral.store.collection import Asking, Uncollected
from corral.store.postgres.database import Database, Write
from corral.store.postgres.exchanging import PUT_WORK_AGAIN
from corral.store.postgres.putting import add_events
from corral.store.postgres.queue import push_for, put_in_queue

AT_ONCE = 2_000
"""Channels in one statement."""

_INQUIRIES = (
    rows.SELECT_INQUIRY + " FROM unnest($1::text[]) AS a (id) CROSS JOIN LATERAL"
    " (SELECT * FROM collection WHERE channel_id = a.id OFFSET 0) AS c" + rows.JOIN_COMMANDS
)
_ASKED = (
    "INSERT INTO collection (channel_id, report, asked_at, command_uuid)"
    " SELECT ch.id, $2, $3::bigint, $4 FROM channel AS ch WHERE ch.id = ANY ($1::text[]) ORDER BY ch.id"
    " ON CONFLICT (channel_id, report) DO UPDATE"
    " SET asked_at = excluded.asked_at, command_uuid = excluded.command_uuid"
)
_STIRRED = "SELECT ch.id FROM channel AS ch WHERE ch.id = ANY ($1::text[]) AND ch.user_id = '' ORDER BY ch.id"
_STIR = (
    "INSERT INTO collection (channel_id, report, stirred_at, stirred_by)"
    " SELECT a.id, r.name, $3::bigint, $4 FROM unnest($1::text[]) AS a (id) CROSS JOIN unnest($2::text[]) AS r (name)"
    " ON CONFLICT (channel_id, report) DO UPDATE SET stirred_at = excluded.stirred_at, stirred_by = excluded.stirred_by"
)
_LOOK = (
    "INSERT INTO work (kind, key, due_at, free_at, attempts)"
    " SELECT $2, a.key, $3::bigint, $3::bigint, 0 FROM unnest($1::text[]) AS a (key) " + PUT_WORK_AGAIN
)
_UNCOLLECTED = (
    "SELECT id, device_id FROM connection AS co WHERE phase = 'connected' AND id > $2"
    " AND NOT EXISTS (SELECT 1 FROM work WHERE kind = $1 AND key = co.id) ORDER BY id LIMIT $3"
)
# By their places: by their keys a database that takes all this work for little goes through all of it for each.
_HURRY = (
    "UPDATE work SET due_at = $1::bigint, free_at = $1::bigint WHERE ctid = ANY (ARRAY(SELECT ctid"
    " FROM work WHERE kind = $2 AND free_at > $1::bigint AND lease IS NULL ORDER BY free_at LIMIT $3"
    " FOR UPDATE SKIP LOCKED)) RETURNING key"
)
_FORGET = "DELETE FROM collection WHERE channel_id = ANY ($1::text[])"
_OLDEST = (
    "SELECT a.name, (SELECT min(asked_at) FROM collection WHERE report = a.name) FROM unnest($1::text[]) AS a (name)"
)


class PostgresCollection:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def inquiries(self, channel_ids: Sequence[str]) -> tuple[Inquiry, ...]:
        return tuple(map(rows.inquiry, await self._database.all(_INQUIRIES, list(channel_ids))))

    async def ask(self, askings: Sequence[Asking], events: tuple[Event, ...] = ()) -> tuple[frozenset[str], ...]:
        bodies = [seal_command(each.command.body, each.command.uuid, self._sealer) for each in askings]

        async def ask(write: Write) -> tuple[frozenset[str], ...]:
            asked: list[frozenset[str]] = []
            pushed: dict[str, None] = {}
            for asking, sealed in zip(askings, bodies, strict=True):
                command = asking.command
                reached, new = await put_in_queue(write, command, sealed, sorted(set(asking.channel_ids)))
                for start in range(0, len(reached), AT_ONCE):
                    some = reached[start : start + AT_ONCE]
                    await write.sql.run(_ASKED, some, command.request_type, command.created_at, command.uuid)
                pushed |= dict.fromkeys(new)
                asked.append(frozenset(reached))
            if askings:
                await push_for(write, askings[0].command, list(pushed))
            await add_events(write, events)
            return tuple(asked)

        return await self._database.write(ask)

    async def pass_over(self, report: str, channel_ids: Sequence[str], at: Instant) -> None:
        await self._database.write(lambda write: write.sql.run(_ASKED, sorted(channel_ids), report, at, None))

    async def stir(self, command_uuid: str, reports: Sequence[str], channel_ids: Sequence[str], at: Instant) -> None:
        channels = sorted(set(channel_ids))

        async def stir(write: Write) -> None:
            for start in range(0, len(channels), AT_ONCE):
                found = await write.sql.all(_STIRRED, channels[start : start + AT_ONCE])
                some = [row[0] for row in found]
                await write.sql.run(_STIR, some, sorted(reports), at, command_uuid)
                await write.sql.run(_LOOK, some, COLLECT, at + SOON)
            write.woken.add(COLLECT)

        await self._database.write(stir)

    async def uncollected(self, after: str, limit: int) -> tuple[Uncollected, ...]:
        found = await self._database.all(_UNCOLLECTED, COLLECT, after, limit)
        return tuple([Uncollected(row[0], row[1]) for row in found])

    async def hurry(self, due_at: Instant, limit: int) -> int:
        async def hurry(write: Write) -> int:
            return len(await write.sql.all(_HURRY, due_at, COLLECT, limit))

        return await self._database.write(hurry)

    async def forget(self, channel_ids: Sequence[str]) -> None:
        await self._database.write(lambda write: write.sql.run(_FORGET, sorted(channel_ids)))

    async def oldest(self) -> Mapping[str, Instant]:
        return {report: at for report, at in await self._database.all(_OLDEST, list(REPORTS)) if at is not None}

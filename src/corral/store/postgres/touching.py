"""Changes that do no more than touch channels of a known device, most token updates among them: one statement is their
whole commit.

As a transaction of several statements they would take six round trips, and a batch waits for each of them.
"""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Iterable, Sequence

from corral.lifecycle.change import Change
from corral.sealing import Sealer
from corral.store import rows
from corral.store.events import EVENT
from corral.store.postgres.applying import COUNT_ONE_UP, FENCED
from corral.store.postgres.connecting import Session
from corral.store.postgres.exchanging import PUT_WORK_AGAIN
from corral.store.postgres.putting import earliest
from corral.store.postgres.statements import arrays, listed, replaced
from corral.store.rows import Row

_CHANNEL = "id " + rows.CHANNEL
_WORK = "kind key due_at"
_OWNED = "owner {}"
"""Every row names the device of its change: where that has moved on, nothing is written."""

_CHANNELS_FROM = 1 + len(FENCED.split())
_EVENTS_FROM = _CHANNELS_FROM + 1 + len(_CHANNEL.split())
_WORK_FROM = _EVENTS_FROM + 1 + len(rows.EVENT.split())
_STILL = "WHERE a.owner IN (SELECT id FROM passed)"
_TOUCH = (
    f"WITH passed AS MATERIALIZED ({COUNT_ONE_UP}), touched AS ("
    f"INSERT INTO channel ({', '.join(_CHANNEL.split())}) SELECT {listed(_CHANNEL, 'a')}"
    f" FROM {arrays(_OWNED.format(_CHANNEL), first=_CHANNELS_FROM)} {_STILL}"
    f" ON CONFLICT (id) DO UPDATE SET {replaced(_CHANNEL, 'id')}), told AS ("
    f"INSERT INTO event ({', '.join(rows.EVENT.split())}) SELECT {listed(rows.EVENT, 'a')}"
    f" FROM {arrays(_OWNED.format(rows.EVENT), first=_EVENTS_FROM)} {_STILL}), put AS ("
    "INSERT INTO work (kind, key, due_at, free_at, attempts) SELECT a.kind, a.key, a.due_at, a.due_at, 0"
    f" FROM {arrays(_OWNED.format(_WORK), first=_WORK_FROM)} {_STILL} ORDER BY a.kind, a.key {PUT_WORK_AGAIN})"
    " SELECT id FROM passed"
)


def only_touches(change: Change) -> bool:
    """Whether it holds nothing that other devices, or the rest of its own, could be in the way of, and nothing that
    somebody has caused, of which the audit trail has to know."""
    plain = Change(
        device_id=change.device_id,
        expects=change.expects,
        channels=change.channels,
        events=change.events,
        work=change.work,
        at=change.at,
    )
    return change.expects > 0 and change == plain and all(event.actor is None for event in change.events)


def woken_by(change: Change) -> set[str]:
    """The kinds of work that wait once it is committed."""
    return {work.kind for work in change.work} | ({EVENT} if change.events else set())


async def touch(sql: Session, sealer: Sealer, changes: Sequence[Change]) -> frozenset[int]:
    """Write those that fit, each of another device; returns the places of the others, of which nothing is written."""
    ordered = sorted(changes, key=lambda change: change.device_id or "")
    found = await sql.all(
        _TOUCH,
        *_columns(FENCED, ((change.expects, change.device_id) for change in ordered)),
        *_columns(
            _OWNED.format(_CHANNEL),
            (
                (change.device_id, channel.id, *rows.channel_row(channel, sealer))
                for change in ordered
                for channel in change.channels
            ),
        ),
        *_columns(
            _OWNED.format(rows.EVENT),
            ((change.device_id, *rows.event_row(event)) for change in ordered for event in change.events),
        ),
        *_columns(
            _OWNED.format(_WORK),
            ((change.device_id, *key, due_at) for change in ordered for key, due_at in earliest(change.work).items()),
        ),
    )
    passed = {row[0] for row in found}
    return frozenset(place for place, change in enumerate(changes) if change.device_id not in passed)


def _columns(names: str, values: Iterable[Row]) -> Sequence[list[object]]:
    """An array for each name, also where there is no row."""
    columns = [list(column) for column in zip(*values, strict=True)]
    return columns or [[] for _ in names.split()]

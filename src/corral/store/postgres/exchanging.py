"""The exchanges of many devices as one statement: who may speak, what is kept, and which command is next.

All parts of a statement see the database as it was when it began; so what a report closes is left out of the next
command by name.
"""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Sequence

from corral.apple.report import Status
from corral.lifecycle.state import DeliveryState
from corral.sealing import Sealer
from corral.store import rows
from corral.store.bodies import open_command, seal_result
from corral.store.devices import Ask, Next
from corral.store.postgres.connecting import Session
from corral.store.postgres.statements import arrays, looked_up, same, transposed

PUT_WORK_AGAIN = (
    "ON CONFLICT (kind, key) DO UPDATE SET"
    " due_at = CASE WHEN work.lease IS NULL THEN least(work.due_at, excluded.due_at) ELSE work.due_at END,"
    " free_at = CASE WHEN work.lease IS NULL THEN least(work.free_at, excluded.free_at) ELSE work.free_at END,"
    " again_at = CASE WHEN work.lease IS NULL THEN NULL ELSE least(work.again_at, excluded.due_at) END"
    " WHERE work.lease IS NOT NULL OR excluded.due_at < greatest(work.due_at, work.free_at)"
)
"""The earlier time wins, and else nothing is written; what is leased remembers that it was put again."""

CLOSED_AS = {
    Status.ACKNOWLEDGED: DeliveryState.ACKNOWLEDGED,
    Status.ERROR: DeliveryState.ERROR,
    Status.COMMAND_FORMAT_ERROR: DeliveryState.FORMAT_ERROR,
}

KEEP_RESULT = (
    "INSERT INTO result (channel_id, command_uuid, connection_id, status, received_at, unreadable, body)"
    " SELECT channel, command_uuid, connection, status, now, unreadable, body FROM {said} AS s"
    " WHERE state IS NOT NULL AND command_uuid IS NOT NULL ON CONFLICT DO NOTHING"
)
ANSWER_DELIVERY = (
    "UPDATE delivery AS d SET state = coalesce(s.state, d.state),"
    " finished_at = CASE WHEN s.state IS NULL THEN d.finished_at ELSE s.now END,"
    " deferred_at = CASE WHEN s.state IS NULL THEN s.now ELSE d.deferred_at END,"
    " not_now_count = CASE WHEN s.state IS NULL THEN d.not_now_count + 1 ELSE d.not_now_count END"
    " FROM {said} AS s WHERE " + same("d.sequence", "s.sequence") + " AND coalesce(d.state, '') = 'open'"
)
"""The first final answer to a command is kept and closes it; where there is no `state` it is NotNow.

Disguised, the state keeps the statement from reading all that is open.
"""

_WHO = "fingerprint now device_id user_id"
_SAID = _WHO + " command_uuid status state body unreadable push_at"

# Disguised, `status` and `ended_at` offer no index of their own: where the database knows a table from before most of
# its rows were bound, it would read all that are, for each poll.
_SPEAKER = (
    "CROSS JOIN "
    + looked_up(
        "certificate",
        "connection_id",
        "fingerprint = a.fingerprint AND coalesce(status, '') = 'bound' AND not_after > a.now",
        "ce",
    )
    + " CROSS JOIN "
    + looked_up(
        "connection",
        "id",
        "id = ce.connection_id AND device_id = a.device_id AND open AND recheck_at > a.now",
        "co",
    )
    # The key of a user channel is null where none is named: its index is not even looked into.
    + " LEFT JOIN "
    + looked_up(
        "channel",
        "id",
        "id = CASE WHEN a.user_id <> '' THEN co.id || '/' || a.user_id END AND coalesce(ended_at, 0) = 0",
        "ch",
    )
    + " ON TRUE"
)
_EXISTS = "(a.user_id = '' OR ch.id IS NOT NULL)"


def _first_open(channel: str, now: str, also: str = "") -> str:
    return (
        f"SELECT d.command_uuid, d.trace FROM delivery AS d WHERE d.channel_id = {channel} AND d.state = 'open'"
        f" AND d.not_before <= {now} AND d.expires_at > {now}{also} ORDER BY d.priority DESC, d.sequence LIMIT 1"
    )


_COMMAND = looked_up("command", "uuid body", "uuid = following.command_uuid", "c")

_POLL = (
    "SELECT a.n, coalesce(ch.id, co.id), c.uuid, c.body, following.trace, NULL,"
    " following.command_uuid IS NOT NULL AND EXISTS"
    " (SELECT FROM delivery AS d WHERE d.channel_id = coalesce(ch.id, co.id) AND d.state = 'open'"
    f" AND d.deferred_at IS NOT NULL OFFSET 0) FROM {arrays(_WHO, numbered=True)} {_SPEAKER}"
    f" LEFT JOIN LATERAL ({_first_open('coalesce(ch.id, co.id)', 'a.now')}) AS following ON TRUE"
    f" LEFT JOIN {_COMMAND} ON TRUE WHERE {_EXISTS}"
)

_OFFER_AGAIN = (
    "WITH deferred AS MATERIALIZED (SELECT sequence FROM delivery"
    " WHERE channel_id = ANY ($1::text[]) AND state = 'open' AND deferred_at IS NOT NULL"
    " ORDER BY channel_id, sequence FOR UPDATE)"
    " UPDATE delivery AS d SET deferred_at = NULL FROM deferred WHERE d.sequence = deferred.sequence"
)

_REPORT = (
    "WITH speaker AS MATERIALIZED ("
    "SELECT a.n, coalesce(ch.id, co.id) AS channel, co.id AS connection, a.now, a.command_uuid, a.status, a.state,"
    f" a.body, a.unreadable, a.push_at, q.sequence, q.trace FROM {arrays(_SAID, numbered=True)} {_SPEAKER}"
    " LEFT JOIN "
    + looked_up(
        "delivery",
        "sequence consequence trace",
        "channel_id = coalesce(ch.id, co.id) AND command_uuid = a.command_uuid",
        "q",
    )
    + " ON TRUE"
    f" WHERE {_EXISTS} AND coalesce(q.consequence, 'plain') = 'plain'"
    "), kept AS ("
    + KEEP_RESULT.format(said="speaker")
    + "), touched AS ("
    + ANSWER_DELIVERY.format(said="speaker")
    + " RETURNING s.channel, s.state, s.push_at"
    "), put AS ("
    "INSERT INTO work (kind, key, due_at, free_at, attempts)"
    " SELECT 'push-later', channel, push_at, push_at, 0 FROM touched WHERE state IS NULL " + PUT_WORK_AGAIN + ")"
    " SELECT s.n, s.channel, c.uuid, c.body, following.trace, s.trace FROM speaker AS s LEFT JOIN LATERAL ("
    + _first_open("s.channel", "s.now", " AND d.deferred_at IS NULL AND d.sequence IS DISTINCT FROM s.sequence")
    + f") AS following ON TRUE LEFT JOIN {_COMMAND} ON TRUE"
)


_ONLY = " AND ($3 OR d.deferred_at IS NULL) AND ($4::text[] IS NULL OR d.consequence = ANY ($4))"
NEXT = (
    f"SELECT c.uuid, c.body, following.trace FROM ({_first_open('$1', '$2', _ONLY)}) AS following CROSS JOIN {_COMMAND}"
)
"""Of a channel, at a time, after Idle or not, of these consequences or (null) of all."""


async def poll(sql: Session, sealer: Sealer, asks: Sequence[Ask]) -> list[Next | None]:
    """The next command of each; None for those that ordinary traffic does not pass.

    Writes nothing but where commands were deferred, which are offered again like all others from now on.
    """
    found = await sql.all(_POLL, *transposed(_who(ask) for ask in asks))
    deferred = [row[1] for row in found if row[6]]
    if deferred:
        await sql.run(_OFFER_AGAIN, deferred)
    return _placed(len(asks), sealer, [row[:6] for row in found])


async def report(sql: Session, sealer: Sealer, asks: Sequence[Ask]) -> list[Next | None]:
    """The same, with what each reports kept. No two of the same channel."""
    order = sorted(range(len(asks)), key=lambda place: (asks[place].contact.device_id, asks[place].contact.user_id))
    found = await sql.all(_REPORT, *transposed((*_who(asks[place]), *_said(asks[place], sealer)) for place in order))
    answers: list[Next | None] = [None] * len(asks)
    for place, answer in zip(order, _placed(len(asks), sealer, found), strict=True):
        answers[place] = answer
    return answers


def _who(ask: Ask) -> rows.Row:
    contact = ask.contact
    return contact.fingerprint, ask.now, contact.device_id, contact.user_id


def _said(ask: Ask, sealer: Sealer) -> rows.Row:
    state = CLOSED_AS.get(ask.status)
    uuid = ask.contact.command_uuid
    body = b"" if state is None or uuid is None else seal_result(ask.body, uuid, sealer)
    return uuid, ask.status, state, body, ask.unreadable, ask.push_again_at


def _placed(count: int, sealer: Sealer, found: Sequence[rows.Row]) -> list[Next | None]:
    placed: list[Next | None] = [None] * count
    for number, channel, uuid, body, trace, answered in found:
        placed[number - 1] = (
            Next(channel, answered=answered)
            if uuid is None
            else Next(channel, uuid, open_command(body, uuid, sealer), trace, answered)
        )
    return placed

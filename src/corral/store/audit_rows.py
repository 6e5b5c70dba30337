"""Audit entries as rows, and the chain that links them: each link is the SHA-256 of the one before and of the entry."""

from collections.abc import Sequence

import msgspec

from corral.lifecycle.actor import Actor
from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant
from corral.sealing import Sealer, SealError
from corral.store.audit import BEGINNING, Audited, AuditEntry, AuditOutcome, AuditQuery, End, Linked, link_of
from corral.store.rows import Row

ENTRY = "at outcome what device_id data actor_kind actor_id actor_name operation address agent request"
AUDITED = "sequence place " + ENTRY
HEAD, ANCHOR = "head", "anchor"
"""The rows of the table `audit_end`."""
BROKEN_HEAD = "The ends of the audit trail do not open: another sealing key, or somebody has written in the database."


def entry_row(value: AuditEntry) -> Row:
    actor = value.actor
    return (
        value.at,
        value.outcome.value,
        value.what,
        value.device_id,
        msgspec.json.encode(value.data).decode(),
        actor.kind,
        actor.id,
        actor.name,
        actor.operation,
        actor.address,
        actor.agent,
        actor.request,
    )


def rows_of(events: Sequence[Event]) -> list[Row]:
    """Of those events that somebody has caused."""
    return [
        entry_row(
            AuditEntry(
                actor=event.actor,
                at=event.at,
                outcome=AuditOutcome.DONE,
                what=event.type,
                device_id=event.device_id,
                data=event.data,
            )
        )
        for event in events
        if event.actor is not None
    ]


def audited(row: Row) -> Audited:
    sequence, place, at, outcome, what, device_id, data, kind, id_, name, operation, address, agent, request = row
    actor = Actor(kind=kind, id=id_, name=name, operation=operation, address=address, agent=agent, request=request)
    entry = AuditEntry(
        actor=actor,
        at=at,
        outcome=AuditOutcome(outcome),
        what=what,
        device_id=device_id,
        data=msgspec.json.decode(data),
    )
    return Audited(sequence=sequence, entry=entry, place=place)


def conditions(query: AuditQuery) -> list[tuple[str, object]]:
    """Each with a place for its value."""
    wanted: tuple[tuple[str, object], ...] = (
        ("a.sequence < {}", query.before),
        ("{} IN (a.actor_id, a.actor_name)", query.actor),
        ("a.what = {}", query.what),
        ("a.operation = {}", query.operation),
        ("a.device_id = {}", query.device_id),
        ("a.outcome = {}", query.outcome),
        ("a.at >= {}", query.since),
        ("a.at < {}", query.until),
    )
    return [(text, value) for text, value in wanted if value is not None]


def last_old(anchor: End, oldest: Sequence[Row], before: Instant) -> End:
    """Of places with their links and times, the last up to which all are older."""
    for place, its_link, at in oldest:
        if at >= before:
            break
        anchor = End(place, its_link)
    return anchor


def extend(head: End, waiting: Sequence[Row]) -> tuple[End, list[tuple[int, bytes, int]]]:
    """Of rows (sequence, and then the entry): the new head, and the place and link of each by its sequence."""
    placed: list[tuple[int, bytes, int]] = []
    for sequence, *row in waiting:
        place = head.place + 1
        head = End(place, link_of(head.link, msgspec.json.encode([place, *row])))
        placed.append((place, head.link, sequence))
    return head, placed


def linked(row: Row) -> Linked:
    """Of a place, a link, and then the entry."""
    place, its_link, *rest = row
    return Linked(place, (place, *rest), its_link)


def seal_end(end: End, name: str, sealer: Sealer) -> bytes:
    return sealer.seal(end.place.to_bytes(8, "big") + end.link, _place(name))


def open_end(value: bytes, name: str, sealer: Sealer) -> End | None:
    """Empty: nothing has been linked, or deleted, yet. None for what was not sealed here."""
    if not value:
        return BEGINNING
    try:
        opened = sealer.open(value, _place(name))
    except SealError:
        return None
    return End(int.from_bytes(opened[:8], "big"), opened[8:])


def _place(name: str) -> str:
    return f"audit_end/value/{name}"

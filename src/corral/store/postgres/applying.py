"""Carries many Changes out in one transaction, table by table, without knowing what they mean.

First what each rests on is checked and locked, in the same order by everybody: devices, grants, links, the breaker. A
change whose device has moved on has written nothing by then and is left out; one that fails at something later is told
to the caller, who begins again without it.
"""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corral.lifecycle.change import Change
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.store import rows
from corral.store.postgres import putting
from corral.store.postgres.connecting import Session
from corral.store.postgres.database import Write
from corral.store.postgres.putting import Member
from corral.store.postgres.statements import arrays, insert, same, transposed, upsert

_DESCRIBED = [name for name in rows.DEVICE.split() if name not in ("id", "version")]
_UNSAID = (None,) * len(_DESCRIBED)
_DESCRIBED_FENCE = "expects put " + rows.DEVICE
_COUNT_UP = (
    "UPDATE device AS d SET version = d.version + 1, "
    + ", ".join(f"{name} = CASE WHEN a.put THEN a.{name} ELSE d.{name} END" for name in _DESCRIBED)
    + f" FROM {arrays(_DESCRIBED_FENCE)} WHERE {same('d.id', 'a.id')} AND d.version = a.expects RETURNING d.id"
)
_FENCED = "expects id"
_COUNT_ONE_UP = (
    f"UPDATE device AS d SET version = d.version + 1 FROM {arrays(_FENCED)} WHERE {same('d.id', 'a.id')}"
    " AND d.version = a.expects RETURNING d.id"
)
_NEW_DEVICE = insert("device", rows.DEVICE, "ON CONFLICT DO NOTHING RETURNING id")
_PUT_ANY_DEVICE = upsert("device", rows.DEVICE, "id", version="device.version + 1")
_HAS_DEVICE = "SELECT id FROM device WHERE id = ANY ($1::text[])"

_NEW_GRANT = insert("enroll_grant", putting.ENROLL_GRANT, "ON CONFLICT DO NOTHING RETURNING id")
_PUT_GRANT = (
    "UPDATE enroll_grant AS g SET "
    + ", ".join(f"{name} = a.{name}" for name in putting.ENROLL_GRANT.split() if name != "id")
    + f" FROM {arrays('expects ' + putting.ENROLL_GRANT)} WHERE {same('g.id', 'a.id')}"
    " AND g.version = a.expects RETURNING g.id"
)
_USE_LINK = (
    f"UPDATE link AS l SET used = l.used + a.count FROM {arrays('id count')}"
    f" WHERE {same('l.id', 'a.id')} AND (l.uses IS NULL OR l.used + a.count <= l.uses) RETURNING l.id"
)

_BREAKER = "SELECT opened_at FROM breaker FOR UPDATE"
_COUNTED = "SELECT connection_id, at FROM unenrolling WHERE at >= $1"
_TRIP = "UPDATE breaker SET opened_at = coalesce(opened_at, $1)"
_UNENROLLING = upsert("unenrolling", "connection_id at", "connection_id", at="greatest(unenrolling.at, excluded.at)")


class Unfit(Exception):
    """The changes at these places rest on what is not so any more. Something of them may be written: roll back."""

    def __init__(self, members: Iterable[Member]) -> None:
        super().__init__("stale")
        self.places = frozenset(member.place for member in members)


class Crowded(Exception):
    """Not all of these changes fit, and which do is decided by their order: roll back, and take them one by one."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The places of the changes that do not fit any more, and the digests of the profiles that the others refer to."""

    stale: frozenset[int]
    profiles: frozenset[bytes]


async def apply(write: Write, sealer: Sealer, changes: Sequence[Change], profiles: frozenset[bytes]) -> Applied:
    """Write all that still fit, and of the others nothing; `profiles` are the digests of those that are stored.

    Raises Unfit, Crowded and SealError, or the database's errors for the fences that are indexes and for values that
    it cannot hold.
    """
    sql = write.sql
    members = [Member(place, change, _moment(change)) for place, change in enumerate(changes)]
    members.sort(key=lambda member: member.change.device_id or "")
    stale = await _pass_devices(sql, members)
    members = [member for member in members if member.place not in stale]
    referred = frozenset[bytes]()
    if members:
        referred = await putting.put_profiles(sql, members, profiles)
        await _pass_grants(sql, members)
        await _use_links(sql, members)
        await _mind_breaker(sql, members)
        await putting.put_connections(sql, members)
        await putting.put_channels(sql, sealer, members)
        refused = await putting.put_certificates(sql, members)
        if refused:
            raise Unfit(refused)
        await putting.put_escrow(sql, sealer, members)
        await putting.keep_results(sql, sealer, members)
        await putting.silence(sql, members)
        homeless = await putting.enqueue(sql, sealer, members)
        if homeless:
            raise Unfit(homeless)
        await putting.add_events(write, [event for member in members for event in member.change.events])
        await putting.put_work(write, [work for member in members for work in member.change.work])
    return Applied(frozenset(stale), referred)


def _moment(change: Change) -> Instant:
    return change.at or max((event.at for event in change.events), default=0)


async def _pass_devices(sql: Session, members: Sequence[Member]) -> set[int]:
    """Count the versions up; returns the places of those that are not what was expected."""
    known: dict[str, Member] = {}
    new: dict[str, Member] = {}
    absent: dict[str, Member] = {}
    for member in members:
        change = member.change
        if change.device_id is not None:
            group = known if change.expects else new if change.device is not None else absent
            group[change.device_id] = member
    stale: set[int] = set()
    if known:
        stale |= _missing(known, await _count_up(sql, [member.change for member in known.values()]))
    if new:
        found = await sql.all(_NEW_DEVICE, *transposed(_first_version(member.change) for member in new.values()))
        stale |= _missing(new, found)
    if absent:
        found = await sql.all(_HAS_DEVICE, list(absent))
        stale |= {absent[row[0]].place for row in found}
    loose = [m.change.device for m in members if m.change.device_id is None and m.change.device is not None]
    if loose:
        await sql.run(_PUT_ANY_DEVICE, *transposed(rows.device_row(device) for device in loose))
    return stale


async def _count_up(sql: Session, changes: Sequence[Change]) -> Sequence[rows.Row]:
    """In one statement, so that rows are locked in the order of the devices whatever is put of each."""
    if all(change.device is None for change in changes):
        return await sql.all(_COUNT_ONE_UP, *transposed((change.expects, change.device_id) for change in changes))
    return await sql.all(_COUNT_UP, *transposed(_fence(change) for change in changes))


def _fence(change: Change) -> rows.Row:
    if change.device is None:
        return (change.expects, False, change.device_id, 0, *_UNSAID)
    return (change.expects, True, change.device_id, *rows.device_row(change.device)[1:])


def _first_version(change: Change) -> rows.Row:
    assert change.device is not None
    return change.device_id, 1, *rows.device_row(change.device)[2:]


def _missing(expected: dict[str, Member], found: Iterable[rows.Row]) -> set[int]:
    passed = {row[0] for row in found}
    return {member.place for key, member in expected.items() if key not in passed}


async def _pass_grants(sql: Session, members: Sequence[Member]) -> None:
    granted = sorted((m for m in members if m.change.grant is not None), key=_grant_id)
    new = [member for member in granted if member.change.grant and member.change.grant.version == 0]
    known = [member for member in granted if member.change.grant and member.change.grant.version != 0]
    passed: set[str] = set()
    if known:
        passed |= {row[0] for row in await sql.all(_PUT_GRANT, *transposed(_grant_row(each) for each in known))}
    if new:
        passed |= {row[0] for row in await sql.all(_NEW_GRANT, *transposed(_grant_row(each)[1:] for each in new))}
    unfit = [member for member in granted if _grant_id(member) not in passed]
    if unfit:
        raise Unfit(unfit)


def _grant_id(member: Member) -> str:
    return member.change.grant.id if member.change.grant is not None else ""


def _grant_row(member: Member) -> rows.Row:
    """With the version that is expected before it."""
    grant = member.change.grant
    assert grant is not None
    id_, version, *rest = rows.grant_row(grant, putting.profile_digest(grant.profile))
    return version, id_, version + 1, *rest


async def _use_links(sql: Session, members: Sequence[Member]) -> None:
    counts = Counter(member.change.link_used for member in members if member.change.link_used is not None)
    if not counts:
        return
    passed = {row[0] for row in await sql.all(_USE_LINK, *transposed(sorted(counts.items())))}
    exhausted = counts.keys() - passed
    if any(counts[link] > 1 for link in exhausted):
        raise Crowded
    if exhausted:
        raise Unfit(member for member in members if member.change.link_used in exhausted)


async def _mind_breaker(sql: Session, members: Sequence[Member]) -> None:
    """With the breaker open, or full by now, nobody else is told to leave: what says so was decided before."""
    leaving = [member for member in members if member.change.unenrolling is not None]
    tripping = [member for member in members if member.change.trip_breaker]
    if not leaving and not tripping:
        return
    breaker = await sql.one(_BREAKER)
    if leaving and breaker is not None and breaker[0] is not None:
        raise Unfit(leaving)
    excess = await _without_room(sql, leaving)
    if excess:
        raise Unfit(excess)
    latest: dict[str, Instant] = {}
    for member in leaving:
        key = member.change.unenrolling or ""
        latest[key] = max(member.at, latest.get(key, 0))
    if latest:
        await sql.run(_UNENROLLING, *transposed(sorted(latest.items())))
    if tripping:
        await sql.run(_TRIP, min(member.at for member in tripping))


async def _without_room(sql: Session, leaving: Sequence[Member]) -> list[Member]:
    """Those that are one too many, counted in order; the breaker is locked, so nobody else counts meanwhile."""
    since = [member.change.room.since for member in leaving if member.change.room is not None]
    if not since:
        return []
    told: dict[str, Instant] = dict(await sql.all(_COUNTED, min(since)))
    excess: list[Member] = []
    for member in leaving:
        key, room = member.change.unenrolling or "", member.change.room
        if room is not None and sum(at >= room.since for each, at in told.items() if each != key) >= room.limit:
            excess.append(member)
        else:
            told[key] = max(member.at, told.get(key, 0))
    return excess

"""What every message of a device reads and changes: exchanges, snapshots, changes, each gathered into batches."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import TypeVar

from corral.apple.report import Status
from corral.lifecycle.change import Change, Event
from corral.lifecycle.state import Consequence, Instant, Snapshot
from corral.sealing import Sealer, SealError
from corral.store.bodies import open_command
from corral.store.devices import Ask, CommitOutcome, Committed, Contact, Next, Stale
from corral.store.errors import StoreUnavailable
from corral.store.postgres import exchanging, snapshot
from corral.store.postgres.applying import Applied, Unfit, apply
from corral.store.postgres.connecting import AGAIN, FENCES, LOCKED, Session, unavailable
from corral.store.postgres.database import LANES, Database
from corral.store.postgres.forgetting import forget
from corral.store.postgres.gathering import Gatherer
from corral.store.postgres.putting import PUSH_LATER
from corral.store.postgres.snapshot import OfConnection

Member = TypeVar("Member")
Value = TypeVar("Value")

_ATTEMPTS = 4
_PROFILES_KNOWN = 1000
"""Profiles of which it is remembered that they are stored; they never change, and a fleet has few."""


class PostgresDevices:
    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._profiles = frozenset[bytes]()
        self._polls: Gatherer[Ask, Next | None] = Gatherer(self._poll, LANES)
        self._reports: Gatherer[Ask, Next | None] = Gatherer(self._report, LANES, _channel)
        self._loads: Gatherer[Contact | OfConnection, Snapshot] = Gatherer(self._load, LANES)
        self._commits: Gatherer[Change, CommitOutcome] = Gatherer(self._commit, LANES, _unit)

    async def exchange(self, ask: Ask) -> Next | Snapshot:
        gathered = self._polls if ask.status is Status.IDLE else self._reports
        answer = await gathered.ask(ask)
        return answer if answer is not None else await self.load(ask.contact)

    async def load(self, contact: Contact) -> Snapshot:
        return await self._loads.ask(contact)

    async def load_connection(self, connection_id: str, breaker_since: Instant) -> Snapshot:
        return await self._loads.ask(OfConnection(connection_id, breaker_since))

    async def commit(self, change: Change) -> CommitOutcome:
        return await self._commits.ask(change)

    async def next(
        self, channel_id: str, now: Instant, *, after_idle: bool, only: frozenset[Consequence] | None = None
    ) -> Next:
        allowed = None if only is None else sorted(only)
        async with self._database.statement() as sql:
            row = await sql.one(exchanging.NEXT, channel_id, now, after_idle, allowed)
            if row is None:
                return Next(channel_id)
            uuid, body, trace = row
            return Next(channel_id, uuid, open_command(body, uuid, self._sealer), trace)

    async def forget(self, device_id: str, events: tuple[Event, ...] = ()) -> bool:
        return await self._database.write(lambda write: forget(write, device_id, events))

    async def close(self) -> None:
        for gatherer in (self._polls, self._reports, self._loads, self._commits):
            await gatherer.close()

    async def _poll(self, asks: Sequence[Ask]) -> Sequence[Next | Exception | None]:
        return await self._each_alone(asks, partial(self._in_statement, self._polled))

    async def _report(self, asks: Sequence[Ask]) -> Sequence[Next | Exception | None]:
        answers = await self._each_alone(asks, partial(self._in_statement, self._reported))
        if any(ask.status is Status.NOT_NOW for ask in asks):
            self._database.announce({PUSH_LATER})
        return answers

    async def _polled(self, sql: Session, asks: Sequence[Ask]) -> Sequence[Next | None]:
        return await exchanging.poll(sql, self._sealer, asks)

    async def _reported(self, sql: Session, asks: Sequence[Ask]) -> Sequence[Next | None]:
        return await exchanging.report(sql, self._sealer, asks)

    async def _load(self, asked: Sequence[Contact | OfConnection]) -> Sequence[Snapshot | Exception]:
        return await self._each_alone(asked, partial(self._in_statement, self._read))

    async def _read(self, sql: Session, asked: Sequence[Contact | OfConnection]) -> Sequence[Snapshot | Exception]:
        return await snapshot.load(sql, self._sealer, asked)

    async def _commit(self, changes: Sequence[Change]) -> Sequence[CommitOutcome | Exception]:
        return await self._each_alone(changes, self._write)

    async def _in_statement(
        self, act: Callable[[Session, Sequence[Member]], Awaitable[Sequence[Value]]], members: Sequence[Member]
    ) -> Sequence[Value]:
        async with self._database.statement() as sql:
            return await act(sql, members)

    async def _write(self, changes: Sequence[Change]) -> Sequence[CommitOutcome]:
        """All that fit, in one commit; again without those that turn out not to."""
        outcomes: list[CommitOutcome] = [Stale()] * len(changes)
        places = list(range(len(changes)))
        while places:
            fitting = [changes[place] for place in places]
            try:
                applied = await self._apply(fitting)
            except Unfit as unfit:
                places = [place for at, place in enumerate(places) if at not in unfit.places]
                continue
            except FENCES:
                if len(places) > 1:
                    raise
                break
            for at, place in enumerate(places):
                outcomes[place] = Stale() if at in applied.stale else Committed()
            break
        return outcomes

    async def _apply(self, changes: Sequence[Change]) -> Applied:
        """What is known of profiles is not believed where a change is taken alone: that may be why it is."""
        known = self._profiles if len(changes) > 1 else frozenset[bytes]()
        applied = await self._database.transact(lambda write: apply(write, self._sealer, changes, known))
        if len(self._profiles) > _PROFILES_KNOWN:
            self._profiles = frozenset[bytes]()
        if not applied.profiles <= self._profiles:
            self._profiles |= applied.profiles
        return applied

    async def _each_alone(
        self, members: Sequence[Member], act: Callable[[Sequence[Member]], Awaitable[Sequence[Value]]]
    ) -> Sequence[Value | Exception]:
        """All together; and where that fails by a value or a lock of one of them, one by one."""
        try:
            return await act(members)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(members) > 1:
                return [await _alone(act, member) for member in members]
            return [await _alone(act, members[0], error)]


async def _alone(
    act: Callable[[Sequence[Member]], Awaitable[Sequence[Value]]], member: Member, error: Exception | None = None
) -> Value | Exception:
    """One member by itself; `error` is how it ended before."""
    for _ in range(_ATTEMPTS):
        if isinstance(error, SealError):
            return StoreUnavailable(str(error))
        if isinstance(error, LOCKED):
            return unavailable(error)
        if error is not None and not isinstance(error, AGAIN):
            return error
        try:
            return (await act([member]))[0]
        except Exception as raised:
            error = raised
    return StoreUnavailable("The database is busy with the same rows; try again.")


def _channel(ask: Ask) -> Hashable:
    return ask.contact.device_id, ask.contact.user_id


def _unit(change: Change) -> Hashable:
    """What two changes of one batch must not share."""
    if change.device_id is not None:
        return change.device_id
    return change.grant.id if change.grant is not None else id(change)

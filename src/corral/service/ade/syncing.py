"""Keeps devices known as Apple knows them: all of them at first and once a day, and what changed in between."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from corral.dep.client import DepLine
from corral.dep.failure import (
    CredentialsRefused,
    CursorExhausted,
    CursorExpired,
    DepError,
    TermsNotSigned,
    Throttled,
    Unavailable,
)
from corral.dep.records import DevicePage
from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, HOUR, MINUTE, Instant
from corral.service.ade import deciding
from corral.service.ade.assigning import Assigning
from corral.service.ade.servers import Servers, refused
from corral.service.clock import Clock
from corral.store.ade import AdeServer, AdeStore, SyncState
from corral.store.events import EventStore
from corral.store.work import LeasedWork, WorkStore

FETCH_EVERY = DAY
"""All devices are fetched so often: a sync tells changes only, and one that was missed is never told again."""
CURSOR_LASTS = 6 * DAY
"""Apple's are good for seven days."""
LEASE = 15 * MINUTE
LOOK_EVERY = MINUTE
MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Synced:
    """What a synchronization found; `whole`: all devices were fetched."""

    whole: bool
    seen: int
    added: int
    changed: int
    removed: int
    assigned: int
    """Assignments that Apple took; `open` are those that it has not taken yet."""
    open: int


@dataclass(slots=True)
class _Count:
    seen: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0


class Syncing:
    """`every` (milliseconds) is the time between two synchronizations of a server."""

    def __init__(
        self,
        store: AdeStore,
        work: WorkStore,
        events: EventStore,
        servers: Servers,
        assigning: Assigning,
        clock: Clock,
        every: Instant,
    ) -> None:
        self._store = store
        self._work = work
        self._events = events
        self._servers = servers
        self._assigning = assigning
        self._clock = clock
        self._every = every

    async def round(self) -> None:
        """For the worker: every server that is due, under a lease, so that of several processes one does it."""
        for server in await self._store.servers():
            if server.token is None:
                continue
            due = await self._due(server)
            if due > self._clock():
                continue
            leased = await self._lease(server.name, due)
            if leased is None:
                continue
            try:
                await self._servers.warn(server)
                await self._run(server, whole=False)
            except DepError:
                pass  # is in the server's state, and told as an event
            finally:
                await self._work.finish([leased])

    async def sync(self, name: str, *, whole: bool = False) -> Synced:
        """Now. Raises OperationRefused and OverCapacity with Apple's reason, or where it is under way elsewhere."""
        server = await self._servers.get(name)
        self._servers.line_of(server)
        leased = await self._lease(name, self._clock())
        if leased is None:
            raise OperationRefused(f"Server {name} is being synchronized at this moment.")
        try:
            return await self._run(server, whole=whole)
        except DepError as error:
            raise refused(error) from None
        finally:
            await self._work.finish([leased])

    async def _due(self, server: AdeServer) -> Instant:
        """When the next synchronization, or the next try of an assignment, is due."""
        state = await self._store.state(server.name)
        if state.tried_at is None:
            return 0
        if state.failures:
            return state.tried_at + min(MINUTE * 2 ** min(state.failures - 1, 6), HOUR)
        assignment = await self._store.next_due(server.name)
        regular = state.tried_at + self._every
        return regular if assignment is None else min(regular, max(assignment, state.tried_at + MINUTE // 6))

    async def _lease(self, name: str, due: Instant) -> LeasedWork | None:
        kind, now = f"ade-sync/{name}", self._clock()
        await self._work.add(kind, [name], min(due, now))
        leased = await self._work.lease(kind, now, now + LEASE, 1)
        return leased[0] if leased else None

    async def _run(self, server: AdeServer, *, whole: bool) -> Synced:
        """One synchronization and what follows from it; its failure is kept with the server. Raises DepError."""
        line, count, now = self._servers.line_of(server), _Count(), self._clock()
        before = await self._store.state(server.name)
        whole = whole or not before.cursor or now - (before.fetched_at or 0) >= FETCH_EVERY
        whole = whole or now - (before.cursor_at or 0) >= CURSOR_LASTS
        try:
            if not whole:
                whole = not await self._changes(server, line, count)
            if whole:
                await self._everything(server, line, count)
            assigned, still_open = await self._assigning.carry_out(server, line)
        except DepError as error:
            await self._failed(server, error)
            raise
        found = Synced(whole, count.seen, count.added, count.changed, count.removed, assigned, still_open)
        await self._succeeded(server, before, found)
        return found

    async def _changes(self, server: AdeServer, line: DepLine, count: _Count) -> bool:
        """Page after page behind the cursor. False where Apple does not take the cursor any more."""
        for _ in range(MOST_PAGES):
            state = await self._store.state(server.name)
            try:
                page = await line.sync(state.cursor)
            except DepError as error:
                if isinstance(error.failure, CursorExhausted):
                    return True
                if isinstance(error.failure, CursorExpired):
                    return False
                raise
            moved = replace(state, cursor=page.cursor or state.cursor, cursor_at=self._clock())
            await self._take(server, page, moved, count)
            # The same cursor again would bring the same page for ever, whatever the page says of more.
            if not page.more_to_follow or page.cursor in ("", state.cursor):
                return True
        return False

    async def _everything(self, server: AdeServer, line: DepLine, count: _Count) -> None:
        """All devices; the cursor becomes the server's only when the last page is in, so a fetch that breaks off is
        begun again, and nothing is missed."""
        began, cursor, used = self._clock(), None, set[str]()
        for _ in range(MOST_PAGES):
            try:
                page = await line.fetch(cursor)
            except DepError as error:
                if cursor is not None and isinstance(error.failure, CursorExhausted):
                    break
                raise
            await self._take(server, page, None, count)
            if page.cursor in used:
                # It goes round: what is there may not be all, so nobody is taken for removed, and the next day tells.
                await self._remember(server, page.cursor, began)
                return
            used.add(page.cursor)
            cursor = page.cursor
            if not page.more_to_follow:
                break
        gone = await self._store.end_fetch(server.name, began, self._clock())
        count.removed += len(gone)
        await self._remember(server, cursor or "", began)

    async def _remember(self, server: AdeServer, cursor: str, began: Instant) -> None:
        state = await self._store.state(server.name)
        now = self._clock()
        await self._store.put_state(replace(state, cursor=cursor, cursor_at=now, fetched_at=began))

    async def _take(self, server: AdeServer, page: DevicePage, state: SyncState | None, count: _Count) -> None:
        """Devices and cursor in one commit, then what is wanted of these devices."""
        now = self._clock()
        serials = [each.serial_number for each in page.devices]
        known = {each.device.serial_number: each.device for each in await self._store.some(server.name, serials)}
        found = deciding.taken(server.name, page.devices, known, now)
        await self._store.take(found, state)
        count.seen += len(found)
        for each in found:
            old = known.get(each.serial_number)
            if each.deleted_at is not None:
                count.removed += old is not None and old.deleted_at is None
            elif old is None or old.deleted_at is not None:
                count.added += 1
            else:
                same = replace(old, seen_at=each.seen_at, op_date=each.op_date, document=each.document)
                count.changed += same != each
        await self._assigning.decide(server.name, await self._store.some(server.name, serials))

    async def _failed(self, server: AdeServer, error: DepError) -> None:
        state, now = await self._store.state(server.name), self._clock()
        terms = isinstance(error.failure, TermsNotSigned)
        reason = error.failure.reason
        failed = replace(state, tried_at=now, failures=state.failures + 1, problem=reason, terms_open=terms)
        await self._store.put_state(failed)
        if state.problem == reason or isinstance(error.failure, Throttled):
            return
        match error.failure:
            case TermsNotSigned():
                kind = "ade.terms-not-signed"
            case CredentialsRefused():
                kind = "ade.token-refused"
            case Unavailable():
                kind = "ade.unavailable"
            case _:
                kind = "ade.sync-failed"
        await self._tell(kind, server, {"reason": reason})

    async def _succeeded(self, server: AdeServer, before: SyncState, found: Synced) -> None:
        state, now = await self._store.state(server.name), self._clock()
        await self._store.put_state(
            replace(state, tried_at=now, synced_at=now, failures=0, problem="", terms_open=False)
        )
        if found.added or found.changed or found.removed or found.assigned or before.problem:
            told = {"whole": found.whole, "added": found.added, "changed": found.changed, "removed": found.removed}
            await self._tell("ade.synced", server, told | {"assigned": found.assigned, "open": found.open})

    async def _tell(self, kind: str, server: AdeServer, data: Mapping[str, object]) -> None:
        await self._events.append((Event(type=kind, at=self._clock(), data={"server": server.name, **data}),))

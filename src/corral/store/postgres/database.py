"""One database as one process uses it: batches on a few connections of their own, everything else on a few others."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from asyncpg.exceptions import ForeignKeyViolationError

from corral.sealing import SealError
from corral.store.errors import StoreUnavailable
from corral.store.postgres.connecting import (
    AGAIN,
    FRESH_PLANS,
    LOCKED,
    STABLE_PLANS,
    Session,
    Target,
    connect,
    unavailable,
)
from corral.store.postgres.notifying import Notifying
from corral.store.postgres.pool import Pool
from corral.store.rows import Row

T = TypeVar("T")

LANES = 2
"""Batches of one kind at a time: while the database works on one, the next is made and the last is answered."""
BATCH_PATIENCE = 5.0
"""Seconds that a statement of a batch may take, and a caller may wait for a connection."""
PATIENCE = 10.0
"""The same for everything else: lists, enqueueing to a fleet."""
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Write:
    """What a transaction works with; `woken` takes the kinds of work that it has put."""

    sql: Session
    woken: set[str]


class Database:
    def __init__(self, target: Target, *, connections: int) -> None:
        self._wakes: list[Callable[[str], None]] = []
        self._direct = target.pooler == "none"
        hot = partial(connect, target, patience=BATCH_PATIENCE, settings=STABLE_PLANS)
        self._hot = Pool(hot, connections, BATCH_PATIENCE)
        aside = partial(connect, target, patience=PATIENCE, settings=FRESH_PLANS)
        self._aside = Pool(aside, max(connections // 2, 1), BATCH_PATIENCE)
        self._notifying = Notifying(target, self._wake)

    async def start(self) -> None:
        await self._notifying.start()

    async def one(self, statement: str, *values: object) -> Row | None:
        """The first row of one statement, which is its own moment."""
        async with self._aside.session() as sql, _alone(sql):
            return await sql.one(statement, *values)

    async def all(self, statement: str, *values: object) -> list[Row]:
        async with self._aside.session() as sql, _alone(sql):
            return await sql.all(statement, *values)

    async def read(self, act: Callable[[Session], Awaitable[T]]) -> T:
        """Several statements that see the database at one moment."""
        how = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with opening():
            async with self._aside.session() as sql, _transaction(sql, how):
                return await act(sql)

    async def write(self, act: Callable[[Write], Awaitable[T]], *, durably: bool = True) -> T:
        """The value of `act`, committed when this returns; `durably` False leaves the flush to disk for later.

        It is done again, from the start, where another transaction was in its way, or took away what it hangs on.
        """
        with opening():
            async with self._aside.session() as sql:
                return await self._write(sql, act, durably)

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncGenerator[Session]:
        """For a batch of one statement."""
        async with self._hot.session() as sql, _alone(sql):
            yield sql

    async def transact(self, act: Callable[[Write], Awaitable[T]]) -> T:
        """For a batch of several statements; as `write`, but without another attempt, and it may raise SealError."""
        async with self._hot.session() as sql:
            return await self._once(sql, act, True)

    def check_room(self) -> None:
        """Raises StoreUnavailable while the database refuses what is larger than a proof of being writable."""
        self._hot.check_room()
        self._aside.check_room()

    def on_work(self, wake: Callable[[str], None]) -> None:
        self._wakes.append(wake)

    def announce(self, kinds: set[str]) -> None:
        """Wake the workers of this process now, those of others soon."""
        for kind in sorted(kinds):
            self._wake(kind)
        self._notifying.tell(kinds)

    async def close(self) -> None:
        await self._notifying.close()
        await self._hot.close()
        await self._aside.close()

    def _wake(self, kind: str) -> None:
        for wake in self._wakes:
            wake(kind)

    async def _write(self, sql: Session, act: Callable[[Write], Awaitable[T]], durably: bool) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._once(sql, act, durably)
            except LOCKED as error:
                raise unavailable(error) from error
            except (*AGAIN, ForeignKeyViolationError):
                await asyncio.sleep(0.01 * attempt)
        try:
            return await self._once(sql, act, durably)
        except (*AGAIN, ForeignKeyViolationError) as error:
            raise StoreUnavailable("The database is busy with the same rows; try again.") from error

    async def _once(self, sql: Session, act: Callable[[Write], Awaitable[T]], durably: bool) -> T:
        write = Write(sql, set())
        async with _transaction(sql):
            if not durably:
                await sql.run("SET LOCAL synchronous_commit = off")
            value = await act(write)
        if write.woken:
            self.announce(write.woken)
        return value


@contextlib.asynccontextmanager
async def _transaction(sql: Session, how: str = "") -> AsyncGenerator[None]:
    await sql.begin(how)
    try:
        yield
    except Exception:
        if not sql.is_closed:
            await sql.roll_back()
        raise
    await sql.commit()


@contextlib.asynccontextmanager
async def _alone(sql: Session) -> AsyncGenerator[None]:
    """A statement that is its own transaction; a pooler must be told, or it would part preparing from executing."""
    if sql.direct:
        yield
    else:
        async with _transaction(sql):
            yield


@contextlib.contextmanager
def opening() -> Generator[None]:
    """A sealed value that does not open is as good as a database that does not answer."""
    try:
        yield
    except SealError as error:
        raise StoreUnavailable(str(error)) from error

"""How this package talks to PostgreSQL: its settings, one session, and what its errors mean to a caller."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

import asyncpg
from asyncpg import exceptions as failures

from corral.store.errors import StoreUnavailable
from corral.store.rows import Row

Pooler: TypeAlias = Literal["none", "transaction"]
"""What stands between this program and the server: `transaction` is PgBouncer in transaction mode."""

PLANS_KEPT = 60.0
"""Seconds that a session keeps its plans."""
CONNECT_PATIENCE = 3.0
"""Seconds that a new connection may take."""

_SETTINGS = {
    "application_name": "corral",
    "jit": "off",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}
TELLING = "jit"
"""A setting that the server knows to come from its client, unless something in between has swallowed it."""

STABLE_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_material": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
}
"""For batches: a plan is made once for any number of members, so it must depend neither on how many there are nor on
tables that were small when it was made: always by index, and in the order of the index."""

FRESH_PLANS = {"plan_cache_mode": "force_custom_plan"}
"""For everything else: planned each time, for the values at hand."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the database is. The URL can hold a password, so it is in no text."""

    url: str = field(repr=False)
    pooler: Pooler = "none"

    @property
    def name(self) -> str:
        """For messages: host and database, nothing secret."""
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2] or 'localhost'}{parts.path}"


Hear: TypeAlias = Callable[[object, int, str, object], None]
"""What a notification calls: connection, process id of the sender, channel, payload."""


class _Driver(Protocol):
    """What is used of asyncpg's connection, whose own annotations leave out most types."""

    async def fetch(self, query: str, *values: object) -> list[Row]: ...
    async def fetchrow(self, query: str, *values: object) -> Row | None: ...
    async def execute(self, query: str, *values: object) -> str: ...
    async def add_listener(self, channel: str, callback: Hear) -> None: ...
    async def close(self, *, timeout: float) -> None: ...  # noqa: ASYNC109 - the driver's own name
    def terminate(self) -> None: ...
    def is_closed(self) -> bool: ...


class Session:
    """One connection. Statements are prepared once and kept, but for a pooler, which keeps none."""

    __slots__ = ("_connection", "_planned_at", "direct")

    def __init__(self, connection: _Driver, *, direct: bool) -> None:
        self._connection = connection
        self._planned_at = time.monotonic()
        self.direct = direct

    async def all(self, statement: str, *values: object) -> list[Row]:
        return await self._connection.fetch(statement, *_storable(values))

    async def one(self, statement: str, *values: object) -> Row | None:
        return await self._connection.fetchrow(statement, *_storable(values))

    async def run(self, statement: str, *values: object) -> int:
        """Rows that the statement has written."""
        count = (await self._connection.execute(statement, *_storable(values))).rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    async def script(self, text: str) -> None:
        """Several statements, without values."""
        await self._connection.execute(text)

    async def begin(self, how: str = "") -> None:
        await self._connection.execute(f"BEGIN {how}")

    async def commit(self) -> None:
        """Raises StoreUnavailable if the server undid the transaction instead."""
        if await self._connection.execute("COMMIT") != "COMMIT":
            raise StoreUnavailable("The database has undone a transaction; try again.")

    async def roll_back(self) -> None:
        await self._connection.execute("ROLLBACK")

    async def listen(self, channel: str, hear: "Hear") -> None:
        await self._connection.add_listener(channel, hear)

    async def renew_plans(self) -> None:
        """Forget how statements are carried out: tables may have grown since."""
        if self.direct and time.monotonic() - self._planned_at > PLANS_KEPT:
            await self._connection.execute("DISCARD PLANS")
            self._planned_at = time.monotonic()

    @property
    def is_closed(self) -> bool:
        return self._connection.is_closed()

    def terminate(self) -> None:
        """Without a word to the server: for connections of which nothing is known any more."""
        with contextlib.suppress(Exception):
            self._connection.terminate()

    async def close(self) -> None:
        try:
            await self._connection.close(timeout=1.0)
        except Exception:
            self.terminate()


def _storable(values: tuple[object, ...]) -> Iterator[object]:
    """The same with NUL, which PostgreSQL's text cannot hold, as U+FFFD. Fields of devices hold none anyway."""
    for value in values:
        if isinstance(value, str):
            yield value.replace("\0", "\ufffd")
        elif isinstance(value, list | tuple):
            several = cast("Sequence[object]", value)
            if any(isinstance(each, str) and "\0" in each for each in several):
                several = list(_storable(tuple(several)))
            yield several
        else:
            yield value


async def connect(target: Target, *, patience: float, settings: dict[str, str] | None = None) -> Session:
    """A new session whose statements may take `patience` seconds each. Raises what asyncpg and sockets raise."""
    direct = target.pooler == "none"
    given: dict[str, Any] = {}
    if direct:
        limit = {"statement_timeout": f"{int(patience * 1000)}ms"}
        given = {"server_settings": {**_SETTINGS, **limit, **(settings or {})}}
    connection: _Driver = await cast(Any, asyncpg).connect(
        target.url,
        timeout=CONNECT_PATIENCE,
        command_timeout=patience + 1,
        statement_cache_size=500 if direct else 0,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=0,
        **given,
    )
    return Session(connection, direct=direct)


_LOST: tuple[type[BaseException], ...] = (
    failures.PostgresConnectionError,
    failures.InterfaceError,
    failures.InternalClientError,
    failures.FatalPostgresError,
    failures.OperatorInterventionError,
    failures.InsufficientResourcesError,
    failures.PostgresSystemError,
    failures.InternalServerError,
    failures.ReadOnlySQLTransactionError,
    failures.IdleInTransactionSessionTimeoutError,
    failures.InvalidAuthorizationSpecificationError,
    failures.InvalidCatalogNameError,
    failures.InvalidCachedStatementError,
    OSError,
    EOFError,
)


def is_lost(error: BaseException) -> bool:
    """Whether it is the connection or the database as a whole that failed, and not the statement or value at hand."""
    return isinstance(error, _LOST) and not isinstance(error, ValueError)


AGAIN = (failures.DeadlockDetectedError, failures.SerializationError)
"""Somebody else held what this needed: the same again will do."""

LOCKED = failures.LockNotAvailableError
"""Somebody holds a row for longer than anybody should."""

FENCES = (failures.UniqueViolationError, failures.ForeignKeyViolationError)
"""A second current life, or a row that this one hangs on and that somebody has just forgotten."""

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (failures.DiskFullError, "its disk is full; make room"),
    (failures.TooManyConnectionsError, "it has no connection left; raise max_connections or run fewer processes"),
    (failures.ReadOnlySQLTransactionError, "it cannot be written; it is a standby, or read-only"),
    (failures.InvalidAuthorizationSpecificationError, "it refuses the user; look at name, password and pg_hba.conf"),
    (failures.InvalidCatalogNameError, "there is no such database on its server"),
    (failures.CannotConnectNowError, "it is starting or stopping"),
    (failures.AdminShutdownError, "it was stopped"),
    (failures.QueryCanceledError, "a statement took too long"),
    (failures.LockNotAvailableError, "a row was locked for too long"),
    (TimeoutError, "it did not answer in time"),
    (OSError, "it cannot be reached"),
    (failures.PostgresConnectionError, "the connection was lost"),
    (failures.InterfaceError, "the connection was lost"),
)


def reason(error: BaseException) -> str:
    """For people. Of the server's own words only its message is taken, which never holds values of these errors."""
    text = next((text for kind, text in _REASONS if isinstance(error, kind)), "it failed")
    said = " ".join(str(error).split())
    return f"{text} ({said})" if said else text


def unavailable(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"The database cannot answer: {reason(error)}.")

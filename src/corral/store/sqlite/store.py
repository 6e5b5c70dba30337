"""Opens a whole store over one SQLite file, and refuses what it cannot work with."""

import contextlib
import os
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import apsw

from corral.sealing import Sealer, SealError
from corral.store.errors import StoreRefused
from corral.store.migrations import Migration, pending, read_migrations
from corral.store.sqlite.access import SqliteAccess
from corral.store.sqlite.accounts import SqliteAccounts
from corral.store.sqlite.acme import SqliteAcme
from corral.store.sqlite.ade import SqliteAde
from corral.store.sqlite.apps import SqliteApps
from corral.store.sqlite.audit import SqliteAudit
from corral.store.sqlite.collection import SqliteCollection
from corral.store.sqlite.connecting import Sql, connect, typed
from corral.store.sqlite.contacts import SqliteContacts
from corral.store.sqlite.database import Database, exclusive
from corral.store.sqlite.devices import SqliteDevices
from corral.store.sqlite.directory import SqliteDirectory
from corral.store.sqlite.editions import SqliteEditions
from corral.store.sqlite.escrow import SqliteEscrow
from corral.store.sqlite.events import SqliteEvents
from corral.store.sqlite.grants import SqliteGrants
from corral.store.sqlite.idempotency import SqliteIdempotency
from corral.store.sqlite.inventory import SqliteInventory
from corral.store.sqlite.profiles import SqliteProfiles
from corral.store.sqlite.queue import SqliteQueue
from corral.store.sqlite.retention import SqliteRetention
from corral.store.sqlite.vault import SqliteVault
from corral.store.sqlite.webhooks import SqliteWebhooks
from corral.store.sqlite.work import SqliteWork
from corral.store.sqlite.writer import Write
from corral.store.store import WakeWorker

APPLICATION_ID = 0x434F5252
"""`CORR` in the header of the file: what tells our database from somebody else's."""

_SEAL_PLACE = "meta/value/seal"
_SEALED = b"corral"
_READY_FOR = 1.0
"""Seconds that a proof of being writable is good for."""


class SqliteStore:
    """The whole store; made by `open_sqlite`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._proven_at = float("-inf")
        self.devices = SqliteDevices(database, sealer)
        self.queue = SqliteQueue(database, sealer)
        self.collection = SqliteCollection(database, sealer)
        self.profiles = SqliteProfiles(database, sealer)
        self.apps = SqliteApps(database)
        self.work = SqliteWork(database, sealer)
        self.contacts = SqliteContacts(database)
        self.events = SqliteEvents(database)
        self.grants = SqliteGrants(database)
        self.acme = SqliteAcme(database, sealer)
        self.accounts = SqliteAccounts(database)
        self.access = SqliteAccess(database)
        self.audit = SqliteAudit(database, sealer)
        self.directory = SqliteDirectory(database)
        self.vault = SqliteVault(database, sealer)
        self.escrow = SqliteEscrow(database, sealer)
        self.ade = SqliteAde(database, sealer)
        self.retention = SqliteRetention(database)
        self.webhooks = SqliteWebhooks(database, sealer)
        self.idempotency = SqliteIdempotency(database, sealer)
        self.inventory = SqliteInventory(database, sealer)
        self.editions = SqliteEditions(database)

    async def ready(self) -> None:
        if time.monotonic() - self._proven_at < _READY_FOR:
            return
        await self._database.write(_prove_writable)
        self._proven_at = time.monotonic()

    def on_work(self, wake: WakeWorker) -> None:
        self._database.on_work(wake)


_FREE_LEASES = (
    "UPDATE work SET due_at = min(due_at, coalesce(again_at, due_at)),"
    " free_at = min(due_at, coalesce(again_at, due_at)), again_at = NULL, lease = NULL WHERE lease IS NOT NULL"
)


def _prove_writable(write: Write) -> None:
    write.sql.execute(
        "INSERT INTO meta (name, value) VALUES ('ready', x'00')"
        " ON CONFLICT (name) DO UPDATE SET value = iif(value = x'00', x'01', x'00')"
    )


@contextlib.asynccontextmanager
async def open_sqlite(path: Path, sealer: Sealer, *, create: bool = False) -> AsyncGenerator[SqliteStore]:
    """Open the database for this process alone and bring it up to date; `create` makes a new one and only that.

    Raises StoreRefused for a database that is missing, there already, in use, of another program, newer than this
    one, or sealed with another key.
    """
    with _prepared(path, sealer, create):
        try:
            database = Database(path)
        except apsw.Error as error:
            raise StoreRefused(f"Cannot use {path}: {error}.") from error
        try:
            yield SqliteStore(database, sealer)
        finally:
            await database.close()


@contextlib.contextmanager
def _prepared(path: Path, sealer: Sealer, create: bool) -> Generator[None]:
    if not create and not path.is_file():
        raise StoreRefused(f"There is no database {path}; make one with `corral init`.")
    with exclusive(path):
        if create:
            _create(path, sealer)
        else:
            _check(path, sealer)
        yield


def _create(path: Path, sealer: Sealer) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise StoreRefused(f"{path} is there already, and is not overwritten.") from None
    except OSError as error:
        raise StoreRefused(f"Cannot make {path}: {error.strerror}.") from None
    os.close(descriptor)
    try:
        with _opened(path) as sql:
            sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            for migration in read_migrations("sqlite"):
                _apply(sql, migration)
            seal = sealer.seal(_SEALED, _SEAL_PLACE)
            sql.execute("INSERT INTO meta (name, value) VALUES ('seal', ?)", (seal,))
    except BaseException:
        for leftover in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            leftover.unlink(missing_ok=True)
        raise


def _check(path: Path, sealer: Sealer) -> None:
    """Nothing is changed before it is clear that the database is ours, not newer, and opens with our key."""
    with path.open("rb") as file:
        header = file.read(100)
    if header[:16] != b"SQLite format 3\0" or int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise StoreRefused(f"{path} is not a database of Corral, or one that was never finished.")
    with contextlib.suppress(PermissionError):
        path.chmod(0o600)  # the log beside it gets the same
    with _opened(path) as sql:
        version = sql.execute("PRAGMA user_version").fetchone()
        missing = pending(read_migrations("sqlite"), version[0] if version else 0)
        seal = sql.execute("SELECT value FROM meta WHERE name = 'seal'").fetchone()
        if seal is None or not _opens(sealer, seal[0]):
            raise StoreRefused(f"{path} was sealed with another key; give the sealing key that it was made with.")
        for migration in missing:
            _apply(sql, migration)
        # The lock says that nobody else is alive: whoever held a lease is dead, and its work is due again.
        sql.execute(_FREE_LEASES)
        sql.execute("UPDATE webhook SET holder = NULL, held_until = 0")
        sql.execute("UPDATE idempotency SET held_until = 0 WHERE status IS NULL")


def _opens(sealer: Sealer, seal: bytes) -> bool:
    try:
        return sealer.open(seal, _SEAL_PLACE) == _SEALED
    except SealError:
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Generator[Sql]:
    try:
        connection = connect(path, read_only=False, patience=2000)
        try:
            yield typed(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        raise StoreRefused(f"Cannot use {path}: {error}.") from error


def _apply(sql: Sql, migration: Migration) -> None:
    """A file and its number in one transaction; what is not committed is gone when the connection closes."""
    sql.execute("BEGIN IMMEDIATE")
    sql.execute(migration.sql)
    sql.execute(f"PRAGMA user_version = {migration.number}")
    sql.execute("COMMIT")

"""Opens a whole store over a PostgreSQL database that any number of processes share."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

from corral.sealing import Sealer
from corral.store.errors import StoreUnavailable
from corral.store.postgres.access import PostgresAccess
from corral.store.postgres.accounts import PostgresAccounts
from corral.store.postgres.acme import PostgresAcme
from corral.store.postgres.ade import PostgresAde
from corral.store.postgres.apps import PostgresApps
from corral.store.postgres.audit import PostgresAudit
from corral.store.postgres.collection import PostgresCollection
from corral.store.postgres.connecting import Pooler, Target
from corral.store.postgres.contacts import PostgresContacts
from corral.store.postgres.database import Database
from corral.store.postgres.devices import PostgresDevices
from corral.store.postgres.directory import PostgresDirectory
from corral.store.postgres.editions import PostgresEditions
from corral.store.postgres.escrow import PostgresEscrow
from corral.store.postgres.events import PostgresEvents
from corral.store.postgres.grants import PostgresGrants
from corral.store.postgres.idempotency import PostgresIdempotency
from corral.store.postgres.inventory import PostgresInventory
from corral.store.postgres.preparing import prepare
from corral.store.postgres.profiles import PostgresProfiles
from corral.store.postgres.queue import PostgresQueue
from corral.store.postgres.retention import PostgresRetention
from corral.store.postgres.vault import PostgresVault
from corral.store.postgres.webhooks import PostgresWebhooks
from corral.store.postgres.work import PostgresWork
from corral.store.store import WakeWorker

_PROVE_WRITABLE = (
    "INSERT INTO meta (name, value) VALUES ('ready', '\\x00')"
    " ON CONFLICT (name) DO UPDATE SET value = CASE WHEN meta.value = '\\x00' THEN '\\x01'::bytea ELSE '\\x00' END"
)
_READY_FOR, _READY_WITHIN = 1.0, 3.0
"""Seconds that a proof of being writable is good for, and may take."""


class PostgresStore:
    """The whole store; made by `open_postgres`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._proven_at = float("-inf")
        self.devices = PostgresDevices(database, sealer)
        self.queue = PostgresQueue(database, sealer)
        self.collection = PostgresCollection(database, sealer)
        self.profiles = PostgresProfiles(database, sealer)
        self.apps = PostgresApps(database)
        self.work = PostgresWork(database, sealer)
        self.contacts = PostgresContacts(database)
        self.events = PostgresEvents(database)
        self.grants = PostgresGrants(database)
        self.acme = PostgresAcme(database, sealer)
        self.accounts = PostgresAccounts(database)
        self.access = PostgresAccess(database)
        self.audit = PostgresAudit(database, sealer)
        self.directory = PostgresDirectory(database)
        self.vault = PostgresVault(database, sealer)
        self.escrow = PostgresEscrow(database, sealer)
        self.ade = PostgresAde(database, sealer)
        self.retention = PostgresRetention(database)
        self.webhooks = PostgresWebhooks(database, sealer)
        self.idempotency = PostgresIdempotency(database, sealer)
        self.inventory = PostgresInventory(database, sealer)
        self.editions = PostgresEditions(database)

    async def ready(self) -> None:
        self._database.check_room()
        if time.monotonic() - self._proven_at < _READY_FOR:
            return
        try:
            async with asyncio.timeout(_READY_WITHIN):
                await self._database.write(lambda write: write.sql.run(_PROVE_WRITABLE))
        except TimeoutError:
            raise StoreUnavailable("The database cannot answer: it did not answer in time.") from None
        self._proven_at = time.monotonic()

    def on_work(self, wake: WakeWorker) -> None:
        self._database.on_work(wake)


@contextlib.asynccontextmanager
async def open_postgres(
    url: str, sealer: Sealer, *, create: bool = False, pooler: Pooler = "none", connections: int = 8
) -> AsyncGenerator[PostgresStore]:
    """Open the database and bring it up to date; `create` makes its tables in an empty one and only that.

    `url` is what asyncpg and libpq take, `postgresql://user:password@host:port/name?sslmode=...`. At most half as many
    again as `connections`, and one, are opened. Raises StoreRefused for a database that cannot be reached, is missing,
    not empty, of another program, newer than this one, sealed with another key, or behind a pooler that was not told
    of.
    """
    target = Target(url, pooler)
    await prepare(target, sealer, create=create)
    database = Database(target, connections=connections)
    await database.start()
    store = PostgresStore(database, sealer)
    try:
        yield store
    finally:
        await store.devices.close()
        await database.close()

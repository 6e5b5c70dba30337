"""A whole store: one object a concern, over one database."""

from typing import Protocol

from corral.store.access import AccessStore
from corral.store.accounts import AccountStore
from corral.store.acme import AcmeStore
from corral.store.ade import AdeStore
from corral.store.apps import AppStore
from corral.store.audit import AuditStore
from corral.store.collection import CollectionStore
from corral.store.contacts import ContactStore
from corral.store.devices import DeviceStore
from corral.store.directory import Directory
from corral.store.editions import EditionStore
from corral.store.escrow import EscrowStore
from corral.store.events import EventStore
from corral.store.grants import GrantStore
from corral.store.idempotency import IdempotencyStore
from corral.store.inventory import InventoryStore
from corral.store.profiles import ProfileStore
from corral.store.queue import QueueStore
from corral.store.retention import RetentionStore
from corral.store.vault import Vault
from corral.store.webhooks import WebhookStore
from corral.store.work import WorkStore


class Store(Protocol):
    """What a back-end offers; both are made by an async context manager that opens and closes the database."""

    @property
    def devices(self) -> DeviceStore: ...
    @property
    def queue(self) -> QueueStore: ...
    @property
    def collection(self) -> CollectionStore: ...
    @property
    def profiles(self) -> ProfileStore: ...
    @property
    def apps(self) -> AppStore: ...
    @property
    def work(self) -> WorkStore: ...
    @property
    def contacts(self) -> ContactStore: ...
    @property
    def events(self) -> EventStore: ...
    @property
    def grants(self) -> GrantStore: ...
    @property
    def acme(self) -> AcmeStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def access(self) -> AccessStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def directory(self) -> Directory: ...
    @property
    def escrow(self) -> EscrowStore: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def ade(self) -> AdeStore: ...
    @property
    def retention(self) -> RetentionStore: ...
    @property
    def webhooks(self) -> WebhookStore: ...
    @property
    def idempotency(self) -> IdempotencyStore: ...
    @property
    def inventory(self) -> InventoryStore: ...
    @property
    def editions(self) -> EditionStore: ...

    async def ready(self) -> None:
        """Returns if the database answers and can be written; else raises StoreUnavailable with the reason."""
        ...

    def on_work(self, wake: "WakeWorker") -> None:
        """Call `wake(kind)` after every commit that has put work of that kind."""
        ...


class WakeWorker(Protocol):
    def __call__(self, kind: str) -> None: ...

"""In-house apps that devices can be told to install: what they are, and where their packages lie."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.state import Instant


class AppKind(StrEnum):
    MAC = "mac"
    """A package (.pkg), installed by InstallEnterpriseApplication."""
    MOBILE = "mobile"
    """An archive (.ipa) for all other systems, installed by InstallApplication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApp:
    """One version of an app. Either `manifest_url` leads to a manifest that somebody else hosts, or `manifest` is one
    as a property list, which names the package's own URL."""

    id: str
    kind: AppKind
    bundle_id: str
    version: str
    title: str
    minimum_os: str = ""
    manifest_url: str = ""
    manifest: bytes = field(default=b"", repr=False)
    created_at: Instant
    created_by: str


class AppStore(Protocol):
    async def add(self, app: StoredApp, event: Event) -> None: ...

    async def apps(self, after: str, limit: int) -> tuple[StoredApp, ...]:
        """By id, after this one."""
        ...

    async def find(self, name: str) -> StoredApp | None:
        """By id; or the one of this bundle id that was added last."""
        ...

    async def remove(self, app_id: str, event: Event) -> None: ...

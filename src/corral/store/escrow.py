"""The escrowed secrets of devices as people look for them: every version that was ever given, newest first."""

from dataclasses import dataclass
from typing import Protocol

from corral.lifecycle.state import EscrowKind, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowVersion:
    """One version of a secret, as it is listed: never with its value."""

    number: int
    connection_id: str
    kind: EscrowKind
    at: Instant
    withdrawn: bool
    """The device said then that it holds none any more; what was given before is kept."""


class EscrowStore(Protocol):
    async def versions(self, device_id: str) -> tuple[EscrowVersion, ...]:
        """Of all lives of a device."""
        ...

    async def value(self, device_id: str, number: int) -> bytes | None:
        """The secret of one version; None if the device has none of this number, or it was a withdrawal."""
        ...

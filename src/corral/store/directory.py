"""What people look up: devices with their lives."""

from dataclasses import dataclass
from typing import Protocol

from corral.lifecycle.state import Certificate, Channel, Connection, Device, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSummary:
    device: Device
    connection: Connection | None
    """The latest life, the one that is not over if there is one."""
    last_seen: Instant | None
    open_commands: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetail:
    device: Device
    connections: tuple[Connection, ...]
    channels: tuple[Channel, ...]
    certificates: tuple[Certificate, ...]
    """All newest first; a listing never shows token, magic or DER."""
    last_seen: Instant | None
    open_commands: int
    last_push: tuple[Instant, str] | None


class Directory(Protocol):
    async def devices(
        self, *, search: str | None, phase: str | None, after: str | None, limit: int
    ) -> tuple[DeviceSummary, ...]:
        """By device id, ascending; `after` is the id of the last row of the page before.

        `search` matches the start of id, serial number or name.
        """
        ...

    async def device(self, device_id: str) -> DeviceDetail | None: ...

    async def resolve(self, name: str) -> str | None:
        """The device id for a device id, serial number or connection id; None if there is none or more than one."""
        ...

    async def counts(self) -> dict[str, int]:
        """Connections by phase, and `topics:<topic>`: live channels that depend on each topic."""
        ...

"""Escrowed secrets, given to people: only with a reason, and never without an event that tells who got what."""

from corral.lifecycle.change import Event
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.store.directory import Directory
from corral.store.escrow import EscrowStore, EscrowVersion
from corral.store.events import EventStore


class Escrowing:
    def __init__(self, escrow: EscrowStore, directory: Directory, events: EventStore, clock: Clock) -> None:
        self._escrow = escrow
        self._directory = directory
        self._events = events
        self._clock = clock

    async def list(self, device: str) -> tuple[EscrowVersion, ...]:
        """Every version of every secret of a device, newest first, of its former lives too."""
        return await self._escrow.versions(await self._resolve(device))

    async def show(self, device: str, number: int, reason: str, by: str) -> tuple[EscrowVersion, bytes]:
        """One secret. The event is durable before it is given out. Raises NotFound and RequestRefused."""
        if not reason.strip():
            raise RequestRefused("Say why this secret is needed: the reason is kept with the event.")
        device_id = await self._resolve(device)
        version = next((each for each in await self._escrow.versions(device_id) if each.number == number), None)
        value = await self._escrow.value(device_id, number)
        if version is None or value is None:
            raise NotFound(f"Device {device_id} has no escrowed secret of the number {number}.")
        told = Event(
            type="escrow.shown",
            at=self._clock(),
            device_id=device_id,
            connection_id=version.connection_id,
            data={"kind": version.kind.value, "number": number, "by": by, "reason": reason.strip()},
        )
        await self._events.append((told,))
        return version, value

    async def _resolve(self, device: str) -> str:
        device_id = await self._directory.resolve(device)
        if device_id is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        return device_id

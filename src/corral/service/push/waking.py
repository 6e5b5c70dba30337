"""A push to a device because somebody wants to hear from it now."""

from corral.lifecycle.change import Event
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Phase
from corral.service.clock import Clock
from corral.service.errors import NotFound
from corral.store.directory import Directory
from corral.store.events import EventStore
from corral.store.work import WorkStore


class Waking:
    def __init__(self, directory: Directory, work: WorkStore, events: EventStore, clock: Clock) -> None:
        self._directory = directory
        self._work = work
        self._events = events
        self._clock = clock

    async def wake(self, device: str, by: str) -> int:
        """Push to each channel of its life; returns how many. Raises NotFound and OperationRefused."""
        device_id, life_id, channels = await self.look(device)
        now = self._clock()
        told = Event(type="device.woken", at=now, device_id=device_id, connection_id=life_id, data={"by": by})
        await self._events.append((told,))
        await self._work.add("push", channels, now)
        return len(channels)

    async def look(self, device: str) -> tuple[str, str, list[str]]:
        """The ids of what would be pushed to: the device, its life, and the channels of that."""
        device_id = await self._directory.resolve(device)
        detail = await self._directory.device(device_id) if device_id else None
        if detail is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        live = (Phase.CONNECTED, Phase.ENDING)
        life = next((each for each in detail.connections if each.phase in live), None)
        if life is None:
            raise OperationRefused(f"Device {device} is not connected.")
        channels = [each.id for each in detail.channels if each.connection_id == life.id and each.ended_at is None]
        return detail.device.id, life.id, channels

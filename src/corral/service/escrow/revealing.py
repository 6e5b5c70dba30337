"""What was sent to a device and what it answered, secrets and all: only with a reason, and never without an event that
tells who saw it."""

from dataclasses import dataclass, field

from corral.lifecycle.change import Event
from corral.lifecycle.state import channel_id
from corral.service.clock import Clock
from corral.service.errors import NotFound, RequestRefused
from corral.store.directory import Directory
from corral.store.events import EventStore
from corral.store.queue import QueueStore, StoredResult


@dataclass(frozen=True, slots=True)
class Revealed:
    """The command as it was sent, and the answer if there is one."""

    device_id: str
    body: bytes = field(repr=False)
    result: StoredResult | None


class Revealing:
    def __init__(self, queue: QueueStore, directory: Directory, events: EventStore, clock: Clock) -> None:
        self._queue = queue
        self._directory = directory
        self._events = events
        self._clock = clock

    async def reveal(self, command_uuid: str, device: str, user_id: str, reason: str, by: str) -> Revealed:
        """For one device that the command was queued for. The event is durable before anything is given out. Raises
        NotFound and RequestRefused."""
        if not reason.strip():
            raise RequestRefused("Say why this is to be seen: the reason is kept with the event.")
        body = await self._queue.command_body(command_uuid)
        if body is None:
            raise NotFound(f"There is no command {command_uuid}.")
        device_id = await self._directory.resolve(device)
        if device_id is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        sent = await self._queue.list(
            device_id=device_id, command_uuid=command_uuid, state=None, before=None, limit=100
        )
        delivery = next((each for each in sent if _is_of(each.delivery.channel_id, each.connection_id, user_id)), None)
        if delivery is None:
            raise NotFound(f"Command {command_uuid} was not queued for device {device_id}.")
        told = Event(
            type="command.revealed",
            at=self._clock(),
            device_id=device_id,
            connection_id=delivery.connection_id,
            data={
                "by": by,
                "reason": reason.strip(),
                "command": command_uuid,
                "request_type": delivery.delivery.request_type,
            },
        )
        await self._events.append((told,))
        results = await self._queue.results(command_uuid, delivery.delivery.channel_id)
        return Revealed(device_id, body, results[-1] if results else None)


def _is_of(channel: str, connection: str, user_id: str) -> bool:
    return channel == channel_id(connection, user_id)

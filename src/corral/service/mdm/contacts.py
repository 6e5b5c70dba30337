"""Who was heard and what was handed out, gathered in memory: a poll writes nothing."""

from corral.service.clock import Clock
from corral.store.contacts import Attempt, ContactStore, Heard


class ContactBook:
    """Notes contacts; `flush`, called about once a second, writes them. What a crash loses is one second of these."""

    def __init__(self, store: ContactStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heard: dict[str, tuple[int, int]] = {}
        self._attempts: dict[tuple[str, str], tuple[int, int]] = {}

    def note(self, channel_id: str, command_uuid: str = "") -> None:
        """This channel spoke just now, and was given that command, if any."""
        now = self._clock()
        _, count = self._heard.get(channel_id, (0, 0))
        self._heard[channel_id] = now, count + 1
        if command_uuid:
            key = channel_id, command_uuid
            _, handed = self._attempts.get(key, (0, 0))
            self._attempts[key] = now, handed + 1

    async def flush(self) -> None:
        heard, self._heard = self._heard, {}
        attempts, self._attempts = self._attempts, {}
        if not heard and not attempts:
            return
        await self._store.flush(
            [Heard(channel_id=key, last_seen=at, count=count) for key, (at, count) in heard.items()],
            [
                Attempt(channel_id=channel, command_uuid=uuid, at=at, count=count)
                for (channel, uuid), (at, count) in attempts.items()
            ],
        )

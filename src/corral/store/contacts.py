"""What a poll would write, gathered in memory and written about once a second."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from corral.lifecycle.state import Instant
from corral.values import frozen


@frozen(kw_only=True)
class Heard:
    """Contacts of one channel since the last flush."""

    channel_id: str
    last_seen: Instant
    count: int


@frozen(kw_only=True)
class Attempt:
    """A command was handed out."""

    channel_id: str
    command_uuid: str
    at: Instant
    count: int = 1


class ContactStore(Protocol):
    async def flush(self, heard: Sequence[Heard], attempts: Sequence[Attempt]) -> None:
        """Write last-seen times, contacts by the hour, and delivery attempts."""
        ...

    async def last_seen(self, connection_ids: Sequence[str]) -> Mapping[str, Instant]: ...

"""What devices were asked to tell of themselves, and what has been done since that changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from corral.lifecycle.change import Event
from corral.lifecycle.collecting import Inquiry
from corral.lifecycle.state import Instant
from corral.store.queue import QueuedCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A command that asks for a report, which is named as its request type, of these channels."""

    command: QueuedCommand
    channel_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uncollected:
    connection_id: str
    device_id: str


class CollectionStore(Protocol):
    async def inquiries(self, channel_ids: Sequence[str]) -> tuple[Inquiry, ...]:
        """All of these channels: of reports that were asked for once, or that a command has changed."""
        ...

    async def ask(self, askings: Sequence[Asking], events: tuple[Event, ...] = ()) -> tuple[frozenset[str], ...]:
        """Queue the commands, and remember that they ask, in one commit; pushes go out once for a channel.

        Of each the channels that were reached: those that `QueueStore.enqueue` would queue for.
        """
        ...

    async def pass_over(self, report: str, channel_ids: Sequence[str], at: Instant) -> None:
        """It was time to ask them, and they do not take it: remembered as if they had been asked."""
        ...

    async def stir(self, command_uuid: str, reports: Sequence[str], channel_ids: Sequence[str], at: Instant) -> None:
        """Remember that this command changes these reports of channels, and look at their connections soon after."""
        ...

    async def uncollected(self, after: str, limit: int) -> tuple[Uncollected, ...]:
        """Connected lives that nobody is going to look at, by their ids, behind this one."""
        ...

    async def hurry(self, due_at: Instant, limit: int) -> int:
        """Look at up to so many connections by then that would be looked at later; how many those were."""
        ...

    async def forget(self, channel_ids: Sequence[str]) -> None:
        """Of channels that are over."""
        ...

    async def oldest(self) -> Mapping[str, Instant]:
        """When the channel was asked for each report that was not asked for the longest time."""
        ...

"""What somebody may want to follow of a command: queued, pushed for, delivered, answered. Ordinarily nobody does."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Protocol

from corral.apns.push import Outcome, Push
from corral.store.events import StoredEvent
from corral.store.work import PushTarget


class Pushes(Protocol):
    """Those of one batch."""

    def begin(self, push: Push) -> None:
        """It is about to be sent."""
        ...

    def end(self, push: Push, outcome: Outcome) -> None: ...


class Telling(Protocol):
    """A call of a webhook. `headers` go with it: whoever receives it goes on with the trace."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def end(self, status: int | None, problem: str = "") -> None:
        """How it was answered; None where it was not, and what kind of problem that was."""
        ...


class Traces(Protocol):
    """Who follows commands, and what is told of it. A `traceparent` (W3C Trace Context) is what a delivery or an event
    is kept with, and followed by."""

    @property
    def follows(self) -> bool:
        """Whether anybody does: what is not wanted is not looked for."""
        ...

    def queue(self, request_type: str, command_uuid: str, channels: int) -> AbstractContextManager[None]:
        """What is queued within for so many channels belongs to the trace of whoever asked for it."""
        ...

    def push(self, targets: Mapping[str, PushTarget], waiting: Sequence[tuple[str, str]]) -> Pushes:
        """Pushes to these targets, by push id; `waiting` are channels and traceparents of what they are pushed for."""
        ...

    def deliver(self, traceparent: str, device_id: str, command_uuid: str) -> None:
        """A command is the answer to what this device has just said."""
        ...

    def result(self, traceparent: str, device_id: str, command_uuid: str, status: str) -> None:
        """A device has answered a command with this status, and that is kept."""
        ...

    def tell(self, webhook_id: str, url: str, stored: StoredEvent) -> Telling:
        """A webhook is about to be called, in the trace that the event happened in, or in one of its own."""
        ...


class _Untold:
    headers: Mapping[str, str] = MappingProxyType({})

    def end(self, status: int | None, problem: str = "") -> None:
        pass


class _Untraced:
    """Nobody follows anything."""

    follows = False
    _untold = _Untold()

    @contextmanager
    def queue(self, request_type: str, command_uuid: str, channels: int) -> Generator[None]:
        del request_type, command_uuid, channels
        yield

    def push(self, targets: Mapping[str, PushTarget], waiting: Sequence[tuple[str, str]]) -> Pushes:
        del targets, waiting
        return self

    def begin(self, push: Push) -> None:
        pass

    def end(self, push: Push, outcome: Outcome) -> None:
        pass

    def deliver(self, traceparent: str, device_id: str, command_uuid: str) -> None:
        pass

    def result(self, traceparent: str, device_id: str, command_uuid: str, status: str) -> None:
        pass

    def tell(self, webhook_id: str, url: str, stored: StoredEvent) -> Telling:
        del webhook_id, url, stored
        return self._untold


UNTRACED: Traces = _Untraced()

"""What simulated devices share, and what is told about them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from corral.simulator.attesting import AttestationServer
from corral.simulator.facts import Facts
from corral.simulator.keys import KeyPool
from corral.simulator.transport import Transport
from corral.simulator.trust import Trust


class State(StrEnum):
    """Where a device stands with management."""

    NOT_ENROLLED = "not enrolled"
    ENROLLED = "enrolled"
    UNENROLLED = "unenrolled"
    """By the status of an answer: 401, or 403 with the document."""
    LEFT = "left"
    """The enrollment profile was removed, by command or by the user."""
    ERASED = "erased"


class PushRegistry(Protocol):
    """Apple's push service, as a device sees it."""

    def register(self, token: bytes, topic: str, magic: str, wake: Callable[[], None]) -> None: ...
    def unregister(self, token: bytes) -> None: ...
    def offline(self, token: bytes) -> None: ...
    def online(self, token: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a device did or that was done to it; `what` is a RequestType, a State or a word or two."""

    device: Facts
    what: str
    ok: bool = True
    detail: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """Without `push`, devices poll only when they are told to; `observe` hears of all that happens; `attester` vouches
    for devices and their keys in the place of Apple."""

    transport: Transport
    keys: KeyPool
    push: PushRegistry | None = None
    trust: Trust = field(default_factory=Trust)
    clock: Callable[[], datetime] = _now
    observe: Callable[[Happening], None] | None = None
    attester: AttestationServer | None = None

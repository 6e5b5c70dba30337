"""Requests that may come again: under a key that whoever asks has chosen, each is done once and answered alike.

A key is held by an *attempt* while its request is carried out. The first commit of that request says so in the key's
row (`store/<back-end>`: where events are kept, since every change of a request brings one): from then on the request
is never begun again, whatever becomes of the process. One that dies before has changed nothing, and a repeat begins it
anew once the attempt's time is over.
"""

from dataclasses import dataclass, field
from typing import Protocol

from corral.lifecycle.state import Instant

LARGEST_KEPT = 8 * 2**20
"""Bytes of an answer, packed, that are kept."""
MOST_KEPT = 20_000
"""Keys of one caller at a time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under a key: `caller` is who has chosen it, `digest` stands for all that is asked."""

    caller: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`body` None: it was too large to be kept."""

    status: int
    media_type: str
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What has become of the request that has this key. `answer` None: it is `running`, or else its answer is lost."""

    digest: bytes
    running: bool
    answer: KeptAnswer | None


class TooManyKeys(Exception):
    """This caller has as many as may be kept."""


class IdempotencyStore(Protocol):
    async def begin(
        self, asked: Asked, attempt: str, *, now: Instant, held_until: Instant, expires_at: Instant
    ) -> Known | None:
        """None: the key is held by this attempt now. Raises TooManyKeys, and StoreUnavailable."""
        ...

    async def hold(self, attempt: str, until: Instant) -> None:
        """It goes on for longer."""
        ...

    async def finish(self, attempt: str, answer: KeptAnswer) -> None:
        """Keep the answer; of a failure (from 400 on) only if something was changed, and else the key is free again."""
        ...

    async def forget_expired(self, now: Instant, limit: int) -> int: ...

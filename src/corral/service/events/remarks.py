"""Remarks about strangers and the departed: worth a row in the history now and then, not at every message.

Anybody who holds a trusted certificate can repeat a message that is refused or comes to nothing as often as he likes.
The answer stays the same each time; only its event is told once in a while.
"""

from collections import OrderedDict
from collections.abc import Hashable

from corral.lifecycle.change import Event
from corral.lifecycle.state import MINUTE, Instant

AGAIN_AFTER = 10 * MINUTE
MOST = 10_000
"""Remarks that are remembered; beyond that the oldest are forgotten, and may be told again sooner."""

REPEATABLE = frozenset(
    {
        "connection.checked-out",
        "connection.clone-refused",
        "connection.old-certificate-heard",
        "connection.old-life-heard",
        "connection.refused",
        "connection.restore-refused",
        "connection.still-here",
    }
)
"""Events of the life cycle that change nothing and can come with every message."""


class Remarks:
    """Remembers what was told lately, in bounded memory; each process for itself."""

    def __init__(self) -> None:
        self._told: OrderedDict[Hashable, Instant] = OrderedDict()

    def is_due(self, remark: Hashable, now: Instant) -> bool:
        told = self._told.get(remark)
        return told is None or now >= told + AGAIN_AFTER

    def told(self, remark: Hashable, now: Instant) -> None:
        self._told[remark] = now
        self._told.move_to_end(remark)
        if len(self._told) > MOST:
            self._told.popitem(last=False)

    def thin(self, events: tuple[Event, ...], who: bytes, now: Instant) -> tuple[Event, ...]:
        """These events, without what was told of this certificate (its fingerprint) just before."""
        return tuple(event for event in events if self._is_worth_telling(event, who, now))

    def tell(self, events: tuple[Event, ...], who: bytes, now: Instant) -> None:
        """They are written now."""
        for event in events:
            if event.type in REPEATABLE:
                self.told(_remark(event, who), now)

    def _is_worth_telling(self, event: Event, who: bytes, now: Instant) -> bool:
        return event.type not in REPEATABLE or self.is_due(_remark(event, who), now)


def _remark(event: Event, who: bytes) -> Hashable:
    # Never what a stranger chooses, such as the device that he claims to be: every claim would be a new remark.
    return event.type, who, event.data.get("why")

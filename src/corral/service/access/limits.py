"""How often somebody may fail to sign in: counted by where they come from and by whom they say they are.

In the memory of one process, and bounded there: several processes allow as many times more.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from corral.lifecycle.state import MINUTE, Instant
from corral.service.clock import Clock
from corral.service.errors import TooManyAttempts

WINDOW = 15 * MINUTE
OF_ONE_SOURCE = 30
FOR_ONE_NAME = 10
REMEMBERED = 10_000
"""Sources and names; the longest unheard of are forgotten first."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try to sign in: `source` empty where it tells nothing (the local socket, or a proxy that all come through),
    `name` where nobody says who they are."""

    source: str
    name: str


class Limits:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, tuple[Instant, int]] = OrderedDict()
        self._good: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, source: str, name: str) -> Attempt:
        """Counted before it is known how it ends: many at once are many. Raises TooManyAttempts.

        Where somebody has signed in with this name before, strangers elsewhere who guess it shut nobody out.
        """
        attempt = Attempt(_network(source), name)
        limits = [(f"from {attempt.source}", OF_ONE_SOURCE)] if attempt.source else []
        if name and (attempt.source, name) not in self._good:
            limits.append((f"as {name}", FOR_ONE_NAME))
        now = self._clock()
        for key, most in limits:
            began, count = self._counts.get(key, (now, 0))
            if count >= most and now < began + WINDOW:
                raise TooManyAttempts(
                    "Too many failed attempts to sign in; wait, or use a token or the local socket.",
                    -((now - began - WINDOW) // 1000),
                )
        for key, _ in limits:
            began, count = self._counts.get(key, (now, 0))
            self._counts[key] = (began, count + 1) if now < began + WINDOW else (now, 1)
            self._counts.move_to_end(key)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """It was not a failure after all."""
        for key in (f"from {attempt.source}", f"as {attempt.name}"):
            began, count = self._counts.get(key, (0, 0))
            if count:
                self._counts[key] = began, count - 1
        if attempt.source and attempt.name:
            self._good[attempt.source, attempt.name] = None
            self._good.move_to_end((attempt.source, attempt.name))
            while len(self._good) > REMEMBERED:
                self._good.popitem(last=False)


def _network(source: str) -> str:
    """Of IPv6 the network of 64 bits: within it an attacker has every address."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return source

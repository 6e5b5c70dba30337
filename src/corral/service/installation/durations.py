"""How long requests take: tallied where they are answered, and added to the library's histogram once a second."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry, Histogram

ROUTES: Final = frozenset(
    {"mdm", "checkin", "scep", "acme", "enroll", "api", "livez", "readyz", ".well-known", "MDMServiceConfig"}
)
"""First parts of paths, which label requests; whatever else is asked for is `other`."""

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
HELD: Final = 1.0
"""Seconds after which the counts of a process are where other processes find them."""


class _Tally:
    """Of one path and status: counts by bucket, the last for what lies above all bounds, and seconds in sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Durations:
    """`answered` is called for every request, and a device's poll costs some forty microseconds: to observe each one by
    itself in the library took two of them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._histogram = _Histogram(
            "corral_http_request_duration_seconds",
            "Time from a request's head until its answer was written.",
            ("route", "status"),
            registry=registry,
            buckets=BUCKETS,
        )
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._settling: asyncio.TimerHandle | None = None

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request to this path was answered."""
        tally = self._tallies.get((path, status))
        if tally is None:
            route = path[1:].partition("/")[0]
            label = route if route in ROUTES else "other"
            tally = self._tallies.setdefault((f"/{label}", status), _Tally())
        tally.counts[bisect_left(BUCKETS, seconds)] += 1
        tally.seconds += seconds
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(HELD, self.settle)

    def settle(self) -> None:
        """Add what was tallied, so that whoever collects finds it."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        tallies, self._tallies = self._tallies, {}
        for (path, status), tally in tallies.items():
            self._histogram.of(path[1:], str(status)).add(tally.counts, tally.seconds)


class _Histogram(Histogram):
    """Takes many observations at once."""

    def of(self, route: str, status: str) -> "_Histogram":
        return self.labels(route, status)

    def add(self, counts: Sequence[int], seconds: float) -> None:
        untyped = cast("Any", self)
        for bucket, count in zip(untyped._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        untyped._sum.inc(seconds)

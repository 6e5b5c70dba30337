"""One decision about many devices: a verdict for each, so that one that cannot be keeps no other.

Each is a change of its own, decided by what is known of its device; some are handed to the store together, which takes
them in one commit. Devices that ask meanwhile wait for a few of them, and never for all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Instant
from corral.lifecycle.trace import MOST_FOLLOWED, trace, within
from corral.service.access.confirming import Confirming
from corral.service.connections.operating import Deciding, Operating
from corral.service.errors import NotFound, RequestRefused
from corral.service.push.waking import Waking
from corral.store.errors import StoreUnavailable

LARGEST = 5000
"""Devices of one request: each is decided by itself, and somebody waits for the answer."""
AT_ONCE = 50
"""Devices whose changes are handed to the store together. `MOST_FOLLOWED` is a multiple of it."""

Verdict: TypeAlias = Literal["done", "eligible", "refused", "unknown", "failed"]
"""Done; would be, where it was only asked; not, by the state of the device or the breaker; not, since there is no such
device; not, since the database failed, which the same request may be sent again for."""


Outcomes: TypeAlias = Sequence[object]
"""Of some devices, in their order: what was raised, or anything else where it was done."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of it for one device; `problem` says why nothing did."""

    device: str
    verdict: Verdict
    problem: str = ""


class DecidingForMany:
    """Every verb takes devices by their ids, serial numbers or connection ids. `only_ask`: nothing is done.

    Each raises RequestRefused for too many devices, and the verbs by which devices leave OperationRefused for many
    whose number `confirm` does not say.
    """

    def __init__(self, operating: Operating, waking: Waking, confirming: Confirming) -> None:
        self._operating = operating
        self._waking = waking
        self._confirming = confirming

    async def end(
        self, devices: Sequence[str], by: str, deadline: Instant | None, *, confirm: int | None, only_ask: bool
    ) -> list[Decided]:
        """The breaker counts each: where it has no room for more, the others are refused."""
        if not only_ask:
            self._confirming.check("Ending connections", len(set(devices)), confirm)
        return await self._decide(devices, self._operating.ending(by, deadline), only_ask=only_ask)

    async def block(
        self, devices: Sequence[str], by: str, reason: str, *, confirm: int | None, only_ask: bool
    ) -> list[Decided]:
        if not only_ask:
            self._confirming.check("Blocking", len(set(devices)), confirm)
        return await self._decide(devices, self._operating.blocking(by, reason), only_ask=only_ask)

    async def renew(self, devices: Sequence[str], by: str, *, only_ask: bool) -> list[Decided]:
        return await self._decide(devices, self._operating.renewing(by), only_ask=only_ask)

    async def wake(self, devices: Sequence[str], by: str, *, only_ask: bool) -> list[Decided]:
        async def wake(some: Sequence[str]) -> Outcomes:
            wakes = (self._waking.look(each) if only_ask else self._waking.wake(each, by) for each in some)
            return await asyncio.gather(*wakes, return_exceptions=True)

        return [each async for each in _each(devices, wake, only_ask=only_ask)]

    async def _decide(self, devices: Sequence[str], decide: Deciding, *, only_ask: bool) -> list[Decided]:
        told: set[str] = set()

        async def consider(some: Sequence[str]) -> Outcomes:
            return [await self._consider(each, decide, told) for each in some]

        async def carry_out(some: Sequence[str]) -> Outcomes:
            return await self._operating.carry_out_on_several(some, decide)

        return [each async for each in _each(devices, consider if only_ask else carry_out, only_ask=only_ask)]

    async def _consider(self, device: str, decide: Deciding, told: set[str]) -> Exception | None:
        """Why it would not be done; `told` are those that would have been told to leave by then."""
        try:
            change = await self._operating.consider(device, decide, frozenset(told))
        except Exception as error:
            return error
        if change.unenrolling is not None:
            told.add(change.unenrolling)
        return None


async def _each(
    devices: Sequence[str], act: Callable[[Sequence[str]], Awaitable[Outcomes]], *, only_ask: bool
) -> AsyncIterator[Decided]:
    """Each once, in their order. After the database has failed nobody else is tried any more."""
    names = dict.fromkeys(devices)
    if len(names) > LARGEST:
        raise RequestRefused(
            f"These are {len(names):,} devices, and a request is about {LARGEST:,} at most; narrow it."
        )
    failure, asked_in, taken, remaining = "", trace(), 0, iter(names)
    while some := list(islice(remaining, AT_ONCE)):
        if failure:
            for name in some:
                yield Decided(name, "failed", f"Not tried: {failure}")
            continue
        with within(asked_in if taken < MOST_FOLLOWED else None):
            outcomes = await act(some)
        taken += len(some)
        for name, outcome in zip(some, outcomes, strict=True):
            decided = _verdict(name, outcome, only_ask=only_ask)
            failure = failure or (decided.problem if decided.verdict == "failed" else "")
            yield decided


def _verdict(name: str, outcome: object, *, only_ask: bool) -> Decided:
    match outcome:
        case NotFound() as error:
            return Decided(name, "unknown", str(error))
        case OperationRefused() | RequestRefused() as error:
            return Decided(name, "refused", str(error))
        case StoreUnavailable() as error:
            return Decided(name, "failed", str(error))
        case BaseException() as error:
            raise error
        case _:
            return Decided(name, "eligible" if only_ask else "done")

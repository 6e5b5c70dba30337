"""One decision about many devices: a verdict and a commit for each, so that one that cannot be keeps no other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
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
"""Devices of one request: each is a commit of its own, and somebody waits for the answer."""

Verdict: TypeAlias = Literal["done", "eligible", "refused", "unknown", "failed"]
"""Done; would be, where it was only asked; not, by the state of the device or the breaker; not, since there is no such
device; not, since the database failed, which the same request may be sent again for."""


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
        async def wake(device: str) -> None:
            await (self._waking.look(device) if only_ask else self._waking.wake(device, by))

        return [each async for each in _each(devices, wake, only_ask=only_ask)]

    async def _decide(self, devices: Sequence[str], decide: Deciding, *, only_ask: bool) -> list[Decided]:
        told: set[str] = set()

        async def consider(device: str) -> None:
            change = await self._operating.consider(device, decide, frozenset(told))
            if change.unenrolling is not None:
                told.add(change.unenrolling)

        async def carry_out(device: str) -> None:
            await self._operating.carry_out(device, decide)

        return [each async for each in _each(devices, consider if only_ask else carry_out, only_ask=only_ask)]


async def _each(
    devices: Sequence[str], act: Callable[[str], Awaitable[None]], *, only_ask: bool
) -> AsyncIterator[Decided]:
    """Each once, in their order. After the database has failed nobody is tried any more."""
    names = dict.fromkeys(devices)
    if len(names) > LARGEST:
        raise RequestRefused(
            f"These are {len(names):,} devices, and a request is about {LARGEST:,} at most; narrow it."
        )
    failure, asked_in = "", trace()
    for place, name in enumerate(names):
        if failure:
            yield Decided(name, "failed", f"Not tried: {failure}")
            continue
        try:
            with within(asked_in if place < MOST_FOLLOWED else None):
                await act(name)
        except NotFound as error:
            yield Decided(name, "unknown", str(error))
        except (OperationRefused, RequestRefused) as error:
            yield Decided(name, "refused", str(error))
        except StoreUnavailable as error:
            failure = str(error)
            yield Decided(name, "failed", failure)
        else:
            yield Decided(name, "eligible" if only_ask else "done")

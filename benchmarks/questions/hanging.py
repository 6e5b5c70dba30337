"""What do polls feel of webhooks, one of which hangs? And how many events a second does a fast receiver get?

Events are made by an administrator all the time, with and without webhooks, so that only these differ.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import crowd
from benchmarks.questions.felt import AIM, Felt, feel, rows, shortcoming
from benchmarks.questions.ground import Ground
from benchmarks.receivers import Receivers
from benchmarks.site import Site
from benchmarks.workloads import enroll, idle_scripts
from corral.lifecycle.change import Event
from corral.service.clock import system_clock

FAST: Final = 3
"""Receivers that answer at once, beside the one that hangs."""
AIM_RATE: Final = 1000.0
"""Events a second to one fast receiver."""
PATIENCE: Final = 120.0
_EVENTS_EVERY: Final = 0.02


@dataclass(frozen=True, slots=True)
class Hanging:
    """`usual` is without webhooks; `rate` in events a second to one receiver while nothing else goes on."""

    usual: Felt
    with_webhooks: Felt
    while_queueing: Felt
    hung_calls: int
    events: int
    rate: float

    def lines(self) -> Sequence[str]:
        return [
            "## Webhooks, and one that hangs",
            "",
            f"Polls while {1 / _EVENTS_EVERY:.0f} events a second are asked for"
            f" (aim: a p99 of at most {AIM:.0f} times the usual):",
            "",
            *rows(
                self.usual,
                (
                    (f"with {FAST + 1} webhooks, of which one hangs", self.with_webhooks),
                    ("and while an administrator queues for a fleet", self.while_queueing),
                ),
            ),
            "",
            f"The receiver that hangs was called {self.hung_calls} times. {self.events:,} events reached one"
            f" that does not at {self.rate:,.0f} a second (aim {AIM_RATE:,.0f}).",
        ]

    def shortcomings(self) -> Sequence[str]:
        short = [*shortcoming(self.usual, self.with_webhooks, "with a webhook that hangs")]
        short += shortcoming(self.usual, self.while_queueing, "with webhooks, and while an administrator queues")
        if self.rate < AIM_RATE / 2:
            short.append(f"a fast receiver gets {self.rate:,.0f} events a second")
        return short

    def plots(self) -> Mapping[str, str]:
        return {}


async def measure(ground: Ground) -> Hanging:
    with Receivers(ground.folder, FAST) as receivers:
        place = ground.place("hanging", CORRAL_WEBHOOK_CA=str(receivers.ca), CORRAL_OUTGOING_NETWORKS="127.0.0.0/8")
        async with ground.site(place) as site:
            await enroll(site)
        await asyncio.to_thread(crowd.fill, ground.backend, place.data, range(ground.sizes.crowd), ground.sealer())
        events = max(ground.sizes.crowd // 10, 1000)
        async with ground.backend.open_store(place.data, ground.sealer()) as store:
            begin = await store.events.last()
            for first in range(0, events, 500):
                await store.events.append(tuple(_event(number) for number in range(first, min(first + 500, events))))
        async with ground.site(place) as site:
            rate = await _drain(site, receivers, begin, events)
            return await _hang(ground, site, receivers, events, rate)


async def _drain(site: Site, receivers: Receivers, begin: int, events: int) -> float:
    """Everything there is, to one receiver that answers at once."""
    name = await _add(site, receivers.urls[0])
    start = time.perf_counter()
    (await site.admin.post(f"/webhooks/{name}/replay", json={"after": begin})).raise_for_status()
    async with asyncio.timeout(PATIENCE):
        while receivers.taken()[0] < events:  # noqa: ASYNC110 - another process knows
            await asyncio.sleep(0.02)
    rate = events / (time.perf_counter() - start)
    (await site.admin.delete(f"/webhooks/{name}")).raise_for_status()
    return rate


async def _hang(ground: Ground, site: Site, receivers: Receivers, events: int, rate: float) -> Hanging:
    scripts, seconds = await idle_scripts(site), 3 * ground.sizes.seconds

    async def make_an_event() -> None:
        (await site.admin.post("/links", json={"note": "an event"})).raise_for_status()
        await asyncio.sleep(_EVENTS_EVERY)

    devices = [crowd.device_id(number) for number in range(ground.sizes.crowd)]
    wanted = {"devices": devices, "request_type": "DeviceInformation", "keys": {"Queries": ["DeviceName"]}}

    async def queue() -> None:
        (await site.admin.post("/commands", json=wanted, timeout=PATIENCE)).raise_for_status()

    await site.play(scripts, times=1000, seconds=seconds / 2)
    usual = await feel(site, scripts, seconds, None, make_an_event)
    for url in receivers.urls:
        await _add(site, url)
    with_webhooks = await feel(site, scripts, seconds, usual, make_an_event)
    while_queueing = await feel(site, scripts, seconds, usual, queue)
    return Hanging(
        usual=usual,
        with_webhooks=with_webhooks,
        while_queueing=while_queueing,
        hung_calls=receivers.taken()[-1],
        events=events,
        rate=rate,
    )


async def _add(site: Site, url: str) -> str:
    answer = await site.admin.post("/webhooks", json={"url": url})
    answer.raise_for_status()
    name: str = answer.json()["webhook"]["id"]
    return name


def _event(number: int) -> Event:
    """Of fifty devices in turn, as it would be written."""
    device = number % 50
    return Event(
        type="push.token-changed",
        at=system_clock(),
        device_id=crowd.device_id(device),
        connection_id=crowd.connection_id(device),
    )

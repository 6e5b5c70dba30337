"""How long does somebody wait for a page of a listing, a search, or an answer to a question, with a whole fleet there?

One request after the other, while nothing else goes on: what a person at a console feels.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks import crowd
from benchmarks.questions.ground import Ground, table
from benchmarks.site import Site
from benchmarks.workloads import enroll

AIM: Final = 50.0
"""Milliseconds."""
TIMES: Final = 15
PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Waited:
    """Milliseconds for one request, the median of several and the longest; `found` in the page."""

    what: str
    median: float
    longest: float
    found: int


@dataclass(frozen=True, slots=True)
class Listings:
    crowd: int
    waits: Sequence[Waited]

    def lines(self) -> Sequence[str]:
        rows = [
            (each.what, f"{each.found:,}", f"{each.median:.1f}, {each.longest:.1f}", f"{AIM:.0f}")
            for each in self.waits
        ]
        heads = ("request", "found in the page", "ms: median, longest", "aim for the median")
        return [f"## Listings and searches with {self.crowd:,} devices", "", *table(heads, rows)]

    def shortcomings(self) -> Sequence[str]:
        return [f"`{each.what}` takes {each.median:.0f} ms, most {AIM:.0f}" for each in self.waits if each.median > AIM]

    def plots(self) -> Mapping[str, str]:
        return {}


def requests(devices: int) -> Mapping[str, str]:
    """By their address, what of the answer is counted."""
    one = crowd.device_id(devices // 2)
    return {
        "/devices?limit=100": "devices",
        f"/devices?limit=100&after={one}": "devices",
        f"/devices?search={one[:7]}": "devices",
        f"/devices?search=C{devices // 2:011X}": "devices",
        "/devices?search=nobody-has-it": "devices",
        "/devices?phase=connected": "devices",
        "/devices?phase=ended": "devices",
        "/devices?platform=tvOS": "devices",
        "/devices?phase=connected&os_version=1": "devices",
        "/devices?contains=0": "devices",
        "/devices?contains=nobody-has-it": "devices",
        f"/devices?contains={one[3:14]}&phase=connected": "devices",
        "/devices?seen_within=86400": "devices",
        "/devices?not_seen_for=86400": "devices",
        "/devices?seen_within=86400&phase=connected&way=link": "devices",
        "/devices?way=link": "devices",
        "/devices?way=automated": "devices",
        "/devices?way=restore": "devices",
        "/devices?supervised=true": "devices",
        "/commands?limit=100": "commands",
        "/commands?state=open": "commands",
        f"/commands?device={one}": "commands",
        "/events?last=100": "events",
        f"/events?device={one}&last=100": "events",
        "/events?types=command.queued&last=100": "events",
        "/audit?limit=100": "entries",
        "/links?limit=100": "links",
        "/inventory/devices?query=platform%20%3D%20tvOS": "devices",
        "/inventory/devices?query=os_version%20%3C%201": "devices",
    }


async def measure(ground: Ground) -> Listings:
    count = ground.sizes.crowd
    place = ground.place("listings")
    async with ground.site(place) as site:
        await enroll(site)
    await asyncio.to_thread(crowd.fill, ground.backend, place.data, range(count), ground.sealer())
    async with ground.site(place) as site:
        wanted = {
            "devices": [crowd.device_id(number) for number in range(count)],
            "request_type": "DeviceInformation",
            "keys": {"Queries": ["DeviceName"]},
        }
        (await site.admin.post("/commands", json=wanted, timeout=PATIENCE)).raise_for_status()
        return Listings(count, [await _wait(site, address, what) for address, what in requests(count).items()])


async def _wait(site: Site, address: str, what: str) -> Waited:
    waits: list[float] = []
    found = 0
    for _ in range(TIMES):
        start = time.perf_counter()
        answer = await site.admin.get(address, timeout=PATIENCE)
        waits.append((time.perf_counter() - start) * 1000)
        answer.raise_for_status()
        found = len(answer.json()[what])
    return Waited(address, median(waits), max(waits), found)

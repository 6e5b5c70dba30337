"""The people of the day: they ask devices in turn what they are, and have identities renewed."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from benchmarks.day.hours import HOURS, Due, done_by

RENEWALS: Final = 0.01
"""The share of the fleet whose identity is renewed within the day."""

STEP: Final = 0.5
MOST: Final = 5000
"""Devices that one request names."""

ASKED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("DeviceInformation", {"Queries": ["DeviceName", "OSVersion", "BuildVersion", "SerialNumber", "BatteryLevel"]}),
    ("SecurityInfo", {}),
    ("DeviceInformation", {"Queries": ["DeviceName", "OSVersion", "DeviceCapacity", "AvailableDeviceCapacity"]}),
    ("ProfileList", {}),
)


@dataclass(slots=True)
class Asked:
    """`latencies` are of requests of the admin API, in seconds."""

    commands: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    renewals: int = 0
    latencies: list[float] = field(default_factory=list[float], repr=False)


async def operate(
    admin: httpx.AsyncClient, devices: Sequence[str], commands: float, seconds: float, began: float
) -> Asked:
    """`commands` for each of the devices within the day, evenly over its work."""
    asked, factor = Asked(), HOURS * 3600 / seconds
    order = list(devices)
    random = Random(3)
    random.shuffle(order)
    place, kinds = 0, 0
    wanted, renewals = Due(len(order) * commands), Due(len(order) * RENEWALS)
    while (hour := (time.time() - began) * factor / 3600) < HOURS:
        share = done_by(hour)
        count = sum(1 for _ in wanted.take(share))
        while count:
            some = min(count, MOST, len(order) - place)
            request_type, keys = ASKED[kinds % len(ASKED)]
            await _ask(admin, asked, order[place : place + some], request_type, keys)
            place, kinds, count = (place + some) % len(order), kinds + 1, count - some
        for _ in renewals.take(share):
            answer = await admin.post(f"/devices/{random.choice(order)}/renew", timeout=60)
            if answer.is_success:
                asked.renewals += 1
            else:
                asked.refused[f"renewal: HTTP {answer.status_code}"] += 1
        await asyncio.sleep(STEP)
    return asked


async def _ask(
    admin: httpx.AsyncClient, asked: Asked, devices: Sequence[str], request_type: str, keys: dict[str, Any]
) -> None:
    start = time.perf_counter()
    body = {"devices": list(devices), "request_type": request_type, "keys": keys}
    answer = await admin.post("/commands", json=body, timeout=60)
    asked.latencies.append(time.perf_counter() - start)
    answer.raise_for_status()
    queued = answer.json()["queued"]
    asked.commands += queued
    if queued < len(devices):
        asked.refused["a device that is just away"] += len(devices) - queued

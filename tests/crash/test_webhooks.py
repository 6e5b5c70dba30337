"""Events reach receivers whatever happens to the service, and receivers that misbehave harm nobody."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from corral.simulator.device import Device
from corral.simulator.life_events import change_push_token
from crash.field import BEHIND_PROXY, gather_field
from e2e.installation import Installation, installation, make_template, until
from receiver import Receiver, receiver

TAKEN_OVER_WITHIN = 25.0
"""Seconds: on PostgreSQL the lease of a dead process has to run out."""


@asynccontextmanager
async def service(folder: Path, database: str, *hooks: Receiver) -> AsyncGenerator[Installation]:
    template = await asyncio.to_thread(make_template, folder / "template", database)
    given = {**BEHIND_PROXY, **hooks[0].settings}
    async with installation(template, folder / "service", given, plain=True) as corral:
        for each in hooks:
            await corral.post("/webhooks", url=each.url)
        yield corral


async def everything(corral: Installation, since: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := await corral.events(since):
        found += page
        since = page[-1]["sequence"]
    return found


@pytest.mark.slow
async def test_kills_lose_no_event_and_change_no_order(tmp_path: Path, database: str) -> None:
    async with receiver(tmp_path) as hook, service(tmp_path, database, hook) as corral:
        since = (await corral.events(0))[-1]["sequence"]
        field = await gather_field(corral, 12, 8)
        hook.delay = 0.01
        for _ in range(4):
            field.joined += 1
            async with field.at_work() as over:
                await asyncio.sleep(field.random.uniform(0.3, 0.9))
                for device in field.devices[:4]:
                    with contextlib.suppress(Exception):
                        await change_push_token(device)
                await corral.service.kill()
                over.set()
                await corral.service.start()
        told = await everything(corral, since)
        numbers = {each["sequence"] for each in told}
        with contextlib.suppress(AssertionError):
            await until(lambda: numbers <= {each["sequence"] for each in hook.events}, TAKEN_OVER_WITHIN)
        lost = numbers - {each["sequence"] for each in hook.events}
        assert not lost, f"{len(lost)} of {len(numbers)} events never came"
        hook.check_order()
        by_number = {each["sequence"]: each for each in hook.first}
        assert all(by_number[each["sequence"]] == each for each in told)
        assert len(numbers) > 50, "that was no load"
        twice = len(hook.events) - len(hook.first)
        assert twice <= 4 * 100, "a turn at most for each kill"
        assert len(set(hook.ids)) == len(hook.first), "what comes twice has one id"
        print(f"{len(numbers)} events, {twice} of them twice")


@pytest.mark.slow
async def test_receivers_that_misbehave_harm_nobody(tmp_path: Path, database: str) -> None:
    async with (
        receiver(tmp_path, "good") as good,
        receiver(tmp_path, "hangs") as hangs,
        receiver(tmp_path, "slow") as slow,
        receiver(tmp_path, "fails") as fails,
    ):
        authorities = [(tmp_path / f"{name}-ca.pem").read_text() for name in ("good", "hangs", "slow", "fails")]
        (tmp_path / "all.pem").write_text("".join(authorities))
        good.settings["CORRAL_WEBHOOK_CA"] = str(tmp_path / "all.pem")
        async with service(tmp_path, database, good) as corral:
            field = await gather_field(corral, 8, 8)
            await asyncio.gather(*(device.enroll(field.link) for device in field.devices))
            await field.settle()
            calm = await polls(field.devices[0])
            hangs.status, slow.delay, fails.status = None, 1.0, 500
            for each in (hangs, slow, fails):
                await corral.post("/webhooks", url=each.url)
            for number in range(60):
                await corral.post("/links", note=str(number))
                await change_push_token(field.devices[number % 8])
            harmed = await polls(field.devices[0])
            assert harmed < max(3 * calm, 0.05), f"p99 of polls from {calm * 1000:.1f} ms to {harmed * 1000:.1f} ms"
            last = (await everything(corral, 0))[-1]["sequence"]
            await until(lambda: good.events and good.events[-1]["sequence"] >= last - 20, 20)
            assert hangs.most_open <= 8
            assert slow.most_open <= 8
            assert fails.called <= 60, "it is not called for every event while it takes nothing"
            good.check_order()

            hangs.status, slow.delay, fails.status = 200, 0.0, 200
            for each in (hangs, slow, fails):
                name = next(hook["id"] for hook in await hooks(corral) if hook["url"] == each.url)
                await corral.api.patch(f"/webhooks/{name}", json={"enabled": False})
                await corral.api.patch(f"/webhooks/{name}", json={"enabled": True})
            await until(lambda: all(len(each.first) >= 120 for each in (hangs, slow, fails)), 30)
            for each in (hangs, slow, fails):
                each.check_order()
            assert [each["dead"] for each in await hooks(corral)] == [0] * 4


async def hooks(corral: Installation) -> list[dict[str, Any]]:
    return (await corral.get("/webhooks"))["webhooks"]


async def polls(device: Device) -> float:
    """Seconds that all but the slowest hundredth of polls take."""
    took = list[float]()
    for _ in range(300):
        began = time.perf_counter()
        await device.poll()
        took.append(time.perf_counter() - began)
    return sorted(took)[int(len(took) * 0.99)]

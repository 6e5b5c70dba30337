"""Many devices: the same again for a seed, side by side, counted."""

import asyncio
from itertools import islice

from corral.simulator.behaviour import Behaviour, Patience
from corral.simulator.device import Device
from corral.simulator.fleet import Feed, Fleet, make_fleet
from corral.simulator.keys import KeyPool
from corral.simulator.world import Happening, State, World

from .conftest import ORIGIN, Stage

HURRIED = Behaviour(patience=Patience(2, 0.01, 0.01))


def fleet_of(stage: Stage, count: int) -> Fleet:
    return make_fleet(stage.world, count, seed=5, behaviour=HURRIED, concurrency=4)


async def test_the_same_seed_makes_the_same_fleet(stage: Stage) -> None:
    first, second = (fleet_of(stage, 30) for _ in range(2))
    assert [device.facts for device in first.devices] == [device.facts for device in second.devices]
    assert len({device.facts.udid for device in first.devices}) == 30
    assert len({device.facts.platform for device in first.devices}) == 4


async def test_enrolls_and_polls(stage: Stage) -> None:
    fleet = fleet_of(stage, 10)
    tally = await fleet.enroll(f"{ORIGIN}/enroll/link")
    assert (tally.done, tally.failed) == (10, 0)
    assert fleet.states() == {State.ENROLLED: 10}
    assert 0 < tally.percentile(0.5) <= tally.percentile(0.99)
    tally = await fleet.poll()
    assert (tally.done, tally.failed) == (10, 0)
    assert len(stage.service.of("Idle")) == 10


async def test_counts_failures_by_reason(stage: Stage) -> None:
    fleet = fleet_of(stage, 5)
    stage.service.refuse("Authenticate", 403, b"no", times=2)

    async def profile(device: Device) -> bytes:
        del device
        return stage.service.profile()

    tally = await fleet.enroll(profile)
    assert (tally.done, tally.failed) == (3, 2)
    assert list(tally.failures.values()) == [2]
    assert "403" in next(iter(tally.failures))


async def test_goes_round_until_the_time_is_up(stage: Stage) -> None:
    fleet = fleet_of(stage, 2)
    await fleet.enroll(f"{ORIGIN}/enroll/link")
    tally = await fleet.poll(seconds=0.2)
    assert tally.done > 2
    assert tally.per_second > 10
    assert 0.2 <= tally.seconds < 2


async def test_a_feed_tells_what_happens(stage: Stage) -> None:
    feed, heard = Feed(), list[str]()
    world = World(stage.world.transport, stage.world.keys, stage.push, stage.world.trust, observe=feed)
    fleet = make_fleet(world, 1, behaviour=HURRIED)
    feed.listen(lambda happening: heard.append(happening.what))
    streamed = asyncio.create_task(_first(feed, 4))
    await asyncio.sleep(0)
    await fleet.enroll(f"{ORIGIN}/enroll/link")
    assert heard == ["identity", "authenticate", "token-update", "enrolled"]
    assert [each.what for each in await streamed] == heard
    assert feed.counts["enrolled", True] == 1


async def _first(feed: Feed, count: int) -> list[Happening]:
    found: list[Happening] = []
    stream = feed.stream()
    async for happening in stream:
        found.append(happening)
        if len(found) == count:
            break
    return found


async def test_keys_are_new_or_go_round() -> None:
    pool = KeyPool(2)
    keys = await asyncio.gather(*(pool.take() for _ in range(5)))
    assert len({id(key) for key in keys}) == 2
    assert all(first is not second for first, second in zip(keys, islice(keys, 1, None), strict=False))
    pool.close()
    fresh = KeyPool()
    assert await fresh.take(1024) != await fresh.take(1024)
    fresh.close()

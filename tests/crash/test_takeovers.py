"""Who waits to take a connected device's place is let in or turned away once, whatever happens to the service."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from corral.service.push.pushing import LEASE
from corral.simulator.device import Device
from corral.simulator.identity import ProxyHeader
from corral.simulator.world import State
from crash.field import BEHIND_PROXY, PATIENT, enroll
from e2e.installation import Installation, installation, make_template, until
from postgres_server import execute

KILLS = 2
EACH = 2
"""Newcomers of each kind before each kill."""

TOLD_WITHIN = 20.0
"""Seconds until Apple's word about a dead token has its consequence, on a machine that is busy."""


class Told(Enum):
    """Who says what becomes of the newcomer."""

    LET_IN = auto()
    TURNED_AWAY = auto()
    DEAD_TOKEN = auto()
    """Nobody: the device itself was erased, and Apple says so at the next push to its former connection."""


@dataclass
class Claim:
    """A newcomer who says that it is the owner. `waiting` is a command for the owner alone; `unsure` as long as some
    decision got no answer, and may have been carried out."""

    owner: Device
    newcomer: Device
    told: Told
    former: str
    waiting: str
    unsure: bool = False

    @property
    def udid(self) -> str:
        return self.owner.facts.udid


@asynccontextmanager
async def service(folder: Path, database: str) -> AsyncGenerator[Installation]:
    template = await asyncio.to_thread(make_template, folder / "template", database)
    async with installation(template, folder / "service", BEHIND_PROXY, plain=True) as corral:
        yield corral


async def claim(corral: Installation, told: Told) -> Claim:
    """An owner who sleeps through pushes, with something that waits for it, and its newcomer."""
    owner = await corral.enrolled(proof=ProxyHeader(), patience=PATIENT)
    stranger = corral.device(quiet=False, proof=ProxyHeader(), patience=PATIENT)
    facts = replace(stranger.facts, udid=owner.facts.udid)
    newcomer = Device(facts, stranger.world, stranger.behaviour, seed=stranger.facts.number)
    former = (await corral.life(owner))["id"]
    return Claim(owner, newcomer, told, former, await corral.send(owner, "ProfileList"))


async def carry_on(corral: Installation, each: Claim, link: str, after: float) -> None:
    """All that happens to one claim, against any number of kills."""
    await asyncio.sleep(after)
    if each.told is Told.DEAD_TOKEN:
        each.owner.wipe()
    await enroll(each.newcomer, link)
    if each.told is not Told.DEAD_TOKEN:
        await decide(corral, each)


async def decide(corral: Installation, each: Claim) -> None:
    """Say it until there is an answer. The newcomer has been answered 200: it waits, whoever was killed since."""
    asked = {"accept": each.told is Told.LET_IN}
    while True:
        try:
            answer = await corral.api.post(f"/devices/{each.udid}/takeover", json=asked)
        except httpx.TransportError:
            each.unsure = True
            await asyncio.sleep(0.02)
            continue
        if answer.status_code == 503:
            await asyncio.sleep(0.02)
            continue
        if answer.status_code != 409 or not each.unsure:
            assert answer.status_code == 200, f"{each.told}: {answer.status_code} {answer.text}"
        return


async def check(corral: Installation, each: Claim) -> None:
    """One outcome, once, and what belongs to one connection was given to no other."""
    if each.told is Told.DEAD_TOKEN:
        await until(lambda: is_in(corral, each), TOLD_WITHIN)
    shown = await corral.get(f"/devices/{each.udid}")
    lives = {life["id"]: life for life in shown["connections"]}
    assert shown["takeover"] is None, f"{each.told}: it still waits"
    kinds = await corral.kinds(each.owner)
    assert "connection.takeover-held" in kinds
    said = {kind: kinds.count(f"connection.takeover-{kind}") for kind in ("accepted", "refused")}
    if each.told is Told.TURNED_AWAY:
        await check_turned_away(corral, each, lives, said)
    else:
        await check_let_in(corral, each, lives, said)
    assert each.owner.complaints == each.newcomer.complaints == []


async def is_in(corral: Installation, each: Claim) -> bool:
    life = await corral.life(each.owner)
    return life["id"] != each.former and life["phase"] == "connected"


async def check_let_in(corral: Installation, each: Claim, lives: dict[str, Any], said: dict[str, int]) -> None:
    assert said == {"accepted": 1, "refused": 0}
    assert [name for name, life in lives.items() if life["phase"] == "connected"] == [next(iter(lives))]
    assert {life["end_reason"] for life in lives.values() if life["phase"] != "connected"} == {"superseded"}
    sent = await corral.send(each.newcomer, "SecurityInfo")
    await each.newcomer.poll()
    await each.newcomer.settle()
    assert (await corral.outcome(sent))["delivery"]["state"] == "acknowledged"
    assert (await corral.outcome(each.waiting))["delivery"]["state"] != "acknowledged"


async def check_turned_away(corral: Installation, each: Claim, lives: dict[str, Any], said: dict[str, int]) -> None:
    assert said == {"accepted": 0, "refused": 1}
    assert lives.pop(each.former)["phase"] == "connected"
    assert {life["phase"] for life in lives.values()} == {"ended"}
    await each.newcomer.poll()
    assert each.newcomer.state is State.UNENROLLED
    await each.owner.poll()
    assert (await corral.outcome(each.waiting))["delivery"]["state"] == "acknowledged"


@pytest.mark.slow
async def test_kills_neither_lose_nor_double_a_takeover(tmp_path: Path, database: str) -> None:
    random = Random(3)
    async with service(tmp_path, database) as corral:
        made = await corral.post("/links", uses=None)
        claims = list[Claim]()
        for _ in range(KILLS):
            wave = await asyncio.gather(*(claim(corral, told) for told in Told for _ in range(EACH)))
            claims += wave
            async with asyncio.TaskGroup() as group:
                for each in wave:
                    group.create_task(carry_on(corral, each, made["url"], random.uniform(0, 0.5)))
                await asyncio.sleep(random.uniform(0.2, 0.7))
                await corral.service.kill()
                if database != "sqlite":  # as if the lease of the dead process had run out; SQLite's ends with it
                    execute(database, f"UPDATE work SET free_at = free_at - {LEASE}")  # noqa: S608 - a number of ours
                await corral.service.start()
        for each in claims:
            await check(corral, each)
        used = (await corral.get(f"/links/{made['link']['id']}"))["used"]
        assert used == sum(each.told is not Told.TURNED_AWAY for each in claims)

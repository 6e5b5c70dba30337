"""A service that is killed in the middle of its work, again and again, keeps everything that it has answered for."""

import asyncio
import base64
import contextlib
import plistlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import apsw
import httpx
import pytest

from corral.app import DATABASE
from corral.cli.process import ServiceFailed
from corral.simulator.behaviour import Behaviour, Busy, Patience
from corral.simulator.device import Device, make_device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.identity import ProxyHeader
from corral.simulator.life_events import change_push_token
from corral.simulator.transport import Detour
from corral.store.sqlite.connecting import typed
from crash.ledger import Account, Ledger
from crash.witness import Witness
from e2e.installation import Installation, installation, make_template, until

AT_FIRST = 12
"""Devices; one more joins before each kill, so that every kill may hit an enrollment."""

KINDS = (Model.IPHONE, Model.MAC)
"""A Mac may say NotNow to what is asked here."""

ATTEMPTS = 40
"""To enroll, while the service is away or coming back."""

PUSHED_WITHIN = 0.8
"""Seconds that a push gets to wake its device, and the device to answer."""

PATIENT = Patience(attempts=60, first=0.05, ceiling=0.25)
BEHIND_PROXY = {"CORRAL_IDENTITY": "header", "CORRAL_PROXY": "127.0.0.1/32", "CORRAL_LOG_LEVEL": "info"}


@pytest.mark.slow
async def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    await _kill_and_count(tmp_path, kills=10)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    await _kill_and_count(tmp_path, kills=50)


async def _kill_and_count(folder: Path, kills: int) -> None:
    template = await asyncio.to_thread(make_template, folder / "template")
    async with installation(template, folder / "crash", BEHIND_PROXY, plain=True) as corral:
        field = await _gather_field(corral, AT_FIRST + kills)
        for number in range(kills):
            await field.disturb(number)
            await field.check_kept()
        await field.finish()
        await field.check_kept()
        await corral.service.stop()
        await asyncio.to_thread(_examine, corral.data)
    taken = sum(len(account.taken) for account in field.ledger.accounts.values())
    assert taken > 20 * kills, f"only {taken} commands were carried out: that was no load"
    print(
        f"{kills} kills, {taken} commands carried out, {field.ledger.repeated} of them handed out again, "
        f"{field.pushed_late} pushes late"
    )


@dataclass
class Field:
    """A fleet at work before a service that dies."""

    corral: Installation
    ledger: Ledger
    devices: Sequence[Device]
    link: str
    random: Random
    joined: int = AT_FIRST
    pushed_late: int = 0

    async def disturb(self, number: int) -> None:
        """Work, a kill in the middle of it, and a new start, which one time in four is killed as well.

        Nobody begins anything new after the kill, but everybody ends what was begun, as devices do.
        """
        over = asyncio.Event()
        self.joined += 1
        service = self.corral.service
        async with asyncio.TaskGroup() as group:
            for device in self.devices[: self.joined]:
                group.create_task(self._work(device, over))
            group.create_task(self._operate(over))
            await asyncio.sleep(self.random.uniform(0.15, 0.9))
            await service.kill()
            over.set()
            if number % 4 == 3:
                await self._kill_the_start()
            await service.start()
        await self._settle()

    async def finish(self) -> None:
        """Every device fetches what is still there for it."""
        for device in self.devices[: self.joined]:
            await device.poll()
        await self._settle()
        for account in self.ledger.accounts.values():
            assert not account.owed, f"{account.udid} never got {len(account.owed)} commands that were queued for it"

    async def check_kept(self) -> None:
        """All that was answered is there, and devices can be reached."""
        assert not self.ledger.broken, "\n".join(self.ledger.broken)
        accounts = [self.ledger.account(device.facts.udid) for device in self.devices[: self.joined]]
        for account in accounts:
            assert account.connected, f"{account.udid} did not get in"
            await self._check_life(account)
            await self._check_results(account)
        await self._check_reachable(accounts)

    # -- work

    async def _work(self, device: Device, over: asyncio.Event) -> None:
        if device.enrollment is None:
            await self._enroll(device)
        while not over.is_set():
            choice = self.random.random()
            if choice < 0.1:
                await change_push_token(device)
            elif choice < 0.2:
                device.busy = Busy(sessions=1, pause=0.05)
            await device.poll()
            await asyncio.sleep(self.random.uniform(0, 0.03))

    async def _enroll(self, device: Device) -> None:
        for attempt in range(ATTEMPTS):
            try:
                if device.cached_profile is not None and attempt % 2:
                    await device.retry_installation()
                else:
                    await device.enroll(self.link)
            except InstallationFailed:
                await asyncio.sleep(0.1)
            else:
                return
        raise AssertionError(f"{device} cannot enroll: {ATTEMPTS} attempts")

    async def _operate(self, over: asyncio.Event) -> None:
        """Queue commands for one to five devices at a time, until there is no answer any more."""
        while not over.is_set():
            known = [account for account in self.ledger.accounts.values() if account.connected]
            if known:
                chosen = self.random.sample(known, self.random.randint(1, min(5, len(known))))
                with contextlib.suppress(httpx.TransportError):
                    await self._enqueue(chosen)
            await asyncio.sleep(0.008)

    async def _enqueue(self, accounts: Sequence[Account]) -> str:
        """Raises httpx.TransportError when it is not known whether they are queued."""
        name = str(uuid.uuid4()).upper()
        queries = ["UDID", "DeviceName", "OSVersion", "SerialNumber", "BatteryLevel"]
        command = {"RequestType": "DeviceInformation", "Queries": queries}
        plist = plistlib.dumps({"Command": command, "CommandUUID": name})
        for account in accounts:
            account.attempted[name] = plist
        sent = await self.corral.post(
            "/commands", devices=[account.udid for account in accounts], plist=base64.b64encode(plist).decode()
        )
        assert sent["queued"] == len(accounts), sent
        for account in accounts:
            account.queued.add(name)
        return name

    async def _kill_the_start(self) -> None:
        """Or, now and then, the service just after it."""
        service = self.corral.service
        start = asyncio.create_task(service.start())
        await asyncio.sleep(self.random.uniform(0.1, 1.2))
        await service.kill()
        with contextlib.suppress(ServiceFailed):
            await start

    async def _settle(self) -> None:
        """Until nobody does anything any more, nor has an excuse."""
        for device in self.devices:
            device.busy = None
            await device.settle()

    # -- checks

    async def _check_life(self, account: Account) -> None:
        """One life, and it is connected; attempts to enroll that a kill has cut short are over."""
        shown = await self.corral.get(f"/devices/{account.udid}")
        now, *before = shown["connections"]
        assert now["phase"] == "connected", now
        assert all(life["phase"] == "ended" and life["end_reason"] == "superseded" for life in before), before
        channel = next(each for each in shown["channels"] if each["connection_id"] == now["id"])
        assert not channel["unreachable"], channel
        kept = datetime.fromisoformat(channel["token_updated_at"])
        assert account.token_sent is not None
        assert kept >= account.token_sent - timedelta(milliseconds=1), f"the last token of {account.udid} is lost"

    async def _check_results(self, account: Account) -> None:
        asked, account.unverified = account.unverified, []
        for name in asked:
            answer = await self.corral.api.get(f"/commands/{name}/result", params={"device": account.udid})
            assert answer.status_code == 200, f"the result of {name} is lost: {answer.text}"
            assert answer.content == account.taken[name], f"the result of {name} is not what was sent"

    async def _check_reachable(self, accounts: Sequence[Account]) -> None:
        """A command for everybody: each is woken by a push, which the stand-in for Apple delivers only under the token
        that the device holds now. What the dead process was about to push is due again when its lease is over; those
        devices poll by themselves, and are counted.
        """
        name = await self._enqueue(accounts)
        with contextlib.suppress(AssertionError):
            await until(lambda: all(name in account.taken for account in accounts), PUSHED_WITHIN)
        for device in self.devices[: self.joined]:
            if name not in self.ledger.account(device.facts.udid).taken:
                self.pushed_late += 1
                await device.poll()
        await self._settle()
        assert all(name in account.taken for account in accounts)


async def _gather_field(corral: Installation, count: int) -> Field:
    ledger = Ledger()
    port = int(corral.url.rpartition(":")[2])
    world = replace(corral.world, transport=Witness(ledger, {corral.url: Detour("127.0.0.1", port)}))
    behaviour = Behaviour(proof=ProxyHeader(), patience=PATIENT, information_size=2000)
    random = Random(1)
    devices = [
        make_device(random, world, KINDS[number % len(KINDS)], number=number, behaviour=behaviour)
        for number in range(count)
    ]
    return Field(corral, ledger, devices, await corral.link(uses=None), random)


def _examine(data: Path) -> None:
    """The database's own view of itself."""
    connection = apsw.Connection(str(data / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        assert typed(connection).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert typed(connection).execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()

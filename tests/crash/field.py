"""A fleet at work before a service to which something happens, and what that service has to keep to all the same."""

import asyncio
import base64
import contextlib
import plistlib
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

import httpx

from corral.simulator.behaviour import Behaviour, Busy, Patience
from corral.simulator.device import Device, make_device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.identity import ProxyHeader
from corral.simulator.life_events import change_push_token
from corral.simulator.transport import Detour
from crash.ledger import Account, Ledger
from crash.witness import Witness
from e2e.installation import Installation, until

KINDS = (Model.IPHONE, Model.MAC)
"""A Mac may say NotNow to what is asked here."""

ATTEMPTS = 400
"""To enroll, while the service is away or coming back."""

PUSHED_WITHIN = 0.8
"""Seconds that a push gets to wake its device, and the device to answer, where it may come when a lease is over."""

PUSHED_AT_ONCE = 8.0
"""The same where nothing keeps it from being sent at once, on a machine that is busy."""

PATIENT = Patience(attempts=400, first=0.05, ceiling=0.25)
BEHIND_PROXY = {"CORRAL_IDENTITY": "header", "CORRAL_PROXY": "127.0.0.1/32", "CORRAL_LOG_LEVEL": "info"}


class Unanswered(Exception):
    """It is not known whether a command was queued."""


@dataclass
class Field:
    """`joined` of the devices are at work; the others may be let in later."""

    corral: Installation
    ledger: Ledger
    devices: Sequence[Device]
    link: str
    random: Random
    joined: int
    pushed_within: float = PUSHED_WITHIN
    pushed_late: int = 0

    @property
    def taken(self) -> int:
        """Commands that were carried out."""
        return sum(len(account.taken) for account in self.ledger.accounts.values())

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[asyncio.Event]:
        """Everybody works until the event is set, and ends what was begun, as devices do, however long it takes."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for device in self.devices[: self.joined]:
                group.create_task(self._work(device, over))
            group.create_task(self._operate(over))
            try:
                yield over
            finally:
                over.set()
        await self.settle()

    async def finish(self) -> None:
        """Every device fetches what is still there for it; what it had put off comes one by one, for Idle only."""
        for device in self.devices[: self.joined]:
            account, before = self.ledger.account(device.facts.udid), -1
            while before != (before := len(account.taken)):
                await device.poll()
        await self.settle()
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

    async def settle(self) -> None:
        """Until nobody does anything any more, nor has an excuse."""
        for device in self.devices:
            device.busy = None
            await device.settle()

    # -- work

    async def _work(self, device: Device, over: asyncio.Event) -> None:
        if device.enrollment is None:
            await enroll(device, self.link)
        while not over.is_set():
            choice = self.random.random()
            if choice < 0.1:
                await change_push_token(device)
            elif choice < 0.2:
                device.busy = Busy(sessions=1, pause=0.05)
            await device.poll()
            await asyncio.sleep(self.random.uniform(0, 0.03))

    async def _operate(self, over: asyncio.Event) -> None:
        """Queue commands for one to five devices at a time."""
        while not over.is_set():
            known = [account for account in self.ledger.accounts.values() if account.connected]
            if known:
                chosen = self.random.sample(known, self.random.randint(1, min(5, len(known))))
                with contextlib.suppress(Unanswered):
                    await self._enqueue(chosen)
            await asyncio.sleep(0.008)

    async def _enqueue(self, accounts: Sequence[Account]) -> str:
        """Raises Unanswered."""
        name = str(uuid.uuid4()).upper()
        queries = ["UDID", "DeviceName", "OSVersion", "SerialNumber", "BatteryLevel"]
        command = {"RequestType": "DeviceInformation", "Queries": queries}
        plist = plistlib.dumps({"Command": command, "CommandUUID": name})
        for account in accounts:
            account.attempted[name] = plist
        asked = {"devices": [account.udid for account in accounts], "plist": base64.b64encode(plist).decode()}
        try:
            answer = await self.corral.api.post("/commands", json=asked)
        except httpx.TransportError as error:
            raise Unanswered from error
        if answer.status_code == 503 and "retry-after" in answer.headers:
            raise Unanswered
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        assert answer.json()["queued"] == len(accounts), answer.text
        for account in accounts:
            account.queued.add(name)
        return name

    # -- checks

    async def _check_life(self, account: Account) -> None:
        """One life, and it is connected; attempts to enroll that were cut short are over."""
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
        that the device holds now. What a dead process was about to push on PostgreSQL is due again when its lease is
        over; those devices poll by themselves, and are counted.
        """
        name = await self._enqueue(accounts)
        with contextlib.suppress(AssertionError):
            await until(lambda: all(name in account.taken for account in accounts), self.pushed_within)
        for device in self.devices[: self.joined]:
            if name not in self.ledger.account(device.facts.udid).taken:
                self.pushed_late += 1
                await device.poll()
        await self.settle()
        assert all(name in account.taken for account in accounts)


async def enroll(device: Device, link: str) -> None:
    """As somebody does who tries until it works: anew, or with the profile that is there already."""
    for attempt in range(ATTEMPTS):
        try:
            if device.cached_profile is not None and attempt % 2:
                await device.retry_installation()
            else:
                await device.enroll(link)
        except InstallationFailed:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError(f"{device} cannot enroll: {ATTEMPTS} attempts")


async def gather_field(corral: Installation, count: int, joined: int, port: int | None = None) -> Field:
    """`port`: where the devices go instead of to the service itself."""
    ledger = Ledger()
    detour = Detour("127.0.0.1", port or int(corral.url.rpartition(":")[2]))
    world = replace(corral.world, transport=Witness(ledger, {corral.url: detour}))
    behaviour = Behaviour(proof=ProxyHeader(), patience=PATIENT, information_size=2000)
    random = Random(1)
    devices = [
        make_device(random, world, KINDS[number % len(KINDS)], number=number, behaviour=behaviour)
        for number in range(count)
    ]
    return Field(corral, ledger, devices, await corral.link(uses=None), random, joined)

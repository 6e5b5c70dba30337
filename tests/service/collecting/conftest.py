"""Devices of all kinds over a real store, and what asks them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from contract import values as v
from corral.apple.platform import Platform
from corral.apple.plist import dump, parse_dict
from corral.apple.report import Status
from corral.lifecycle.change import Change
from corral.lifecycle.collecting import COLLECT
from corral.lifecycle.state import DeliveryState, Phase
from corral.service.collecting.collecting import Collecting
from corral.service.collecting.refreshing import Refreshing
from corral.service.collecting.schedule import Schedules
from corral.service.commands.targeting import Targeting
from corral.service.inventory.looking import Inventory
from corral.store.devices import Committed
from corral.store.queue import CommandRecord
from corral.store.store import Store
from kept_databases import fresh_sqlite
from service.fakes import Clock


@dataclass
class Place:
    store: Store
    clock: Clock
    collecting: Collecting
    refreshing: Refreshing
    asked: dict[str, int] = field(default_factory=dict[str, int])

    async def connect(
        self, number: int, platform: Platform = Platform.IOS, os_version: str = "18.2", *, kind: str = "device"
    ) -> str:
        """Device D<n> of this kind connects as C<n>, and is to be asked."""
        change = v.enrolled(number)
        assert change.device is not None
        device = replace(change.device, platform=platform, os_version=os_version)
        committed = await self.store.devices.commit(
            replace(change, device=device, channels=(v.channel(f"C{number}", kind=kind),))
        )
        assert isinstance(committed, Committed)
        await self.store.work.add(COLLECT, [f"C{number}"], self.clock())
        return f"C{number}"

    async def collect(self) -> None:
        while await self.collecting.collect():
            pass

    async def commands(self, device: str = "D1") -> list[CommandRecord]:
        """Open ones, by their type."""
        found = await self.store.queue.list(
            device_id=device, command_uuid=None, state=DeliveryState.OPEN, before=None, limit=500
        )
        return sorted(found, key=lambda each: each.delivery.request_type)

    async def reports(self, device: str = "D1") -> list[str]:
        return [each.delivery.request_type for each in await self.commands(device)]

    async def queries(self, device: str = "D1") -> list[str]:
        (asked,) = [each for each in await self.commands(device) if each.delivery.request_type == "DeviceInformation"]
        body = await self.store.queue.command_body(asked.delivery.command_uuid)
        command: Any = parse_dict(body or b"")["Command"]
        return command["Queries"]

    async def answer(self, number: int = 1, *, leave: Sequence[str] = (), **told: Any) -> None:
        """The device answers all that is open, but for what is left; `told` are the keys of one answer by its type."""
        for each in await self.commands(f"D{number}"):
            if each.delivery.request_type not in leave:
                await self._answer(number, each.delivery.command_uuid, told.get(each.delivery.request_type, {}))

    async def _answer(self, number: int, uuid: str, told: dict[str, Any]) -> None:
        body = dump({"UDID": f"D{number}", "CommandUUID": uuid, "Status": "Acknowledged", **told})
        contact = v.contact(f"cert {number}", f"D{number}", command_uuid=uuid)
        await self.store.devices.exchange(
            v.report(uuid, Status.ACKNOWLEDGED, now=self.clock(), contact=contact, body=body)
        )

    async def due_at(self) -> int:
        found = await self.store.work.next_due(COLLECT)
        assert found is not None
        return found

    async def end(self, number: int) -> None:
        life = v.connection(f"C{number}", f"D{number}", phase=Phase.ENDED)
        await self.store.devices.commit(Change(connections=(life,), silence=(f"C{number}",), at=self.clock()))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    clock = Clock(v.NOW)
    async with fresh_sqlite(tmp_path / "corral.db", b"k" * 32) as store:
        schedules, targeting = Schedules(store.vault, clock), Targeting(store.directory, store.queue)
        asked: dict[str, int] = {}

        def count(report: str, devices: int) -> None:
            asked[report] = asked.get(report, 0) + devices

        inventory = Inventory(store.inventory, store.directory, clock)
        collecting = Collecting(store.collection, store.work, schedules, targeting, clock, inventory.among, count)
        refreshing = Refreshing(store.collection, store.work, schedules, targeting, clock)
        yield Place(store, clock, collecting, refreshing, asked)

"""Answers are taken in by one process at a time, what cannot be read is passed over, and nothing is taken in twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract import values as v
from corral.apple.plist import dump
from corral.inventory.fields import FIELDS
from corral.lifecycle.change import Change
from corral.lifecycle.state import Instant
from corral.sealing import Sealer
from corral.service.inventory.taking_in import AT_ONCE, KEY, LEASE, WORK, TakingIn
from corral.store.inventory import Taken
from corral.store.sqlite import open_sqlite
from corral.store.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = v.NOW

    def __call__(self) -> Instant:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    sealer = Sealer([b"k" * 32])
    async with open_sqlite(tmp_path / "corral.db", sealer, create=True) as opened:
        yield opened


async def ask(store: Store, uuid: str, request_type: str = "SecurityInfo", **keys: object) -> None:
    body = dump({"CommandUUID": uuid, "Command": {"RequestType": request_type, **keys}})  # pyright: ignore[reportArgumentType] - keys of a test fit
    await store.queue.enqueue(v.command(uuid, request_type=request_type, body=body), ["C1"])


async def answer(store: Store, uuid: str, body: bytes | None = None, at: Instant = v.NOW, **told: object) -> None:
    found = body if body is not None else dump({"CommandUUID": uuid, "Status": "Acknowledged", **told})  # pyright: ignore[reportArgumentType] - what a test tells fits
    await store.devices.commit(Change(result=v.result(uuid, body=found, received_at=at), at=at))


async def values(store: Store) -> dict[str, str]:
    found = await store.inventory.show("D1")
    assert found is not None
    return {name: text for name, text in found.record.values.items() if name not in ("state", "enrolled_at")}


async def test_arrivals_and_answers_are_taken_in_and_counted(store: Store) -> None:
    counted = list[int]()
    taking_in = TakingIn(store.inventory, store.work, Clock(), counted.append)
    assert not await taking_in.turn()
    await store.devices.commit(v.enrolled())
    for number in range(AT_ONCE + 1):
        await ask(store, f"U{number}")
        await answer(store, f"U{number}", at=v.NOW + number, SecurityInfo={"FDE_Enabled": number == AT_ONCE})
    assert not await taking_in.turn()
    assert counted == [AT_ONCE, 1]
    said = {name: value for name, value in (await values(store)).items() if not FIELDS[name].escrow}
    assert said == {
        "device": "D1",
        "personal": "false",
        "serial": "SERIAL-D1",
        "filevault": "true",
        "reported.securityinfo": str(v.NOW + AT_ONCE),
    }
    assert (await store.inventory.waiting()).answers == 0
    assert (await store.directory.backlog()).work.get(WORK) is None, "nothing is left of the lease"


async def test_what_cannot_be_read_is_passed_over(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    for uuid in ("broken", "empty", "good"):
        await ask(store, uuid)
    await answer(store, "broken", b"<plist>no")
    await answer(store, "empty")
    await answer(store, "good", SecurityInfo={"FDE_Enabled": True})
    await TakingIn(store.inventory, store.work, Clock()).turn()
    assert (await store.inventory.waiting()).answers == 0
    assert (await values(store))["filevault"] == "true"


async def test_whoever_is_at_it_is_left_alone_until_its_lease_is_over(store: Store) -> None:
    clock = Clock()
    await store.devices.commit(v.enrolled())
    await store.work.add(WORK, [KEY], clock.now)
    assert await store.work.lease(WORK, clock.now, clock.now + LEASE, 1)
    taking_in = TakingIn(store.inventory, store.work, clock)
    assert not await taking_in.turn()
    assert await store.inventory.show("D1") is None
    clock.now += LEASE
    await taking_in.turn()
    assert await store.inventory.show("D1") is not None


async def test_an_answer_that_the_database_will_not_have_keeps_no_other_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.devices.commit(v.enrolled())
    taking_in = TakingIn(store.inventory, store.work, Clock())
    await taking_in.turn()
    for uuid in ("bad", "good"):
        await ask(store, uuid)
    await answer(store, "bad", SecurityInfo={"FDE_Enabled": False})
    await answer(store, "good", at=v.NOW + 1, SecurityInfo={"FDE_Enabled": True})
    real = store.inventory.take

    async def picky(taken: list[Taken], now: Instant) -> int:
        if any(each.report is not None and not each.report.facts.attributes["filevault"] for each in taken):
            raise RuntimeError("will not")
        return await real(taken, now)

    monkeypatch.setattr(store.inventory, "take", picky)
    await taking_in.turn()
    assert (await values(store))["filevault"] == "true"
    assert (await store.inventory.waiting()).answers == 0


async def test_some_queries_are_no_answer_about_the_others(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    await ask(store, "all", "DeviceInformation", Queries=["DeviceCapacity", "DeviceName"])
    await answer(store, "all", QueryResponses={"DeviceCapacity": 64.0, "DeviceName": "a"})
    await ask(store, "one", "DeviceInformation", Queries=["DeviceName"])
    await answer(store, "one", at=v.NOW + 1, QueryResponses={})
    await TakingIn(store.inventory, store.work, Clock()).turn()
    found = await values(store)
    assert found["capacity"] == "64"
    assert "name" not in found

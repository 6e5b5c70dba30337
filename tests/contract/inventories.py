"""Answers of devices, ready to be taken into the inventory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from contract import values as v
from corral.apple.inventory.attributes import CHECK_IN, DEVICE
from corral.apple.inventory.facts import Facts, Item
from corral.apple.inventory.leaves import Remarks
from corral.apple.inventory.lists import item
from corral.apple.inventory.value import Value
from corral.inventory.merging import Report, sha_of
from corral.lifecycle.state import Device, Instant
from corral.store.devices import Committed
from corral.store.inventory import Taken
from corral.store.store import Store

_NUMBERS = count()


def report(name: str, facts: Facts, at: Instant = v.NOW, user: str = "") -> Report:
    return Report(name=name, user_id=user, facts=facts, asked_at=at - 1000, received_at=at, sha=sha_of(facts))


def attributes(name: str, values: Mapping[str, Value], *missing: str) -> Facts:
    return Facts(attributes=values, about=frozenset({*values, *missing}))


def app(identifier: str = "com.example.x", version: str = "1.0", **fields: Value) -> Item:
    made = item("app", {}, Remarks(), identifier=identifier, version=version, **fields)
    assert made is not None
    return made


def apps(*several: Item, **fields: Any) -> Facts:
    return Facts(items=several, kinds=frozenset({"app"}), **fields)


async def arrive(store: Store, number: int = 1, facts: Mapping[str, Value] | None = None, **device: Any) -> None:
    """Device D<n> connects and is taken in."""
    change = v.enrolled(number)
    assert isinstance(change.device, Device)
    changed = replace(change, device=replace(change.device, **device))
    assert isinstance(await store.devices.commit(changed), Committed)
    told = Facts(attributes={"device": f"D{number}", **(facts or {})}, about=frozenset({"device", *(facts or {})}))
    await store.inventory.take([Taken(connection_id=f"C{number}", sequence=None, report=report(CHECK_IN, told))], v.NOW)


async def answered(store: Store, request_type: str, number: int = 1, uuid: str = "", **command: Any) -> int:
    """A command of this type that device D<n> has acknowledged; returns its number."""
    uuid = uuid or f"{request_type}-{number}-{next(_NUMBERS)}"
    await store.queue.enqueue(v.command(uuid, request_type=request_type, **command), [f"C{number}"])
    who = v.contact(f"cert {number}", f"D{number}", command_uuid=uuid)
    await store.devices.exchange(v.report(uuid, contact=who))
    (record,) = await store.queue.list(device_id=f"D{number}", command_uuid=uuid, state=None, before=None, limit=1)
    return record.delivery.sequence


async def take(store: Store, *several: Report, number: int = 1) -> int:
    """Answers of device D<n> with these facts, taken in."""
    taken = [
        Taken(connection_id=f"C{number}", sequence=await answered(store, each.name, number), report=each)
        for each in several
    ]
    return await store.inventory.take(taken, v.NOW)


def mac(**values: Value) -> dict[str, Value]:
    return {"platform": "macOS", "os_version": "15.2", **values}


async def fill(store: Store) -> None:
    """A row in every table, of the device D3, which is there."""
    told = report(CHECK_IN, attributes(CHECK_IN, mac()))
    await store.inventory.take([Taken(connection_id="C3", sequence=None, report=told)], v.NOW)
    many = apps(app(), app("com.example.y", "2.0b1", beta=True))
    await take(store, report(DEVICE, attributes(DEVICE, mac())), report("InstalledApplicationList", many), number=3)
    await take(store, report(DEVICE, attributes(DEVICE, mac(name="ünïcode")), v.NOW + 1), number=3)


def lines(changes: Sequence[Any]) -> list[tuple[str, str, str | None, str | None]]:
    return [(each.change.name, each.change.subject, each.change.before, each.change.after) for each in changes]

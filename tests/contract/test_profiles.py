"""Kept profiles: versions that never change, sealed, and what is wanted where."""

import asyncio

from contract import values as v
from contract.conftest import Home
from corral.apple.report import Status
from corral.lifecycle.change import Change, Event
from corral.lifecycle.state import DeliveryState, Phase
from corral.store.profiles import NewVersion, StoredProfile
from corral.store.store import Store

SECRET = b"<plist>the Wi-Fi password is hunter2</plist>"


def stored(id: str = "p1", identifier: str = "org.example.wifi", name: str = "Office") -> StoredProfile:
    return StoredProfile(id=id, identifier=identifier, name=name, created_at=v.NOW)


def new(body: bytes = SECRET, uuid: str = "UUID-1", note: str = "") -> NewVersion:
    return NewVersion(
        payload_uuid=uuid, digest=v.fingerprint(uuid), body=body, created_at=v.NOW + 1, created_by="ann", note=note
    )


ADDED = Event(type="profile.added", at=v.NOW, data={"by": "ann"})


async def test_a_profile_comes_in_versions_that_stay(store: Store) -> None:
    first = await store.profiles.add(stored(), new(), ADDED)
    again = await store.profiles.add(stored("p2", name="Office 2"), new(b"two", "UUID-2", "new password"), ADDED)
    assert (first.id, first.latest, again.id, again.latest, again.name) == ("p1", 1, "p1", 2, "Office 2")
    found = await store.profiles.find("org.example.wifi")
    assert (
        found
        == await store.profiles.find("p1")
        == StoredProfile(id="p1", identifier="org.example.wifi", name="Office 2", created_at=v.NOW, latest=2)
    )
    versions = await store.profiles.versions("p1")
    assert [(each.number, each.payload_uuid, each.size, each.note) for each in versions] == [
        (2, "UUID-2", 3, "new password"),
        (1, "UUID-1", len(SECRET), ""),
    ]
    assert [await store.profiles.body("p1", number) for number in (1, 2, 3)] == [SECRET, b"two", None]
    events = [each.event for each in await store.events.read(0, 10)]
    assert [(each.type, each.data) for each in events] == [
        ("profile.added", {"by": "ann", "profile": "p1", "version": number}) for number in (1, 2)
    ]
    assert await store.profiles.find("p2") is None


async def test_several_who_add_at_once_each_get_a_version(store: Store) -> None:
    made = await asyncio.gather(
        *(store.profiles.add(stored(f"p{n}"), new(f"{n}".encode(), f"UUID-{n}"), ADDED) for n in range(6))
    )
    assert sorted(each.latest for each in made) == [1, 2, 3, 4, 5, 6]
    assert len({each.id for each in made}) == 1


async def test_profiles_are_listed_by_identifier_in_pages(store: Store) -> None:
    for number, identifier in enumerate(("c", "a", "b")):
        await store.profiles.add(stored(f"p{number}", identifier), new(), ADDED)
    assert [each.identifier for each in await store.profiles.profiles("", 2)] == ["a", "b"]
    assert [each.identifier for each in await store.profiles.profiles("b", 2)] == ["c"]


async def test_a_body_is_sealed(home: Home) -> None:
    async with home.open() as store:
        await store.profiles.add(stored(), new(), ADDED)
    assert b"hunter2" not in home.raw()


async def test_what_is_wanted_is_the_last_that_was_asked_for_and_tells_what_became_of_it(fleet: Store) -> None:
    await fleet.profiles.add(stored(), new(), ADDED)
    await fleet.profiles.add(stored("p2", "org.example.vpn"), new(uuid="VPN"), ADDED)
    await fleet.profiles.want("p1", 1, "U0", ["C1", "C2", "nobody"], v.NOW, "ann")
    await fleet.profiles.want("p1", None, "U1", ["C1"], v.NOW + 1, "bob")
    await fleet.profiles.want("p2", 1, "U2", ["C1"], v.NOW + 2, "ann")
    await fleet.queue.enqueue(v.command("U1", request_type="RemoveProfile"), ["C1"])
    await fleet.devices.exchange(v.report("U1", Status.ERROR, now=v.NOW + 5))
    vpn, wifi = await fleet.profiles.wanted("C1")
    assert (vpn.identifier, vpn.number, vpn.payload_uuid, vpn.delivery) == ("org.example.vpn", 1, "VPN", None)
    assert (wifi.identifier, wifi.number, wifi.payload_uuid, wifi.by) == ("org.example.wifi", None, "", "bob")
    assert (wifi.delivery, wifi.finished_at, wifi.device_id) == (DeliveryState.ERROR, v.NOW + 5, "D1")
    assert [each.channel_id for each in await fleet.profiles.wanting("p1", "", 9)] == ["C1", "C2"]
    assert [each.channel_id for each in await fleet.profiles.wanting("p1", "C1", 9)] == ["C2"]
    assert (await fleet.profiles.count("p1"), await fleet.profiles.count("p2")) == (1, 1)


async def test_nothing_is_wanted_of_a_life_that_is_over_or_a_profile_that_is_gone(fleet: Store) -> None:
    await fleet.profiles.add(stored(), new(), ADDED)
    await fleet.profiles.want("p1", 1, "U1", ["C1", "C2"], v.NOW, "ann")
    over = v.connection(phase=Phase.ENDED)
    await fleet.devices.commit(Change(connections=(over,), silence=("C1",), at=v.NOW))
    assert [each.channel_id for each in await fleet.profiles.wanting("p1", "", 9)] == ["C2"]
    await fleet.profiles.remove("p1", Event(type="profile.removed", at=v.NOW))
    assert await fleet.profiles.wanted("C2") == ()
    assert await fleet.profiles.find("p1") is None
    assert await fleet.profiles.body("p1", 1) is None

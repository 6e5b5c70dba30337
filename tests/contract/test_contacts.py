"""What polls would write, written about once a second."""

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.state import DAY, HOUR
from corral.store.contacts import Attempt, Heard
from corral.store.events import Place
from corral.store.store import Store


def heard(channel_id: str = "C1", last_seen: int = v.NOW, count: int = 1) -> Heard:
    return Heard(channel_id=channel_id, last_seen=last_seen, count=count)


async def hours(store: Store, before: int = v.NOW + DAY) -> list[tuple[int, str, int]]:
    timeline = await store.events.timeline("D1", Place.of(before), 1000)
    return [(each.at, each.data["channel"], each.data["count"]) for each in timeline if each.kind == "contacts"]


async def test_last_seen_is_the_latest_of_all_channels_of_a_life(home: Home) -> None:
    async with home.open() as store:
        for number in (1, 2, 3):
            await store.devices.commit(v.enrolled(number))
        await store.contacts.flush([heard(last_seen=v.NOW + 5), heard("C1/jane", v.NOW + 9), heard("C2")], [])
        await store.contacts.flush([heard(last_seen=v.NOW + 3), heard("C2", v.NOW - 3)], [])
    async with home.open() as store:
        seen = await store.contacts.last_seen(["C1", "C2", "C3", "nobody"])
        assert seen == {"C1": v.NOW + 9, "C2": v.NOW}
        assert await store.contacts.last_seen([]) == {}


async def test_a_life_whose_id_begins_like_another_is_another(store: Store) -> None:
    await store.devices.commit(v.enrolled())
    await store.devices.commit(
        v.Change(device_id="D9", device=v.device("D9"), connections=(v.connection("C1-9", "D9"),))
    )
    await store.contacts.flush([heard("C1-9", v.NOW + 9), heard("C1")], [])
    assert await store.contacts.last_seen(["C1"]) == {"C1": v.NOW}


async def test_contacts_are_counted_by_the_hour(fleet: Store) -> None:
    start = v.NOW - v.NOW % HOUR
    await fleet.contacts.flush([heard(last_seen=start, count=2), heard("C1/jane", start + 1)], [])
    await fleet.contacts.flush([heard(last_seen=start + HOUR - 1, count=3)], [])
    await fleet.contacts.flush([heard(last_seen=start + HOUR, count=5)], [])
    assert await hours(fleet) == [(start + HOUR, "C1", 5), (start, "C1", 5), (start, "C1/jane", 1)]


async def test_hours_stay_until_retention_forgets_them(fleet: Store) -> None:
    old = v.NOW - 40 * DAY
    await fleet.contacts.flush([heard(last_seen=old), heard("C2", v.NOW - 20 * DAY)], [])
    await fleet.contacts.flush([heard(last_seen=v.NOW)], [])
    assert [at for at, _, _ in await hours(fleet)] == [v.NOW - v.NOW % HOUR, old - old % HOUR]
    assert (await fleet.contacts.last_seen(["C2"])) == {"C2": v.NOW - 20 * DAY}


async def test_who_was_forgotten_meanwhile_does_no_harm(fleet: Store) -> None:
    lost = Attempt(channel_id="nobody", command_uuid="U1", at=v.NOW)
    await fleet.contacts.flush([heard("nobody"), heard("nobody/jane"), heard("C1")], [lost])
    await fleet.contacts.flush([], [])
    assert await fleet.contacts.last_seen(["nobody", "C1"]) == {"C1": v.NOW}

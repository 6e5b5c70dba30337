"""What people look up."""

from dataclasses import replace
from typing import Any

import pytest

from contract import values as v
from contract.inventories import attributes, report
from corral.apple.platform import Platform
from corral.lifecycle.change import Change
from corral.lifecycle.state import CertificateStatus, EnrollmentKind, Phase
from corral.store import device_listing
from corral.store.contacts import Heard
from corral.store.directory import CommandTarget, DeviceSummary, Facts
from corral.store.inventory import Taken
from corral.store.postgres import listing as postgres_listing
from corral.store.sqlite import listing as sqlite_listing
from corral.store.store import Store


async def listed(
    store: Store, search: str | None = None, phase: str | None = None, after: str | None = None, limit: int = 100
) -> list[str]:
    found = await store.directory.devices(search=search, phase=phase, after=after, limit=limit)
    return [each.device.id for each in found]


async def test_devices_are_listed_by_id_in_pages(store: Store) -> None:
    for number in (3, 10, 1, 2):
        await store.devices.commit(v.enrolled(number))
    assert await listed(store) == ["D1", "D10", "D2", "D3"]
    assert await listed(store, limit=3) == ["D1", "D10", "D2"]
    assert await listed(store, after="D2") == ["D3"]
    assert await listed(store, after="D3") == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (Facts(platform="iOS"), ["D1", "D2", "D4"]),
        (Facts(platform="macOS"), ["D3"]),
        (Facts(os_version="17"), ["D1", "D2"]),
        (Facts(os_version="17.5"), ["D2"]),
        (Facts(os_version="17."), []),
        (Facts(os_version="170"), ["D4"]),
        (Facts(model="iPhone16,1"), ["D1", "D2"]),
        (Facts(model="MQKJ3"), ["D2"]),
        (Facts(model="iPhone16"), []),
        (Facts(platform="iOS", os_version="17", model="MQKJ3"), ["D2"]),
        (Facts(platform="macOS", os_version="17"), []),
        (Facts(os_version="%"), []),
    ],
)
async def test_devices_are_listed_by_what_they_are(store: Store, facts: Facts, found: list[str]) -> None:
    devices = (
        v.device("D1", platform=Platform.IOS, os_version="17", product_name="iPhone16,1"),
        v.device("D2", platform=Platform.IOS, os_version="17.5", product_name="iPhone16,1", model="MQKJ3"),
        v.device("D3", platform=Platform.MACOS, os_version="15.2", product_name="Mac16,1"),
        v.device("D4", platform=Platform.IOS, os_version="170", product_name="iPad1,1"),
        v.device("D5", platform=None, os_version=None),
    )
    for device in devices:
        await store.devices.commit(Change(device_id=device.id, device=device))
    listed = await store.directory.devices(search=None, phase=None, after=None, limit=9, facts=facts)
    assert [each.device.id for each in listed] == found
    paged = await store.directory.devices(search="D", phase=None, after="D1", limit=1, facts=facts)
    assert [each.device.id for each in paged] == [each for each in found if each > "D1"][:1]
    for phase in ("connected", "ended"):
        lively = await store.directory.devices(search=None, phase=phase, after=None, limit=9, facts=facts)
        assert lively == (), "none of them has a life"
    await store.devices.commit(Change(connections=(v.connection("C2", "D2"),)))
    lively = await store.directory.devices(search=None, phase="connected", after=None, limit=9, facts=facts)
    assert [each.device.id for each in lively] == [each for each in found if each == "D2"]


async def of_all_kinds(store: Store) -> None:
    """By a link, automated, in the name of an authority, restored, provisional, over, without a life, and one whose
    grant is gone."""
    ways = ("grant:G1", "grant:G2", "authority:ab", "restore:C9", "grant:G1", "grant:G2", None, "grant:gone")
    phases = {"D5": Phase.AUTHENTICATING, "D6": Phase.ENDED}
    for number, way in enumerate(ways, 1):
        name, life = f"D{number}", f"C{number}"
        device = v.device(name, name=f"100%_{number} Zoë's", product_name="iPhone16,1", model=f"MQ{number}LL/A")
        await store.devices.commit(Change(device_id=name, device=device))
        if way is not None:
            came = v.connection(life, name, phases.get(name, Phase.CONNECTED), admitted_by=way)
            # Those of D5 and D6 do not say so: their grants are for these very lives.
            grant = way.removeprefix("grant:") if way.startswith("grant:") and name not in phases else None
            certificate = v.certificate(f"cert {number}", life, device_id=name, grant_id=grant)
            await store.devices.commit(Change(connections=(came,), certificates=(certificate,)))
    for grant, life, kind in (("G1", "C5", EnrollmentKind.LINK), ("G2", "C6", EnrollmentKind.AUTOMATED)):
        await store.devices.commit(Change(grant=v.grant(grant, life, kind=kind), at=v.NOW))
    seen = {"C1": v.NOW, "C2": v.NOW + 10, "C2/jane": v.NOW + 30, "C3": v.NOW + 20, "C6": v.NOW + 5}
    await store.contacts.flush([Heard(channel_id=who, last_seen=at, count=1) for who, at in seen.items()], [])
    for life, supervised in (("C1", True), ("C2", False)):
        said = report("DeviceInformation", attributes("DeviceInformation", {"supervised": supervised}))
        await store.inventory.take([Taken(connection_id=life, sequence=None, report=said)], v.NOW)


ASKED: dict[str, tuple[Facts, list[str]]] = {
    "a link": (Facts(way="link"), ["D1", "D5"]),
    "automated": (Facts(way="automated"), ["D2", "D6"]),
    "trusted": (Facts(way="trusted-identity"), ["D3"]),
    "restored": (Facts(way="restore"), ["D4"]),
    "no such way": (Facts(way="over-the-air"), []),
    "seen before": (Facts(seen_before=v.NOW + 10), ["D1", "D6"]),
    "on any channel": (Facts(seen_before=v.NOW + 30), ["D1", "D3", "D6"]),
    "seen after": (Facts(seen_after=v.NOW + 20), ["D2", "D3"]),
    "seen between": (Facts(seen_after=v.NOW + 5, seen_before=v.NOW + 25), ["D3", "D6"]),
    "supervised": (Facts(supervised=True), ["D1"]),
    "not supervised": (Facts(supervised=False), ["D2"]),
    "the middle of a serial number": (Facts(contains="rial-d7"), ["D7"]),
    "the middle of a name": (Facts(contains="_3 ZO"), ["D3"]),
    "the end of a model": (Facts(contains="4ll/a"), ["D4"]),
    "what looks like a pattern": (Facts(contains="D%"), []),
    "and is one character": (Facts(contains="MQ_LL"), []),
    "over two columns": (Facts(contains="D1SERIAL"), []),
    "NUL": (Facts(contains="\0"), []),
    "a backslash": (Facts(contains="\\"), []),
    "several": (Facts(way="automated", seen_before=v.NOW + 10, contains="iphone16"), ["D6"]),
    "with plain facts": (Facts(way="link", model="iPhone16,1", supervised=True), ["D1"]),
}


@pytest.mark.parametrize("few", [5_000, 0])
async def test_devices_are_listed_by_what_became_of_them(
    store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Whether it begins with the few that may fit or looks through all."""
    for module in (sqlite_listing, postgres_listing):
        monkeypatch.setattr(module, "FEW", few)
    monkeypatch.setattr(device_listing, "AT_ONCE", 1)
    await of_all_kinds(store)
    for what, (facts, fit) in sorted(ASKED.items()):
        found = await store.directory.devices(search=None, phase=None, after=None, limit=9, facts=facts)
        assert [each.device.id for each in found] == fit, what
        (*page,) = await store.directory.devices(search="D", phase=None, after="D1", limit=1, facts=facts)
        assert [each.device.id for each in page] == [each for each in fit if each > "D1"][:1], what
        ended = await store.directory.devices(search=None, phase="ended", after=None, limit=9, facts=facts)
        assert [each.device.id for each in ended] == [each for each in fit if each == "D6"], what


async def test_a_summary_says_how_a_device_came_and_whether_it_is_supervised(store: Store) -> None:
    await of_all_kinds(store)
    found = await store.directory.devices(search=None, phase=None, after=None, limit=9)
    ways = ["link", "automated", "trusted-identity", "restore", "link", "automated", None, None]
    assert [each.way for each in found] == ways
    assert [each.supervised for each in found] == [True, False, *[None] * 6]


async def test_a_summary_has_what_a_list_shows(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command("U1"), ["C1"])
    await fleet.queue.enqueue(v.command("U2"), ["C1"])
    await fleet.devices.exchange(v.report("U1"))
    await fleet.contacts.flush([Heard(channel_id="C1", last_seen=v.NOW + 3, count=1)], [])
    first, second, _ = await fleet.directory.devices(search=None, phase=None, after=None, limit=9)
    assert first == DeviceSummary(
        device=v.device(version=1), connection=v.connection(), last_seen=v.NOW + 3, open_commands=1
    )
    assert (second.last_seen, second.open_commands) == (None, 0)


async def test_a_device_without_a_life_is_listed_too(store: Store) -> None:
    await store.devices.commit(Change(device_id="D1", device=v.device()))
    (found,) = await store.directory.devices(search=None, phase=None, after=None, limit=9)
    assert (found.connection, found.last_seen, found.open_commands) == (None, None, 0)


async def test_the_life_that_is_shown_is_the_one_that_goes_on(store: Store) -> None:
    async def shown() -> str:
        (found,) = await store.directory.devices(search=None, phase=None, after=None, limit=9)
        assert found.connection is not None
        return found.connection.id

    def put(id: str, phase: Phase, at: int) -> Change:
        return Change(connections=(v.connection(id, phase=phase, created_at=v.NOW + at),))

    await store.devices.commit(Change(device_id="D1", device=v.device()))
    await store.devices.commit(put("over", Phase.ENDED, 1))
    await store.devices.commit(put("over later", Phase.ENDED, 2))
    assert await shown() == "over later"
    await store.devices.commit(put("trying", Phase.AUTHENTICATING, 0))
    assert await shown() == "trying"
    await store.devices.commit(put("connected", Phase.CONNECTED, -1))
    assert await shown() == "connected"
    await store.devices.commit(put("connected", Phase.ENDING, -1))
    assert await shown() == "connected"


async def test_a_search_matches_the_start_of_id_serial_or_name(store: Store) -> None:
    for device in (
        v.device("AB-1", serial_number="XY1", name="Zoë's iPhone"),
        v.device("CD-1", serial_number="abz", name="100%_sure"),
        v.device("EF-1", serial_number=None, name=None),
    ):
        await store.devices.commit(Change(device_id=device.id, device=device))
    assert await listed(store, "AB") == ["AB-1", "CD-1"]
    assert await listed(store, "ab-") == ["AB-1"], "in either case"
    assert await listed(store, "Zoë") == ["AB-1"]
    assert await listed(store, "100%") == ["CD-1"]
    assert await listed(store, "%") == []
    assert await listed(store, "_") == []
    assert await listed(store, "iPhone") == []
    assert await listed(store, "'; DROP TABLE device") == []
    assert await listed(store, "ab", after="AB-1") == ["CD-1"]
    assert await listed(store, "") == ["AB-1", "CD-1", "EF-1"]


async def test_devices_are_listed_by_the_phase_of_the_life_that_is_shown(fleet: Store) -> None:
    await fleet.devices.commit(Change(connections=(v.connection("old", "D1", phase=Phase.ENDED),)))
    await fleet.devices.commit(Change(connections=(v.connection("C2", "D2", phase=Phase.ENDED),)))
    assert await listed(fleet, phase="connected") == ["D1", "D3"]
    assert await listed(fleet, phase="ended") == ["D2"]
    assert await listed(fleet, phase="authenticating") == []
    assert await listed(fleet, phase="connected", search="d3") == ["D3"]


async def test_a_device_is_shown_with_all_of_its_past_and_no_secret(fleet: Store) -> None:
    second = v.connection("older", phase=Phase.ENDED, created_at=v.NOW - 5)
    jane = v.channel(user_id="jane")
    earlier = v.certificate("earlier", "older", issued_at=v.NOW - 5, status=CertificateStatus.RETIRED)
    await fleet.devices.commit(
        Change(connections=(second,), channels=(jane, v.channel("older")), certificates=(earlier,))
    )
    await fleet.queue.enqueue(v.command(), ["C1", "C1/jane", "C2"])
    await fleet.contacts.flush([Heard(channel_id="C1/jane", last_seen=v.NOW + 8, count=1)], [])
    detail = await fleet.directory.device("D1")
    assert detail is not None
    assert detail.device == v.device(version=1)
    assert detail.connections == (v.connection(), second)
    assert [each.id for each in detail.channels] == ["C1/jane", "C1", "older"]
    assert {(each.token, each.magic) for each in detail.channels} == {(None, None)}
    assert detail.certificates == (v.certificate(der=b""), replace(earlier, der=b""))
    assert (detail.last_seen, detail.open_commands, detail.last_push) == (v.NOW + 8, 2, None)
    assert await fleet.directory.device("nobody") is None


async def test_a_device_is_found_by_id_serial_or_connection(fleet: Store) -> None:
    for name in ("D1", "SERIAL-D1", "C1"):
        assert await fleet.directory.resolve(name) == "D1"
    for name in ("nobody", "d1", "", "SERIAL"):
        assert await fleet.directory.resolve(name) is None


@pytest.mark.parametrize("name", ["SERIAL-D1", "C2"])
async def test_a_name_of_two_devices_finds_neither(fleet: Store, name: str) -> None:
    await fleet.devices.commit(Change(device_id="D9", device=v.device("D9", serial_number=name)))
    assert await fleet.directory.resolve(name) is None
    assert await fleet.directory.targets([name], "") == {}
    assert await fleet.directory.targets((name, "\0"), "") == {}, "whatever the names come in, and NUL too"


async def test_a_device_that_claims_another_ones_id_as_serial_number_does_not_hide_it(fleet: Store) -> None:
    await fleet.devices.commit(Change(device_id="D9", device=v.device("D9", serial_number="D2")))
    assert await fleet.directory.resolve("D2") == "D2"
    assert (await fleet.directory.targets(["D2"], ""))["D2"].device_id == "D2"


async def test_counts_are_by_phase_and_by_topic_of_live_channels(fleet: Store) -> None:
    await fleet.devices.commit(Change(channels=(v.channel(user_id="jane", topic="another"),)))
    await fleet.devices.commit(Change(channels=(v.channel(user_id="joe", ended_at=v.NOW),)))
    await fleet.devices.commit(Change(connections=(v.connection("C3", "D3", phase=Phase.ENDED),)))
    assert await fleet.directory.counts() == {
        "connected": 2,
        "ended": 1,
        f"topics:{v.TOPIC}": 2,
        "topics:another": 1,
    }


async def test_an_empty_store_counts_nothing(store: Store) -> None:
    assert await store.directory.counts() == {}
    assert await listed(store) == []


async def test_targets_are_found_by_the_names_that_resolve(store: Store) -> None:
    for number in (1, 2, 3):
        await store.devices.commit(v.enrolled(number))
    twin = v.device("D2", serial_number="twin"), v.device("D3", serial_number="twin")
    for device in twin:
        await store.devices.commit(Change(device_id=device.id, device=device))
    named = ["D1", "C2", "twin", "nobody", v.device().serial_number or "", "C1"]
    found = await store.directory.targets(named, "")
    resolved = {name: await store.directory.resolve(name) for name in named}
    assert {name: each.device_id for name, each in found.items()} == {n: d for n, d in resolved.items() if d}
    assert "twin" not in found
    assert found["C2"].device_id == "D2"


async def test_a_target_has_what_a_command_is_checked_against(fleet: Store) -> None:
    found = await fleet.directory.targets(["D1"], "")
    detail = await fleet.directory.device("D1")
    assert detail is not None
    life, channel = detail.connections[0], detail.channels[0]
    assert found["D1"] == CommandTarget(
        device_id="D1",
        platform=detail.device.platform,
        os_version=detail.device.os_version,
        connection_id=life.id,
        channel_id=channel.id,
        channel_kind=channel.kind,
        profile=life.profile,
    )
    (nobody,) = (await fleet.directory.targets(["D1"], "nobody")).values()
    assert (nobody.connection_id, nobody.channel_id) == (life.id, None)


async def test_a_life_that_is_over_is_no_target(fleet: Store) -> None:
    over = v.connection(phase=Phase.ENDED)
    await fleet.devices.commit(Change(connections=(over,)))
    (found,) = (await fleet.directory.targets(["D1"], "")).values()
    assert (found.connection_id, found.channel_id) == (None, None)


async def test_how_a_life_came_is_known_while_its_grant_is(fleet: Store) -> None:
    grant = v.grant(kind=EnrollmentKind.AUTOMATED)
    came = v.connection(admitted_by=f"grant:{grant.id}"), v.connection("C2", "D2", admitted_by="grant:gone")
    await fleet.devices.commit(Change(grant=grant, connections=came, at=v.NOW))
    found = await fleet.directory.admitted(["C1", "C2", "C3", "nobody"])
    assert found == {"C1": EnrollmentKind.AUTOMATED}


async def test_lives_are_counted_by_the_authority_that_they_depend_on(store: Store) -> None:
    for number, fields in enumerate(
        ({"issuer": ""}, {"issuer": "a"}, {"issuer": "a"}, {"heard_at": None}, {"authority": "foreign"}), 1
    ):
        plain = v.enrolled(number)
        certificate = replace(plain.certificates[0], **{"heard_at": v.NOW, **fields})
        life = replace(plain.connections[0], profile=b"one" if number < 3 else b"other")
        await store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
    between = v.certificate("second", "C2", device_id="D2", issuer="b", heard_at=v.NOW)
    await store.devices.commit(Change(device_id="D2", expects=1, device=v.device("D2"), certificates=(between,)))
    over = v.enrolled(6)
    ended = replace(over.connections[0], phase=Phase.ENDED, profile=b"former")
    heard = replace(over.certificates[0], heard_at=v.NOW, issuer="a")
    await store.devices.commit(replace(over, connections=(ended,), certificates=(heard,)))
    assert dict(await store.directory.issuers()) == {"": 1, "a": 2, "b": 1}
    assert sorted(await store.directory.profiles()) == [(b"one", 2), (b"other", 3)]


async def test_connected_devices_are_selected_by_name_and_platform_in_pages(fleet: Store) -> None:
    facts = {
        "D1": (Platform.IOS, "18.2", "Ada's iPad"),
        "D2": (Platform.MACOS, "15.2", "adele"),
        "D3": (None, None, "Bob"),
    }
    for name, (platform, version, called) in facts.items():
        device = v.device(name, platform=platform, os_version=version, name=called)
        await fleet.devices.commit(Change(device_id=name, expects=1, device=device))

    async def found(search: str | None = None, platform: str | None = None, after: str = "", limit: int = 9) -> Any:
        return await fleet.directory.select(search=search, platform=platform, after=after, limit=limit)

    assert await found() == (("D1", "18.2"), ("D2", "15.2"), ("D3", None))
    assert await found(platform="macOS") == (("D2", "15.2"),)
    assert await found("AD") == (("D1", "18.2"), ("D2", "15.2"))
    assert await found("AD", "iOS") == (("D1", "18.2"),)
    assert await found(after="D1", limit=1) == (("D2", "15.2"),)
    await fleet.devices.commit(Change(connections=(v.connection(phase=Phase.ENDED),)))
    assert await found("ad") == (("D2", "15.2"),)

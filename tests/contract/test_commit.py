"""A change is carried out whole and for ever, or not at all."""

import asyncio
from dataclasses import fields, replace

import pytest

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import NOTHING, Change, Escrow
from corral.lifecycle.state import (
    CertificateStatus,
    EndReason,
    EndRequest,
    EnrollmentKind,
    EscrowKind,
    Origin,
    Phase,
    Purpose,
    Renewal,
    Snapshot,
)
from corral.pki.attestation import HardwareProperties, SecureBoot
from corral.store.devices import Committed, Stale
from corral.store.store import Store

FULL_DEVICE = v.device(
    user_enrollment=True,
    blocked_at=v.NOW,
    blocked_reason="lost",
    platform="iOS",
    os_version="27.0",
    build_version="27A1",
    product_name="iPhone18,1",
    model="MX1",
    model_name="iPhone",
    name="Zoë's \N{MOBILE PHONE} phone",
    imei="1",
    meid="2",
)
FULL_LIFE = v.connection(
    origin=Origin.RESTORED,
    admitted_by="grant:G1",
    profile=b'{"facts": 1}',
    connected_at=v.NOW + 1,
    reauthenticated_at=v.NOW + 2,
    awaiting_since=v.NOW + 3,
    erasing_at=v.NOW + 4,
    renewal=Renewal(grant_id="G2", asked_at=v.NOW + 5, authenticated_at=v.NOW + 6),
    end_request=EndRequest(by="a person", at=v.NOW + 7, deadline=v.NOW + 8, note="why"),
    ended_at=v.NOW + 9,
    end_reason=EndReason.REMOVED,
    proof="RemoveProfile acknowledged",
    recheck_at=v.NOW + 10,
    phase=Phase.ENDED,
    open=True,
)
FULL_CHANNEL = v.channel(
    user_id="", short_name="zoe", long_name="Zoë", unreachable="why not", awaiting_since=v.NOW, ended_at=v.NOW + 1
)
FULL_CERTIFICATE = v.certificate(
    authority="a foreign one",
    purpose=Purpose.PINNED,
    grant_id="G1",
    request_digest=b"\x00digest",
    heard_at=v.NOW,
    issuer="a1b2",
    warned_days=30,
    attested=HardwareProperties(serial_number="S1", sip_enabled=True, secure_boot=SecureBoot.FULL),
)
FULL_GRANT = v.grant(
    purpose=Purpose.RENEW,
    link_id="L1",
    device_id="D1",
    serial_number="S1",
    keys_issued=2,
    kind=EnrollmentKind.ACCOUNT_USER,
    account="ann@example.org",
    evidence="she signed in",
    spent_at=v.NOW,
    revoked_at=v.NOW + 1,
    profile=b'{"facts": 2}',
)


async def load(store: Store, number: int = 1) -> Snapshot:
    return await store.devices.load(v.contact(f"cert {number}", f"D{number}"))


async def test_every_field_comes_back_as_it_was_put(store: Store) -> None:
    change = Change(
        device_id="D1",
        device=FULL_DEVICE,
        connections=(FULL_LIFE,),
        channels=(FULL_CHANNEL,),
        certificates=(FULL_CERTIFICATE,),
        grant=FULL_GRANT,
    )
    assert await store.devices.commit(change) == Committed()
    seen = await load(store)
    assert seen.device == replace(FULL_DEVICE, version=1)
    assert seen.bound == FULL_LIFE
    assert seen.lives == (FULL_LIFE,)
    assert seen.channel == FULL_CHANNEL
    assert seen.certificate == FULL_CERTIFICATE
    assert seen.grant == replace(FULL_GRANT, version=1)


async def test_what_is_committed_is_there_after_reopening(home: Home) -> None:
    async with home.open() as store:
        await store.devices.commit(v.enrolled())
        seen = await load(store)
    async with home.open() as store:
        assert await load(store) == seen


async def test_a_new_device_must_not_be_there_yet(fleet: Store) -> None:
    before = await load(fleet)
    again = replace(v.enrolled(), device=v.device(name="another"), events=(v.event(),), work=(v.work(),))
    assert await fleet.devices.commit(again) == Stale()
    assert await load(fleet) == before
    assert await fleet.events.read(0, 10) == ()
    assert await fleet.work.next_due("push") is None


async def test_a_device_is_changed_only_at_the_version_that_was_read(fleet: Store) -> None:
    for expects in (0, 2, 99):
        stale = Change(device_id="D1", expects=expects, device=v.device(name="new"), events=(v.event(),))
        assert await fleet.devices.commit(stale) == Stale()
    assert await fleet.events.read(0, 10) == ()
    put = Change(device_id="D1", expects=1, device=v.device(name="new", version=77))
    assert await fleet.devices.commit(put) == Committed()
    device = (await load(fleet)).device
    assert device is not None
    assert device.name == "new"
    assert device.version == 2, "the store counts, whatever the value says"


async def test_a_change_without_the_device_row_counts_its_version_too(fleet: Store) -> None:
    change = Change(device_id="D1", expects=1, connections=(v.connection(proof="changed"),))
    assert await fleet.devices.commit(change) == Committed()
    assert await fleet.devices.commit(change) == Stale()
    seen = await load(fleet)
    assert seen.device is not None
    assert seen.device.version == 2


async def test_a_change_of_a_device_that_nobody_knows_is_stale(store: Store) -> None:
    assert await store.devices.commit(Change(device_id="D1", expects=1)) == Stale()
    assert await store.devices.commit(Change(device_id="D1", expects=0, events=(v.event(),))) == Committed()


async def test_without_a_device_there_is_no_fence(fleet: Store) -> None:
    change = Change(channels=(v.channel(unreachable="gone"),), events=(v.event(),))
    assert await fleet.devices.commit(change) == Committed()
    assert await fleet.devices.commit(change) == Committed()
    seen = await load(fleet)
    assert seen.channel is not None
    assert seen.channel.unreachable == "gone"
    assert seen.device is not None
    assert seen.device.version == 1


async def test_nothing_is_a_change_too(store: Store) -> None:
    assert await store.devices.commit(NOTHING) == Committed()


async def test_a_device_has_one_connected_life(fleet: Store) -> None:
    for phase in (Phase.CONNECTED, Phase.ENDING):
        second = Change(device_id="D1", expects=1, connections=(v.connection("C9", phase=phase),))
        assert await fleet.devices.commit(second) == Stale()
    assert [life.id for life in (await load(fleet)).lives] == ["C1"]


async def test_a_device_has_one_authenticating_life(fleet: Store) -> None:
    first = Change(device_id="D1", expects=1, connections=(v.connection("C8", phase=Phase.AUTHENTICATING),))
    assert await fleet.devices.commit(first) == Committed()
    second = Change(device_id="D1", expects=2, connections=(v.connection("C9", phase=Phase.AUTHENTICATING),))
    assert await fleet.devices.commit(second) == Stale()


async def test_a_life_takes_the_place_of_another_in_one_commit_whatever_their_order(fleet: Store) -> None:
    over = v.connection(phase=Phase.ENDED, ended_at=v.NOW)
    born = v.connection("C9", created_at=v.NOW + 1)
    assert await fleet.devices.commit(Change(device_id="D1", expects=1, connections=(born, over))) == Committed()
    assert [life.id for life in (await load(fleet)).lives] == ["C9", "C1"]


async def test_an_empty_der_keeps_the_one_that_is_stored(fleet: Store) -> None:
    heard = v.certificate(der=b"", heard_at=v.NOW + 5)
    await fleet.devices.commit(Change(certificates=(heard,)))
    assert (await load(fleet)).certificate == replace(heard, der=b"cert 1")


async def test_a_revoked_certificate_stays_revoked(fleet: Store) -> None:
    """Its revocation may come between the reading and the commit of a message that would bind it."""
    revoked = v.certificate(status=CertificateStatus.REVOKED)
    assert await fleet.devices.commit(Change(certificates=(revoked,))) == Committed()
    assert await fleet.devices.commit(Change(certificates=(v.certificate(),))) == Stale()
    assert await fleet.devices.commit(Change(certificates=(revoked,))) == Committed()
    assert (await load(fleet)).certificate == revoked


async def test_only_one_certificate_of_a_life_stays_after_a_renewal(fleet: Store) -> None:
    more = (
        *(v.certificate(name) for name in ("new", "old")),
        v.certificate("issued", status=CertificateStatus.ISSUED),
        v.certificate("revoked", status=CertificateStatus.REVOKED),
    )
    change = Change(certificates=more, retire=("C1", v.fingerprint("new")))
    assert await fleet.devices.commit(change) == Committed()
    found = {each.der.decode(): each.status.value for each in await fleet.grants.certificates("C1")}
    assert found == {
        "cert 1": "retired",
        "old": "retired",
        "new": "bound",
        "issued": "issued",
        "revoked": "revoked",
    }
    other = await fleet.grants.certificate(v.fingerprint("cert 2"))
    assert other is not None
    assert other.status is CertificateStatus.BOUND


async def test_a_row_that_hangs_on_nothing_makes_the_change_stale(fleet: Store) -> None:
    """What it hangs on was forgotten since it was read."""
    for change in (
        Change(channels=(v.channel("nobody"),)),
        Change(enqueue=(v.enqueue(channel_id="nobody"),)),
        Change(connections=(v.connection("C9", "nobody", phase=Phase.ENDED),)),
        Change(result=v.result(channel_id="nobody")),
        Change(escrow=(Escrow(connection_id="nobody", kind=EscrowKind.UNLOCK_TOKEN, value=b"x", at=1),)),
    ):
        assert await fleet.devices.commit(replace(change, events=(v.event(),))) == Stale()
    assert await fleet.events.read(0, 10) == ()


async def test_the_profile_facts_of_a_fleet_come_back_with_each_life(store: Store) -> None:
    for number, profile in ((1, b"same"), (2, b"same"), (3, b"other"), (4, b"")):
        change = v.enrolled(number)
        life = replace(change.connections[0], profile=profile)
        await store.devices.commit(replace(change, connections=(life,)))
    profiles = [life.profile for n in (1, 2, 3, 4) if (life := (await load(store, n)).bound) is not None]
    assert profiles == [b"same", b"same", b"other", b""]


async def test_changes_of_many_devices_at_once_are_all_there(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.devices.commit(v.enrolled(number)) for number in range(200)))
    assert outcomes == [Committed()] * 200
    counts = await store.directory.counts()
    assert counts["connected"] == 200


async def test_of_many_changes_at_one_version_one_is_made(fleet: Store) -> None:
    changes = [
        Change(device_id="D1", expects=1, device=v.device(name=f"name {n}"), events=(v.event(data={"n": n}),))
        for n in range(50)
    ]
    outcomes = await asyncio.gather(*map(fleet.devices.commit, changes))
    winner = outcomes.index(Committed())
    assert outcomes.count(Committed()) == 1
    seen = await load(fleet)
    assert seen.device is not None
    assert seen.device.name == f"name {winner}"
    assert [each.event.data for each in await fleet.events.read(0, 100)] == [{"n": winner}]


async def test_one_bad_member_of_a_batch_fails_alone(fleet: Store) -> None:
    """A lone surrogate is no text for any database."""
    good = [fleet.devices.commit(v.enrolled(number)) for number in range(10, 20)]
    bad = fleet.devices.commit(Change(device_id="D1", expects=1, device=v.device(name="\udc80")))
    more = [fleet.devices.commit(v.enrolled(number)) for number in range(20, 30)]
    outcomes = await asyncio.gather(*good, bad, *more, return_exceptions=True)
    assert isinstance(outcomes[10], Exception)
    assert outcomes[:10] + outcomes[11:] == [Committed()] * 20
    assert (await load(fleet)).device == replace(v.device(), version=1)


async def test_a_caller_that_goes_away_takes_nobody_with_it(fleet: Store) -> None:
    first = asyncio.ensure_future(fleet.devices.commit(v.enrolled(10)))
    second = asyncio.ensure_future(fleet.devices.commit(v.enrolled(11)))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == Committed()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_escrow_is_kept_in_versions_of_which_the_newest_counts(fleet: Store) -> None:
    async def put(value: bytes | None, at: int) -> dict[EscrowKind, bytes]:
        escrow = Escrow(connection_id="C1", kind=EscrowKind.BOOTSTRAP_TOKEN, value=value, at=at)
        assert await fleet.devices.commit(Change(escrow=(escrow, escrow))) == Committed()
        return dict((await load(fleet)).escrow)

    assert (await load(fleet)).escrow == {}
    assert await put(b"first", 1) == {EscrowKind.BOOTSTRAP_TOKEN: b"first"}
    assert await put(b"second", 2) == {EscrowKind.BOOTSTRAP_TOKEN: b"second"}
    assert await put(None, 3) == {}, "the device says that it holds none any more"
    assert await put(b"first", 4) == {EscrowKind.BOOTSTRAP_TOKEN: b"first"}
    assert (await load(fleet, 2)).escrow == {}, "of another life"


def test_every_field_is_told_from_an_empty_one() -> None:
    """So that a field which is added is not forgotten in the rows."""
    empty = {"version", "user_id", "authority"}
    for value in (FULL_DEVICE, FULL_LIFE, FULL_CHANNEL, FULL_CERTIFICATE, FULL_GRANT):
        unset = {each.name for each in fields(value) if not getattr(value, each.name)}
        assert unset <= empty, unset


async def test_a_certificate_that_is_bound_stays_its_devices(store: Store) -> None:
    """Of two devices that come with one certificate the second wrote nothing, whatever it was decided on."""
    await store.devices.commit(v.enrolled(1))
    taken = v.certificate("cert 1", "C2", device_id="D2")
    change = replace(v.enrolled(2), certificates=(taken,))
    assert isinstance(await store.devices.commit(change), Stale)
    assert (await store.devices.load(v.contact("cert 1", "D2"))).device is None
    held = await store.grants.certificate(v.fingerprint("cert 1"))
    assert held is not None
    assert (held.device_id, held.connection_id) == ("D1", "C1")


async def test_a_new_token_wakes_who_tells_of_events_and_who_pushes(store: Store) -> None:
    assert await store.devices.commit(v.enrolled()) == Committed()
    woken = v.Woken()
    store.on_work(woken)
    change = Change(device_id="D1", expects=1, channels=(v.channel(),), events=(v.event(),), work=(v.work(),), at=v.NOW)
    assert await store.devices.commit(change) == Committed()
    assert sorted(set(woken)) == ["event", "push"]
    woken.clear()
    assert isinstance(await store.devices.commit(change), Stale)
    assert woken == []

"""What a decision gets to see."""

import asyncio
from dataclasses import replace

from contract import values as v
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import EscrowKind, Phase, Purpose, Snapshot
from corral.store.store import Store


async def test_of_a_stranger_nothing_is_known(store: Store) -> None:
    assert await store.devices.load(v.contact()) == Snapshot()
    assert await store.devices.load_connection("nobody", 0) == Snapshot()


async def test_the_device_is_the_one_that_speaks_and_bound_the_one_that_the_certificate_is_of(fleet: Store) -> None:
    seen = await fleet.devices.load(v.contact("cert 2", "D1"))
    assert seen.device is not None
    assert seen.device.id == "D1"
    assert [life.id for life in seen.lives] == ["C1"]
    assert seen.bound is not None
    assert (seen.bound.id, seen.bound.device_id) == ("C2", "D2")


async def test_without_a_fingerprint_nothing_is_bound(fleet: Store) -> None:
    seen = await fleet.devices.load(replace(v.contact(), fingerprint=b""))
    assert seen.device is not None
    assert [life.id for life in seen.lives] == ["C1"]
    assert (seen.certificate, seen.bound, seen.channel) == (None, None, None)


async def test_lives_are_those_that_are_not_over_and_the_latest_that_is(fleet: Store) -> None:
    for at, phase in enumerate((Phase.ENDED, Phase.ENDED, Phase.AUTHENTICATING), start=1):
        life = v.connection(f"later {at}", phase=phase, created_at=v.NOW + at)
        await fleet.devices.commit(Change(connections=(life,)))
    early = v.connection("early", phase=Phase.ENDED, created_at=v.NOW - 1)
    await fleet.devices.commit(Change(connections=(early,)))
    seen = await fleet.devices.load(v.contact())
    assert [life.id for life in seen.lives] == ["later 3", "later 2", "C1"]


async def test_the_life_that_a_lost_certificate_names_is_read(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1"])
    escrow = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=b"unlock", at=1)
    await fleet.devices.commit(Change(escrow=(escrow,)))
    seen = await fleet.devices.load(v.contact("lost", named="C1", command_uuid="U1"))
    assert (seen.certificate, seen.bound) == (None, None)
    assert seen.named == v.connection()
    assert seen.channel == v.channel()
    assert seen.delivery is not None
    assert seen.escrow == {EscrowKind.UNLOCK_TOKEN: b"unlock"}
    known = await fleet.devices.load(v.contact(named="C2"))
    assert known.named is None, "its certificate is there, so nothing else counts"
    assert (await fleet.devices.load(v.contact("lost", named="nobody"))).named is None


async def test_a_certificate_may_be_there_before_its_life(store: Store) -> None:
    issued = v.certificate(device_id=None, grant_id="G1")
    await store.devices.commit(Change(certificates=(issued,), grant=v.grant(link_id="L1")))
    await store.grants.add_link(v.link(), b"digest")
    seen = await store.devices.load(v.contact())
    assert seen.certificate == issued
    assert seen.bound is None
    assert seen.grant == v.grant(link_id="L1", version=1)
    assert seen.link == v.link()


async def test_the_channel_is_the_one_spoken_on(fleet: Store) -> None:
    jane = v.channel(user_id="jane", short_name="Jane")
    await fleet.devices.commit(Change(channels=(jane,)))
    assert (await fleet.devices.load(v.contact(user_id="jane"))).channel == jane
    assert (await fleet.devices.load(v.contact(user_id="joe"))).channel is None
    assert (await fleet.devices.load(v.contact())).channel == v.channel()


async def test_the_delivery_is_the_one_that_a_report_answers(fleet: Store) -> None:
    await fleet.queue.enqueue(v.command(), ["C1", "C2"])
    seen = (await fleet.devices.load(v.contact(command_uuid="U1"))).delivery
    assert seen is not None
    assert (seen.channel_id, seen.command_uuid) == ("C1", "U1")
    assert (await fleet.devices.load(v.contact(command_uuid="U2"))).delivery is None
    assert (await fleet.devices.load(v.contact())).delivery is None


async def test_a_connection_is_loaded_with_its_device_and_device_channel(fleet: Store) -> None:
    await fleet.devices.commit(Change(channels=(v.channel(user_id="jane"),)))
    seen = await fleet.devices.load_connection("C1", 0)
    assert seen == replace(await fleet.devices.load(v.contact()), certificate=None)
    assert seen.channel == v.channel()


async def test_the_topics_are_those_of_the_push_certificates(fleet: Store) -> None:
    assert (await fleet.devices.load(v.contact())).topics == frozenset()
    for topic in ("t1", "t2"):
        await fleet.vault.put_push_certificate(v.push_certificate(topic))
    assert (await fleet.devices.load(v.contact())).topics == {"t1", "t2"}


async def test_a_snapshot_is_of_one_moment(fleet: Store) -> None:
    """Whoever reads while a device changes sees all of a change or nothing of it."""

    async def change() -> None:
        for version in range(1, 60):
            device = v.device(name=str(version))
            life = v.connection(proof=str(version))
            await fleet.devices.commit(Change(device_id="D1", expects=version, device=device, connections=(life,)))

    changing = asyncio.create_task(change())
    seen: set[str] = set()
    while not changing.done():
        snapshot = await fleet.devices.load(v.contact())
        assert snapshot.device is not None
        assert snapshot.bound is not None
        assert (snapshot.device.name or "") == snapshot.bound.proof
        seen.add(snapshot.bound.proof)
        await asyncio.sleep(0)
    await changing
    assert len(seen) > 2


async def test_a_grant_of_a_renewal_is_read_with_its_certificate(fleet: Store) -> None:
    renewing = v.certificate("renewed", purpose=Purpose.RENEW, grant_id="G2")
    await fleet.devices.commit(Change(certificates=(renewing,), grant=v.grant("G2", purpose=Purpose.RENEW)))
    seen = await fleet.devices.load(v.contact("renewed"))
    assert seen.grant is not None
    assert seen.grant.id == "G2"
    assert seen.link is None

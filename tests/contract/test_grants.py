"""Links are used as often as they say; grants and their certificates belong together."""

import asyncio
from dataclasses import replace

import pytest

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import Change
from corral.lifecycle.issuance import GrantState, Issue, decide_issuance, issued
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import CertificateStatus, EnrollmentKind, IdentityKind, Purpose
from corral.store.devices import Committed, Stale
from corral.store.marks import Mark
from corral.store.store import Store


def digest(token: str) -> bytes:
    return v.fingerprint(token)


async def test_a_link_is_found_by_the_digest_of_its_token_only(home: Home) -> None:
    full = v.link(created_by="me", note="for Zoë", uses=None, used=3, device_id="D1", serial_number="S1")
    async with home.open() as store:
        await store.grants.add_link(full, digest("token"))
        await store.grants.add_link(v.link("L2"), digest("other"))
    async with home.open() as store:
        assert await store.grants.find_link(digest("token")) == full
        assert await store.grants.find_link(b"token") is None
        assert await store.grants.link("L1") == full
        assert await store.grants.link("nobody") is None


async def test_links_are_listed_newest_first_in_pages(store: Store) -> None:
    for number, created_at in enumerate((5, 1, 3, 3, 4)):
        await store.grants.add_link(v.link(f"L{number}", created_at=created_at), digest(str(number)))
    everything = [each.id for each in await store.grants.links(10, None)]
    assert everything == ["L0", "L4", "L3", "L2", "L1"]
    pages: list[str] = []
    mark = None
    while page := await store.grants.links(2, mark):
        pages += [each.id for each in page]
        mark = Mark.read(str(Mark(page[-1].created_at, page[-1].id)))
        assert mark is not None
    assert pages == everything
    assert [each.id for each in await store.grants.links(9, Mark(4, "forgotten since"))] == ["L4", "L3", "L2", "L1"]


async def test_a_link_is_revoked_once(store: Store) -> None:
    await store.grants.add_link(v.link(), digest("token"))
    assert await store.grants.revoke_link("L1", 7)
    assert not await store.grants.revoke_link("L1", 8)
    assert not await store.grants.revoke_link("nobody", 8)
    assert await store.grants.link("L1") == v.link(revoked_at=7)


async def test_a_link_gives_as_many_uses_as_it_has_to_whoever_races(store: Store) -> None:
    await store.grants.add_link(v.link(uses=3), digest("token"))
    changes = [replace(v.enrolled(n), link_used="L1") for n in range(20)]
    outcomes = await asyncio.gather(*map(store.devices.commit, changes))
    assert outcomes.count(Committed()) == 3
    assert outcomes.count(Stale()) == 17
    assert await store.grants.link("L1") == v.link(uses=3, used=3)
    assert (await store.directory.counts())["connected"] == 3, "what found no use left has written nothing"


async def test_a_link_without_a_limit_counts_all_the_same(store: Store) -> None:
    await store.grants.add_link(v.link(uses=None), digest("token"))
    for _ in range(5):
        assert await store.devices.commit(Change(link_used="L1")) == Committed()
    assert await store.grants.link("L1") == v.link(uses=None, used=5)
    assert await store.devices.commit(Change(link_used="nobody")) == Stale()


async def test_a_grant_is_changed_only_at_the_version_that_was_read(store: Store) -> None:
    assert await store.devices.commit(Change(grant=v.grant())) == Committed()
    assert await store.devices.commit(Change(grant=v.grant(keys_issued=1), events=(v.event(),))) == Stale()
    assert await store.devices.commit(Change(grant=v.grant(version=2))) == Stale()
    assert await store.devices.commit(Change(grant=v.grant("nobody", version=1))) == Stale()
    changed = v.grant(version=1, keys_issued=1, spent_at=v.NOW)
    assert await store.devices.commit(Change(grant=changed)) == Committed()
    state = await store.grants.grant_state("G1")
    assert state is not None
    assert state.grant == replace(changed, version=2)
    assert await store.events.read(0, 9) == ()


async def test_a_stale_grant_stops_the_device_and_its_use_of_the_link_too(store: Store) -> None:
    await store.grants.add_link(v.link(), digest("token"))
    await store.devices.commit(Change(grant=v.grant()))
    spending = replace(v.enrolled(), grant=v.grant(spent_at=v.NOW), link_used="L1")
    assert await store.devices.commit(spending) == Stale()
    assert (await store.grants.link("L1")) == v.link()
    assert (await store.devices.load(v.contact())).device is None


async def test_the_state_of_a_grant_has_all_that_issuance_rests_on(store: Store) -> None:
    assert await store.grants.grant_state("G1") is None
    await store.grants.add_link(v.link(), digest("token"))
    grant = v.grant(link_id="L1", profile=b"facts")
    of_grant = [v.certificate(name, grant_id="G1", issued_at=v.NOW + n) for n, name in enumerate("ab")]
    await store.devices.commit(Change(grant=grant, certificates=(*of_grant, v.certificate("c", grant_id="G2"))))
    assert await store.grants.grant_state("G1") == GrantState(
        grant=replace(grant, version=1), link=v.link(), certificates=(of_grant[1], of_grant[0])
    )


async def test_a_renewal_names_its_connection_and_whether_its_device_is_blocked(fleet: Store) -> None:
    await fleet.devices.commit(Change(grant=v.grant(purpose=Purpose.RENEW)))
    state = await fleet.grants.grant_state("G1")
    assert state is not None
    assert state.connection == v.connection()
    assert not state.device_blocked
    await fleet.devices.commit(Change(device_id="D1", expects=1, device=v.device(blocked_at=v.NOW)))
    state = await fleet.grants.grant_state("G1")
    assert state is not None
    assert state.device_blocked


async def test_a_grant_for_a_known_device_knows_that_it_is_blocked(fleet: Store) -> None:
    await fleet.devices.commit(Change(device_id="D1", expects=1, device=v.device(blocked_at=v.NOW)))
    await fleet.devices.commit(Change(grant=v.grant(device_id="D1", connection_id="C9")))
    state = await fleet.grants.grant_state("G1")
    assert state is not None
    assert state.device_blocked
    assert state.connection is None


async def test_certificates_of_a_life_are_listed_newest_first(fleet: Store) -> None:
    await fleet.devices.commit(Change(certificates=(v.certificate("new", issued_at=v.NOW + 1),)))
    assert [each.der for each in await fleet.grants.certificates("C1")] == [b"new", b"cert 1"]
    assert await fleet.grants.certificates("nobody") == ()
    assert await fleet.grants.certificate(v.fingerprint("new")) == v.certificate("new", issued_at=v.NOW + 1)
    assert await fleet.grants.certificate(b"never seen") is None


async def test_requests_under_one_grant_that_race_get_one_certificate_each_in_turn(store: Store) -> None:
    """Two keys at once: the slower one sees the faster one's certificate, and revokes it."""
    await store.devices.commit(Change(grant=v.grant()))

    async def ask(key: str) -> None:
        while True:
            state = await store.grants.grant_state("G1")
            assert state is not None
            if any(each.request_digest == v.fingerprint(key) for each in state.certificates):
                return  # the other one with this key has it, though another key may have replaced it since
            verdict = decide_issuance(state, v.fingerprint(key), Policy(), v.NOW)
            match verdict:
                case Issue(revoke):
                    made = v.certificate(
                        key, status=CertificateStatus.ISSUED, grant_id="G1", request_digest=v.fingerprint(key)
                    )
                    await asyncio.sleep(0)
                    if await store.devices.commit(issued(state, made, revoke)) == Committed():
                        return
                case _:
                    pytest.fail(str(verdict))

    await asyncio.gather(*map(ask, ("k1", "k2", "k3", "k1")))
    state = await store.grants.grant_state("G1")
    assert state is not None
    assert state.grant.keys_issued == 3
    statuses = sorted(each.status.value for each in state.certificates)
    assert statuses == ["issued", "revoked", "revoked"]


async def test_what_a_grant_was_given_for_is_kept(home: Home) -> None:
    full = v.grant(kind=EnrollmentKind.ACCOUNT_USER, account="zoë@example.org", evidence="account; signed in")
    async with home.open() as store:
        assert await store.devices.commit(Change(grant=full)) == Committed()
        assert await store.devices.commit(Change(grant=v.grant("G2"))) == Committed()
    async with home.open() as store:
        states = [await store.grants.grant_state(each) for each in ("G1", "G2")]
        assert [each.grant for each in states if each] == [replace(full, version=1), v.grant("G2", version=1)]


@pytest.mark.parametrize("identity", [None, *sorted(IdentityKind)])
async def test_a_link_keeps_how_its_devices_get_their_certificate(store: Store, identity: IdentityKind | None) -> None:
    await store.grants.add_link(v.link(identity=identity), b"token")
    assert await store.grants.find_link(b"token") == v.link(identity=identity)
    assert await store.grants.links(10, None) == (v.link(identity=identity),)

"""Identity certificates are renewed before they expire."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from contract import values as v
from corral.lifecycle.change import Change
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import DAY, HOUR, CertificateStatus, Connection, Consequence, DeliveryState, Phase
from corral.pki.authority import Authority, create_authority
from corral.service.authorities.authorities import LEAD, Held, Roster
from corral.service.clock import to_datetime
from corral.service.connections.operating import Operating
from corral.service.enrollment.challenges import EnrollChallenge
from corral.service.identities.renewing import AT_ONCE, BY, Renewing, begins_at
from corral.service.identities.warnings import IdentityWarnings
from corral.store.queue import CommandRecord
from service.conftest import Office
from service.fakes import NOW

BEFORE = 30 * DAY
YEAR = 365 * DAY


@dataclass
class Renewals:
    office: Office
    renewing: Renewing
    policy: Policy

    async def device(self, number: int = 1, *, left: int = DAY, profile: bytes | None = None, **fields: Any) -> str:
        """A connected device whose certificate has so much time left; returns its connection."""
        kept = await self.office.enrolling.kept(EnrollChallenge("link", "grant")) if profile is None else profile
        now = self.office.clock.now
        plain = v.enrolled(number)
        certificate = replace(
            plain.certificates[0],
            **{"issued_at": now + left - YEAR, "not_after": now + left, "heard_at": now - DAY, **fields},
        )
        life = replace(plain.connections[0], profile=kept)
        await self.office.store.devices.commit(replace(plain, connections=(life,), certificates=(certificate,)))
        return life.id

    async def run(self) -> None:
        await self.renewing.notice()
        await self.renewing.round()

    async def life(self, connection: str = "C1") -> Connection:
        life = (await self.office.transitions.look(connection)).bound
        assert life is not None
        return life

    async def sent(self, device: str = "D1") -> list[CommandRecord]:
        found = await self.office.store.queue.list(
            device_id=device, command_uuid=None, state=None, before=None, limit=100
        )
        return [each for each in found if each.delivery.consequence is Consequence.RENEWAL]

    async def asked(self, connection: str = "C1") -> bool:
        return (await self.life(connection)).renewal is not None


@pytest.fixture
def renewals(office: Office) -> Renewals:
    policy = office.policy
    operating = Operating(
        office.store.directory, office.store.devices, office.transitions, office.enrolling, policy, office.clock
    )
    store = office.store
    renewing = Renewing(
        store.grants,
        store.work,
        office.transitions,
        operating,
        IdentityWarnings(store.grants, store.work, office.transitions, office.clock),
        office.authorities,
        policy,
        office.clock,
        BEFORE,
    )
    return Renewals(office, renewing, policy)


async def test_a_certificate_that_is_about_to_expire_is_renewed_once(renewals: Renewals) -> None:
    await renewals.device()
    for _ in range(3):
        await renewals.run()
        renewals.office.clock.now += 3 * HOUR
    (sent,) = await renewals.sent()
    life = await renewals.life()
    assert life.renewal is not None
    assert life.renewal.grant_id == sent.delivery.command_uuid
    assert sent.delivery.expires_at == NOW + renewals.policy.renewal_time
    (event,) = [
        each.event
        for each in await renewals.office.store.events.read(0, 100)
        if each.event.type == "connection.renewal-asked"
    ]
    assert event.data["by"] == BY


async def test_a_certificate_that_is_good_for_long_is_left_alone(renewals: Renewals) -> None:
    await renewals.device(left=BEFORE + DAY)
    await renewals.run()
    assert not await renewals.asked()
    assert await renewals.office.store.work.next_due("renew") is None


async def test_a_fleet_that_enrolled_on_one_day_is_renewed_over_many(renewals: Renewals) -> None:
    """Nobody before the window, everybody within its first half, and never many at once."""
    for number in range(1, 61):
        await renewals.device(number, left=BEFORE)
    first: dict[str, int] = {}
    most = 0
    for hour in range(16 * 24):
        await renewals.run()
        at_once = 0
        for number in range(1, 61):
            if f"C{number}" not in first and hour % 12 == 0 and await renewals.asked(f"C{number}"):
                first[f"C{number}"] = hour // 24
                at_once += 1
        most = max(most, at_once)
        renewals.office.clock.now += HOUR
    assert len(first) == 60
    assert max(first.values()) <= 15
    assert len(set(first.values())) > 10
    assert most <= AT_ONCE


async def test_a_renewal_that_failed_on_the_device_is_tried_again_later(renewals: Renewals) -> None:
    await renewals.device()
    await renewals.run()
    life = await renewals.life()
    snapshot = await renewals.office.transitions.look(life.id)
    assert snapshot.device is not None
    failed = Change(device_id="D1", expects=snapshot.device.version, connections=(replace(life, renewal=None),))
    await renewals.office.store.devices.commit(failed)
    renewals.office.clock.now += HOUR // 2
    await renewals.run()
    assert not await renewals.asked(), "not at once"
    renewals.office.clock.now += HOUR
    await renewals.run()
    assert await renewals.asked()
    assert len(await renewals.sent()) == 2


async def test_a_device_that_does_not_come_for_it_is_asked_anew_when_the_renewal_has_expired(
    renewals: Renewals,
) -> None:
    await renewals.device(left=20 * DAY)
    for _ in range(20):
        await renewals.run()
        await renewals.office.store.queue.expire(renewals.office.clock.now, 100)
        renewals.office.clock.now += DAY
    sent = await renewals.sent()
    assert 1 < len(sent) <= 3
    assert sum(each.delivery.state is DeliveryState.OPEN for each in sent) <= 1


async def test_a_life_that_is_over_or_renewed_is_left_alone(renewals: Renewals) -> None:
    for number in (1, 2):
        await renewals.device(number)
    await renewals.renewing.notice()
    one, two = await renewals.life("C1"), await renewals.life("C2")
    over = replace(one, phase=Phase.ENDED, open=False)
    await renewals.office.store.devices.commit(Change(device_id="D1", expects=1, connections=(over,)))
    fresh = v.certificate("fresh", "C2", device_id="D2", heard_at=NOW, issued_at=NOW, not_after=NOW + YEAR)
    old = v.certificate("cert 2", "C2", device_id="D2", status=CertificateStatus.RETIRED, not_after=NOW + DAY)
    await renewals.office.store.devices.commit(
        Change(device_id="D2", expects=1, connections=(two,), certificates=(fresh, old))
    )
    await renewals.renewing.round()
    assert await renewals.sent("D1") == await renewals.sent("D2") == []
    assert await renewals.office.store.work.next_due("renew") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"authority": "another"},
        {"heard_at": None},
        {"status": CertificateStatus.REVOKED},
        {"profile": b""},
    ],
    ids=str,
)
async def test_what_cannot_be_renewed_is_not_tried(renewals: Renewals, fields: dict[str, Any]) -> None:
    await renewals.device(**fields)
    await renewals.run()
    assert await renewals.office.store.work.next_due("renew") is None


def test_short_certificates_are_renewed_in_their_last_third() -> None:
    for device in map(str, range(50)):
        begins = begins_at(device, NOW, NOW + 3 * DAY, BEFORE)
        assert NOW + 2 * DAY <= begins <= NOW + 2 * DAY + DAY // 2
        assert begins == begins_at(device, NOW, NOW + 3 * DAY, BEFORE)


async def rolled_over(renewals: Renewals, over: int) -> Authority:
    """A new authority issues, and the devices of the old one are to be renewed over within so long."""
    office = renewals.office
    now, old = office.clock.now, office.authorities.roster.held
    new = create_authority("Successor", to_datetime(now), key=rsa.generate_private_key(65537, 2048))
    office.authorities.take(Roster((*old, Held(authority=new, created_at=now, moved_by=now + over))))
    office.clock.now += LEAD
    return new


async def test_devices_of_an_old_authority_are_renewed_over_spread_in_time(renewals: Renewals) -> None:
    for number in range(1, 61):
        await renewals.device(number, left=YEAR)
    await renewals.run()
    assert await renewals.office.store.work.next_due("renew") is None
    await rolled_over(renewals, 10 * DAY)
    days: list[int] = []
    for _ in range(12):
        await renewals.run()
        await renewals.run()
        await renewals.run()
        asked = [await renewals.asked(f"C{number}") for number in range(1, 61)]
        days.append(sum(asked))
        renewals.office.clock.now += DAY
    assert days[-1] == 60
    assert len({later - earlier for earlier, later in pairwise(days)}) > 3, days
    assert max(later - earlier for earlier, later in pairwise([0, *days])) <= 20


async def test_a_device_that_has_moved_over_is_left_alone(renewals: Renewals) -> None:
    await renewals.device(1, left=YEAR)
    new = await rolled_over(renewals, 0)
    await renewals.device(2, left=YEAR, issuer=new.id)
    await renewals.run()
    assert await renewals.asked("C1")
    assert not await renewals.asked("C2")


async def test_a_device_that_is_to_be_renewed_later_moves_over_sooner(renewals: Renewals) -> None:
    await renewals.device(1, left=BEFORE - HOUR)
    await renewals.renewing.notice()
    later = await renewals.office.store.work.next_due("renew")
    await rolled_over(renewals, 0)
    await renewals.run()
    assert later is not None
    assert later > renewals.office.clock.now
    assert await renewals.asked("C1")


async def test_a_new_authority_is_noticed_as_soon_as_it_issues(renewals: Renewals) -> None:
    await renewals.device(1, left=YEAR)
    await renewals.renewing.round()
    await rolled_over(renewals, 0)
    await renewals.renewing.round()
    assert await renewals.asked("C1"), "not only after the hour between two notices"


async def warned(renewals: Renewals) -> list[tuple[str, int]]:
    events = await renewals.office.store.events.read(0, 1000)
    return [(e.event.type, e.event.data["days_left"]) for e in events if e.event.type.startswith("identity.")]


async def test_a_device_whose_renewal_keeps_failing_is_told_of_as_its_end_comes_near(renewals: Renewals) -> None:
    await renewals.device(left=BEFORE)
    for _ in range(32 * 12):
        await renewals.run()
        renewals.office.clock.now += 2 * HOUR
    told = await warned(renewals)
    assert [kind for kind, _ in told] == ["identity.expiring"] * 3 + ["identity.expired"]
    assert [days for _, days in told][1:3] == [6, 0], told
    assert 7 <= told[0][1] < 23, "once its renewal has begun, and has not come through for a week"
    assert dict(await renewals.office.store.directory.unrenewed()) == {0: 1}
    events = await renewals.office.store.events.read(0, 1000)
    asked = [each for each in events if each.event.type == "connection.renewal-asked"]
    assert len(asked) > 1, "it was tried again, every time that nobody came for it"


async def test_a_device_that_has_not_come_for_its_renewal_for_some_days_is_told_of_by_nobody(
    renewals: Renewals,
) -> None:
    await renewals.device(left=BEFORE)
    while not await renewals.asked():
        await renewals.run()
        renewals.office.clock.now += HOUR
    for _ in range(6 * 12):
        await renewals.run()
        renewals.office.clock.now += 2 * HOUR
    assert await warned(renewals) == []


async def test_a_device_that_cannot_be_renewed_from_here_is_told_of_by_its_date(renewals: Renewals) -> None:
    office = renewals.office
    warnings = IdentityWarnings(office.store.grants, office.store.work, office.transitions, office.clock)
    await renewals.device(1, left=61 * DAY, profile=b"")
    await renewals.device(2, left=61 * DAY, authority="foreign")
    await renewals.device(3, left=61 * DAY)
    for _ in range(65 * 4):
        await warnings.round()
        await warnings.round()
        office.clock.now += 6 * HOUR
    told = await warned(renewals)
    assert sorted(days for _, days in told) == sorted([59, 29, 6, 0, -1] * 2), told
    assert [kind for kind, _ in told].count("identity.expired") == 2

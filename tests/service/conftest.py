"""An office that issues certificates over a real store, with an authority that is made once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from corral.lifecycle.policy import Policy
from corral.lifecycle.state import DAY
from corral.pki.authority import Authority, create_authority
from corral.pki.trust import Trust
from corral.service.authorities.authorities import Authorities, Roster
from corral.service.clock import to_datetime
from corral.service.enrollment.challenges import Challenges
from corral.service.enrollment.enrolling import Enrolling
from corral.service.identities.granting import Granting
from corral.service.identities.issuing import Issuing
from corral.service.identities.scep_requests import ScepRequests
from corral.service.identities.turns import Turns
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.identifying import Identifying
from corral.service.mdm.transitions import Transitions
from corral.store.store import Store
from kept_databases import fresh_sqlite
from service.fakes import NOW, Clock, push_certificate


@pytest.fixture(scope="session")
def authority() -> Authority:
    return create_authority("Test authority", to_datetime(NOW - 30 * DAY))


@pytest.fixture(scope="session")
def keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(65537, 2048) for _ in range(3)]


@dataclass
class Office:
    store: Store
    clock: Clock
    authorities: Authorities
    challenges: Challenges
    enrolling: Enrolling
    identifying: Identifying
    transitions: Transitions
    granting: Granting
    issuing: Issuing
    scep: ScepRequests
    policy: Policy


@pytest.fixture
async def office(authority: Authority, tmp_path: Path) -> AsyncIterator[Office]:
    clock, policy = Clock(), Policy()
    async with fresh_sqlite(tmp_path / "corral.db", b"k" * 32) as store:
        await store.vault.put_push_certificate(push_certificate())
        challenges = Challenges(b"c" * 32)
        authorities = Authorities(Roster.of(authority), clock)
        enrolling = Enrolling(
            authorities,
            challenges,
            store.grants,
            store.devices,
            store.vault,
            store.events,
            "https://mdm.example.org",
            "Example",
            clock,
        )
        identifying = Identifying(Trust([authority.certificate]), clock)
        transitions = Transitions(store.devices, ContactBook(store.contacts, clock), policy, clock)
        granting = Granting(challenges, enrolling, identifying, store.grants, store.events, transitions, clock)
        issuing = Issuing(authorities, store.grants, store.devices, policy, clock, 365)
        requests = ScepRequests(authorities, granting, issuing, Turns(), clock)
        yield Office(
            store,
            clock,
            authorities,
            challenges,
            enrolling,
            identifying,
            transitions,
            granting,
            issuing,
            requests,
            policy,
        )

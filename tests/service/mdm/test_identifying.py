"""From a certificate to an identity that decisions may rest on."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from corral.lifecycle.evidence import Identity
from corral.lifecycle.state import DAY
from corral.pki.authority import Authority, create_authority, issue_identity
from corral.pki.trust import Trust, Trusted, Untrusted
from corral.service.clock import to_datetime
from corral.service.mdm import identifying
from corral.service.mdm.identifying import Identifying
from service.fakes import NOW, Clock


class Watched(Trust):
    """Counts how often a chain is looked at."""

    judged = 0

    def judge(self, certificate: bytes, intermediates: Sequence[bytes], now: datetime) -> Trusted | Untrusted:
        self.judged += 1
        return super().judge(certificate, intermediates, now)


@pytest.fixture(scope="session")
def foreign() -> Authority:
    return create_authority("Foreign", to_datetime(NOW - 30 * DAY))


def issue(authority: Authority, key: rsa.RSAPrivateKey, connection: str = "life", days: int = 10) -> bytes:
    now = to_datetime(NOW)
    return issue_identity(
        authority,
        key.public_key(),
        common_name="x",
        connection=connection,
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=days),
    )


@pytest.fixture
def trust(authority: Authority, foreign: Authority) -> Watched:
    return Watched([authority.certificate], {"step": [foreign.certificate]})


def test_our_own_certificate_names_its_connection(
    authority: Authority, trust: Watched, keys: list[rsa.RSAPrivateKey]
) -> None:
    der = issue(authority, keys[0])
    assert Identifying(trust, Clock()).identify(der) == Identity(
        fingerprint=hashlib.sha256(der).digest(),
        authority="",
        issuer=authority.id,
        connection_id="life",
        not_after=NOW + 10 * DAY,
        der=der,
    )


def test_a_foreign_certificate_names_its_authority_and_never_a_connection_of_ours(
    foreign: Authority, trust: Watched, keys: list[rsa.RSAPrivateKey]
) -> None:
    identity = Identifying(trust, Clock()).identify(issue(foreign, keys[0]))
    assert isinstance(identity, Identity)
    assert (identity.authority, identity.connection_id) == ("step", None)


def test_what_is_not_trusted_is_said_and_never_remembered(trust: Watched, keys: list[rsa.RSAPrivateKey]) -> None:
    stranger = issue(create_authority("Stranger", to_datetime(NOW), key=keys[1]), keys[0])
    found = Identifying(trust, Clock())
    for _ in range(2):
        assert isinstance(found.identify(stranger), str)
    assert trust.judged == 2
    assert isinstance(found.identify(b"no certificate"), str)


def test_a_certificate_is_judged_once_until_it_expires(
    authority: Authority, trust: Watched, keys: list[rsa.RSAPrivateKey]
) -> None:
    clock = Clock()
    found = Identifying(trust, clock)
    der = issue(authority, keys[0])
    for _ in range(3):
        assert isinstance(found.identify(der), Identity)
    assert trust.judged == 1
    clock.now = NOW + 10 * DAY
    for _ in range(2):
        identity = found.identify(der)
        assert isinstance(identity, Identity), "whether it may still speak is decided from its date"
        assert identity.not_after <= clock.now
    assert trust.judged == 3


def test_memory_is_bounded(
    authority: Authority, trust: Watched, keys: list[rsa.RSAPrivateKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identifying, "_CACHED", 2)
    found = Identifying(trust, Clock())
    certificates = [issue(authority, keys[0], f"life {number}") for number in range(3)]
    for der in certificates:
        found.identify(der)
    found.identify(certificates[2])
    assert trust.judged == 3
    found.identify(certificates[0])
    assert trust.judged == 4, "the first was forgotten"


def test_the_authority_itself_is_no_device(authority: Authority, trust: Watched) -> None:
    assert isinstance(Identifying(trust, Clock()).identify(authority.certificate.public_bytes(Encoding.DER)), str)

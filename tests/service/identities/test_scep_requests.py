"""Certificates over SCEP: every path goes through a grant, and a refusal is an answer too."""

import asyncio
import hashlib
import re
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from corral.apple.identifiers import Kind, Speaker
from corral.apple.installed_profile import read_enrollment_profile
from corral.lifecycle import operating
from corral.lifecycle.admitted import Admitted
from corral.lifecycle.change import Change
from corral.lifecycle.evidence import Identity
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.state import (
    DAY,
    HOUR,
    CertificateStatus,
    Connection,
    EnrollmentKind,
    IdentityKind,
    Link,
    Phase,
    Purpose,
)
from corral.pki import scep
from corral.pki.authority import Authority, connection_of, create_authority
from corral.pki.scep import FailInfo, Issued, MessageType, Refused, ScepError
from corral.service.authorities.authorities import Held, Roster
from corral.service.clock import to_datetime
from corral.service.enrollment.challenges import EnrollChallenge
from corral.service.errors import OverCapacity
from corral.service.identities import turns
from corral.service.kept_profile import read_kept
from corral.store.devices import Contact
from lifecycle import arrange as a
from service.conftest import Office
from service.fakes import NOW, push_certificate

UDID = "UDID-1"


class Client:
    """A device that asks for certificates, and checks in with them."""

    def __init__(self, office: Office, authority: Authority) -> None:
        self.office = office
        self.ca = authority.certificate

    async def ask(
        self, key: rsa.RSAPrivateKey, challenge: str | None, *, renews: bytes | None = None, name: str = "x"
    ) -> Issued | Refused:
        csr = scep.build_csr(key, name, challenge)
        signer = x509.load_der_x509_certificate(renews) if renews else scep.build_signer(key, name, to_datetime(NOW))
        kind = MessageType.RENEWAL_REQ if renews else MessageType.PKCS_REQ
        request = scep.build_request(
            csr, key, signer, self.ca, message_type=kind, transaction_id="1", sender_nonce=b"n" * 16
        )
        answer = await self.office.scep.operate(request)
        read = scep.read_reply(answer, key, signer, self.ca, transaction_id="1", sender_nonce=b"n" * 16, csr=csr)
        assert isinstance(read, Issued | Refused)
        return read

    async def link(self, *, uses: int | None = 1) -> Link:
        link, _ = await self.office.enrolling.create_link(uses=uses, expires_at=NOW + DAY)
        return link

    async def challenge(self) -> str:
        link = await self.link()
        return self.office.challenges.for_link(link.id, "")

    def identity(self, certificate: bytes) -> Identity:
        identity = self.office.identifying.identify(certificate)
        assert isinstance(identity, Identity)
        return identity

    async def say(self, certificate: bytes, message: Message) -> int:
        speaker = message.report.speaker if isinstance(message, Reported) else message.speaker
        identity = self.identity(certificate)
        contact = Contact(fingerprint=identity.fingerprint, device_id=speaker.device_id, named=identity.connection_id)
        return (await self.office.transitions.answer(contact, message, identity)).status

    async def enroll(self, key: rsa.RSAPrivateKey) -> bytes:
        """The certificate of a connected device."""
        issued = await self.ask(key, await self.challenge())
        assert isinstance(issued, Issued)
        speaker = Speaker(UDID, "", Kind.DEVICE)
        assert await self.say(issued.certificate, a.authenticate(speaker)) == 200
        assert await self.say(issued.certificate, a.token_update(speaker)) == 200
        return issued.certificate

    async def life(self) -> Connection:
        found = (await self.office.transitions.look(UDID)).current
        assert found is not None
        return found

    async def status(self, certificate: bytes) -> CertificateStatus:
        found = await self.office.store.grants.certificate(hashlib.sha256(certificate).digest())
        assert found is not None
        return found.status

    async def refusals(self) -> list[str]:
        events = await self.office.store.events.read(0, 1000)
        return [str(e.event.data["why"]) for e in events if e.event.type == "certificate.refused"]


@pytest.fixture
def client(office: Office, authority: Authority) -> Client:
    return Client(office, authority)


async def test_a_challenge_pays_for_a_certificate_that_names_its_connection(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    issued = await client.ask(keys[0], await client.challenge(), name="not taken over")
    assert isinstance(issued, Issued)
    certificate = x509.load_der_x509_certificate(issued.certificate)
    assert certificate.public_key() == keys[0].public_key()
    connection = connection_of(issued.certificate)
    assert connection is not None
    assert certificate.subject.rfc4514_string() == f"CN=Device {connection}"
    assert certificate.not_valid_before_utc == to_datetime(NOW - DAY)
    assert certificate.not_valid_after_utc == to_datetime(NOW + 365 * DAY)
    kept = await client.office.store.grants.certificate(hashlib.sha256(issued.certificate).digest())
    assert kept is not None
    assert (kept.purpose, kept.status, kept.device_id) == (Purpose.ENROLL, CertificateStatus.ISSUED, None)
    assert (kept.connection_id, kept.der) == (connection, issued.certificate)


async def test_the_same_request_gets_the_same_certificate(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    challenge = await client.challenge()
    first = await client.ask(keys[0], challenge)
    assert await client.ask(keys[0], challenge) == first


async def test_another_key_under_the_same_challenge_revokes_the_first(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    challenge = await client.challenge()
    first = await client.ask(keys[0], challenge)
    second = await client.ask(keys[1], challenge)
    assert isinstance(first, Issued)
    assert isinstance(second, Issued)
    assert await client.status(first.certificate) is CertificateStatus.REVOKED
    assert connection_of(first.certificate) == connection_of(second.certificate)


async def test_keys_at_the_same_moment_leave_one_certificate(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    challenge = await client.challenge()
    both = await asyncio.gather(*(client.ask(key, challenge) for key in keys))
    issued = [each.certificate for each in both if isinstance(each, Issued)]
    states = [await client.status(each) for each in issued]
    assert len(issued) == 3
    assert sorted(states) == [CertificateStatus.ISSUED, CertificateStatus.REVOKED, CertificateStatus.REVOKED]


@pytest.mark.parametrize("challenge", [None, "", "guessed", "e.link.grant.mac", "r.grant..mac"])
async def test_without_a_challenge_of_ours_there_is_none(
    client: Client, keys: list[rsa.RSAPrivateKey], challenge: str | None
) -> None:
    assert await client.ask(keys[0], challenge) == Refused(FailInfo.BAD_REQUEST)
    assert await client.refusals() == ["the challenge was not made here"]


async def test_a_profile_that_wants_an_attested_key_is_no_way_round_it(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    admitted = Admitted(
        kind=EnrollmentKind.AUTOMATED, device_id=UDID, serial_number="S", source="test", identity=IdentityKind.ACME
    )
    grant = await client.office.enrolling.admit(admitted, NOW + DAY)
    assert isinstance(await client.ask(keys[0], client.office.challenges.for_grant(grant.id)), Refused)
    assert await client.refusals() == ["this enrollment is for a certificate by ACME"]
    plain = await client.office.enrolling.admit(replace(admitted, identity=IdentityKind.SCEP), NOW + DAY)
    assert isinstance(await client.ask(keys[0], client.office.challenges.for_grant(plain.id)), Issued)


async def test_a_link_that_is_not_known_or_withdrawn_gives_none(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    forgotten = client.office.challenges.for_link("0" * 16, "")
    assert isinstance(await client.ask(keys[0], forgotten), Refused)
    link = await client.link()
    await client.office.enrolling.revoke_link(link.id, "ann")
    assert isinstance(await client.ask(keys[0], client.office.challenges.for_link(link.id, "")), Refused)
    assert await client.refusals() == ["the enrollment link is not known", "This enrollment link was withdrawn."]


async def test_without_a_push_certificate_nobody_enrolls_and_the_answer_is_a_refusal(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    challenge = await client.challenge()
    await client.office.store.vault.stop_topic("com.apple.mgmt.test", "BadCertificate")
    assert await client.ask(keys[0], challenge) == Refused(FailInfo.BAD_REQUEST)


async def test_strangers_do_not_fill_the_history(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    for number in range(6):
        await client.ask(keys[0], f"guess {number}")
    assert len(await client.refusals()) == 1
    link = await client.link()
    await client.office.enrolling.revoke_link(link.id, "ann")
    for _ in range(3):
        await client.ask(keys[0], client.office.challenges.for_link(link.id, ""))
    assert len(await client.refusals()) == 2
    client.office.clock.now += HOUR
    await client.ask(keys[0], "again")
    assert len(await client.refusals()) == 3


async def test_a_challenge_is_spent_with_its_connection(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    challenge = await client.challenge()
    issued = await client.ask(keys[0], challenge)
    assert isinstance(issued, Issued)
    speaker = Speaker(UDID, "", Kind.DEVICE)
    await client.say(issued.certificate, a.authenticate(speaker))
    await client.say(issued.certificate, a.token_update(speaker))
    assert await client.ask(keys[0], challenge) == issued, "the answer may have been lost"
    assert await client.ask(keys[1], challenge) == Refused(FailInfo.BAD_REQUEST)


# Renewal by RenewalReq


async def test_a_device_may_renew_by_its_current_certificate(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    old = await client.enroll(keys[0])
    before = await client.life()
    renewed = await client.ask(keys[0], None, renews=old)
    assert isinstance(renewed, Issued)
    assert renewed.certificate != old
    assert await client.status(renewed.certificate) is CertificateStatus.BOUND
    again = await client.ask(keys[0], None, renews=old)
    assert await client.status(renewed.certificate) is CertificateStatus.REVOKED or again == renewed
    newest = again if isinstance(again, Issued) else renewed
    assert await client.say(newest.certificate, a.token_update(Speaker(UDID, "", Kind.DEVICE))) == 200
    after = await client.life()
    assert after.id == before.id
    assert after.renewal is None
    assert await client.status(old) is CertificateStatus.RETIRED
    assert await client.ask(keys[0], None, renews=old) == Refused(FailInfo.BAD_REQUEST)
    assert (await client.refusals())[-1] == "the certificate that asks for renewal is not current"


async def test_a_renewal_by_request_may_be_asked_for_again_after_it_is_through(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    current = await client.enroll(keys[0])
    for _ in range(6):
        renewed = await client.ask(keys[0], None, renews=current)
        assert isinstance(renewed, Issued)
        assert await client.say(renewed.certificate, a.token_update(Speaker(UDID, "", Kind.DEVICE))) == 200
        current = renewed.certificate


async def test_a_renewal_by_request_takes_the_place_of_one_that_a_person_asked_for(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    old = await client.enroll(keys[0])
    life = await client.life()
    asked = a.renew_grant(
        version=0, connection_id=life.id, device_id=UDID, created_at=NOW, expires_at=NOW + DAY, profile=b""
    )
    await client.office.transitions.operate(
        UDID, lambda seen, moment: operating.begin_renewal(seen, asked, b"", "ann", moment)
    )
    assert isinstance(await client.ask(keys[0], None, renews=old), Issued)
    refused = await client.ask(keys[1], client.office.challenges.for_grant("renewal"))
    assert refused == Refused(FailInfo.BAD_REQUEST)
    assert (await client.refusals()) == ["this renewal is no longer under way"]


async def test_who_is_to_leave_does_not_renew(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    old = await client.enroll(keys[0])
    await client.office.transitions.operate(
        UDID,
        lambda seen, moment: operating.end_connection(
            seen, "ann", "profile", moment.now + HOUR, client.office.policy, moment
        ),
    )
    assert await client.ask(keys[0], None, renews=old) == Refused(FailInfo.BAD_REQUEST)
    assert (await client.life()).phase is Phase.ENDING


async def test_who_is_blocked_does_not_renew(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    old = await client.enroll(keys[0])
    await client.office.transitions.operate(UDID, lambda seen, moment: operating.block(seen, "ann", "", moment))
    assert await client.ask(keys[0], None, renews=old) == Refused(FailInfo.BAD_REQUEST)


async def test_a_certificate_of_somebody_else_renews_nothing(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    stranger = scep.build_signer(keys[0], "stranger", to_datetime(NOW)).public_bytes(Encoding.DER)
    assert await client.ask(keys[0], None, renews=stranger) == Refused(FailInfo.BAD_REQUEST)
    issued = await client.ask(keys[0], await client.challenge())
    assert isinstance(issued, Issued)
    assert await client.ask(keys[0], None, renews=issued.certificate) == Refused(FailInfo.BAD_REQUEST)
    assert await client.refusals() == [
        "the signer of the renewal is no certificate of this authority",
        "the certificate that asks for renewal is not current",
    ]


# Bounds


async def test_what_is_no_scep_message_is_an_error_of_the_reader(client: Client) -> None:
    with pytest.raises(ScepError):
        await client.office.scep.operate(b"\x30\x00")


async def test_private_key_operations_for_strangers_are_bounded(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAITING", 3)
    outcomes = await asyncio.gather(
        *(client.office.scep.operate(b"\x30\x00") for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(each, OverCapacity) for each in outcomes) == 7
    with pytest.raises(ScepError):
        await client.office.scep.operate(b"\x30\x00")


async def test_what_a_renewal_must_repeat_is_what_was_downloaded(client: Client, keys: list[rsa.RSAPrivateKey]) -> None:
    """The push certificate may change between the download and the certificate; the device has the profile it has."""
    link = await client.link()
    profile = await client.office.enrolling.profile(link, signed=False)
    (challenge,) = re.findall(rb"k\.[\w.-]+", profile)
    newer = push_certificate("com.apple.mgmt.External.newer", imported_at=NOW + 1)
    await client.office.store.vault.put_push_certificate(newer)
    issued = await client.ask(keys[0], challenge.decode())
    assert isinstance(issued, Issued)
    name = connection_of(issued.certificate)
    read = client.office.challenges.read(challenge.decode())
    assert isinstance(read, EnrollChallenge)
    state = await client.office.store.grants.grant_state(read.grant_id)
    assert state is not None
    assert state.grant.connection_id == name
    kept = read_kept(state.grant.profile)
    assert kept is not None
    assert kept.facts.topic == push_certificate().topic
    assert not kept.signed


async def test_a_profile_of_before_a_roll_over_is_answered_and_certified_by_the_authority_that_it_names(
    office: Office, client: Client, authority: Authority, keys: list[rsa.RSAPrivateKey]
) -> None:
    second = create_authority("Test authority", to_datetime(NOW), key=keys[2])
    office.authorities.take(Roster.of(authority, second))
    office.authorities.take(Roster((Held(authority=authority), Held(authority=second, created_at=NOW))))
    newer = Client(office, second)
    for asking, issuer, key in ((client, authority, keys[0]), (newer, second, keys[1])):
        issued = await asking.ask(key, await asking.challenge())
        assert isinstance(issued, Issued)
        x509.load_der_x509_certificate(issued.certificate).verify_directly_issued_by(issuer.certificate)
        record = await office.store.grants.certificate(hashlib.sha256(issued.certificate).digest())
        assert record is not None
        assert record.issuer == issuer.id
        assert isinstance(await asking.ask(key, "k.no.challenge"), Refused)
    office.authorities.take(Roster((Held(authority=authority, retired_at=NOW), Held(authority=second))))
    with pytest.raises(ScepError):
        await client.ask(keys[0], await client.challenge())


async def test_the_profile_of_a_link_that_wants_an_attested_key_is_no_way_round_it(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    """Nobody has used the profile yet, so no grant says what it was for: the challenge itself does."""
    enrolling = client.office.enrolling
    link, _ = await enrolling.create_link(uses=None, expires_at=NOW + DAY, identity=IdentityKind.ACME)
    acme = read_enrollment_profile(await enrolling.profile(link, signed=False)).acme
    assert acme is not None
    assert isinstance(await client.ask(keys[0], acme.client_identifier), Refused)
    assert await client.refusals() == ["this enrollment is for a certificate by ACME"]
    plain, _ = await enrolling.create_link(uses=None, expires_at=NOW + DAY, identity=IdentityKind.SCEP)
    scep_ = read_enrollment_profile(await enrolling.profile(plain, signed=False)).scep
    assert scep_ is not None
    assert scep_.challenge is not None
    assert isinstance(await client.ask(keys[0], scep_.challenge), Issued)


async def test_a_profile_that_the_database_has_lost_is_not_guessed(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    """Restored from a backup of before: it may have asked for an attested key."""
    link = await client.link()
    lost = client.office.challenges.for_link(link.id, "0123456789abcdef")
    assert isinstance(await client.ask(keys[0], lost), Refused)
    assert await client.refusals() == ["This profile is not known here any more; download it again."]


async def test_a_life_that_was_let_in_by_acme_is_not_renewed_by_scep(
    client: Client, keys: list[rsa.RSAPrivateKey]
) -> None:
    certificate = await client.enroll(keys[0])
    life = await client.life()
    snapshot = await client.office.transitions.look(UDID)
    assert snapshot.device is not None
    by_acme = await client.office.enrolling.keep(signed=True, identity=IdentityKind.ACME)
    await client.office.store.devices.commit(
        Change(
            device_id=UDID,
            expects=snapshot.device.version,
            device=snapshot.device,
            connections=(replace(life, profile=by_acme),),
            at=NOW,
        )
    )
    assert isinstance(await client.ask(keys[0], None, renews=certificate), Refused)
    assert await client.refusals() == ["this enrollment is for a certificate by ACME"]

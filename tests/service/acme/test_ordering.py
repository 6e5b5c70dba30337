"""An order leads to one certificate, for the device that the grant is for and the key that was attested, or to none."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from corral.apple.identifiers import Kind as SpeakerKind
from corral.apple.identifiers import Speaker
from corral.lifecycle import operating
from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder, OrderStatus
from corral.lifecycle.evidence import Identity
from corral.lifecycle.message import Message, Reported
from corral.lifecycle.policy import Attestation
from corral.lifecycle.state import DAY, HOUR, CertificateStatus, Grant, Purpose
from corral.pki.acme import encoding
from corral.pki.acme.problem import Kind, Problem
from corral.pki.attestation import attestation_trust
from corral.service.acme.callers import Caller
from corral.service.acme.ordering import Ordering
from corral.service.clock import to_datetime
from corral.service.identities.turns import Turns
from corral.simulator import attesting
from corral.simulator.attesting import AttestationServer, attestation_object, attestation_server, freshness
from corral.store.acme import MOST_ORDERS
from corral.store.devices import Contact
from lifecycle import arrange as a
from service.conftest import Office
from service.fakes import NOW

UDID = "UDID-1"
SERIAL = "C02XK1ZZJGH5"


@pytest.fixture(scope="module")
def apple() -> AttestationServer:
    return attestation_server(to_datetime(NOW))


class Applicant:
    """A device in front of the orders, past what a signed request is."""

    def __init__(self, office: Office, apple: AttestationServer, attestation: Attestation, name: str = "A1") -> None:
        self.office = office
        self.apple = apple
        self.account = AcmeAccount(
            id=name, key="{}", thumbprint=name.encode(), created_at=NOW, expires_at=NOW + 30 * DAY
        )
        self.ordering = Ordering(
            office.store.acme,
            office.store.grants,
            office.granting,
            office.issuing,
            office.transitions,
            Turns(),
            attestation_trust([apple.root]),
            attestation,
            office.clock,
        )

    def says(self, payload: object = None) -> Caller:
        return Caller(self.account, b"" if payload is None else json.dumps(payload).encode())

    async def identifier(self, *, serial_number: str | None = None, device_id: str | None = None) -> str:
        link, _ = await self.office.enrolling.create_link(
            uses=1, expires_at=NOW + DAY, serial_number=serial_number, device_id=device_id
        )
        return self.office.challenges.for_link(link.id, "")

    async def order(self, identifier: str) -> AcmeOrder:
        asked = {"identifiers": [{"type": "permanent-identifier", "value": identifier}]}
        await self.office.store.acme.add_account(self.account)
        return await self.ordering.begin(self.says(asked))

    def attest(
        self, order: AcmeOrder, key: ec.EllipticCurvePrivateKey, said: Mapping[str, bytes] | None = None
    ) -> object:
        facts = {
            attesting.SERIAL_NUMBER: SERIAL.encode(),
            attesting.UDID: UDID.encode(),
            attesting.FRESHNESS: freshness(order.token.encode()),
            **(said or {}),
        }
        return _proof(self.apple.attest(key.public_key(), facts, to_datetime(NOW)))

    async def prove(self, order: AcmeOrder, proof: object) -> AcmeOrder:
        return await self.ordering.prove(self.says(proof), order.id)

    async def finalize(self, order: AcmeOrder, key: ec.EllipticCurvePrivateKey, name: str = "x") -> AcmeOrder:
        return await self.ordering.finalize(self.says({"csr": encoding.encode(csr(key, name))}), order.id)

    async def obtain(
        self, identifier: str, key: ec.EllipticCurvePrivateKey, said: Mapping[str, bytes] | None = None
    ) -> bytes:
        order = await self.order(identifier)
        await self.prove(order, self.attest(order, key, said))
        assert (await self.finalize(order, key)).status is OrderStatus.VALID
        return await self.ordering.certificate(self.says(), order.id)

    async def say(self, certificate: bytes, message: Message) -> int:
        identity = self.office.identifying.identify(certificate)
        assert isinstance(identity, Identity)
        assert not isinstance(message, Reported)
        contact = Contact(
            fingerprint=identity.fingerprint, device_id=message.speaker.device_id, named=identity.connection_id
        )
        return (await self.office.transitions.answer(contact, message, identity)).status

    async def connect(self, certificate: bytes, serial: str = SERIAL) -> int:
        speaker = Speaker(UDID, "", SpeakerKind.DEVICE)
        authenticate = replace(a.authenticate(speaker), serial_number=serial)
        status = await self.say(certificate, authenticate)
        return status if status != 200 else await self.say(certificate, a.token_update(speaker))

    async def refusals(self) -> list[str]:
        events = await self.office.store.events.read(0, 1000)
        return [str(e.event.data["why"]) for e in events if e.event.type == "certificate.refused"]

    async def certificates(self) -> int:
        events = await self.office.store.events.read(0, 1000)
        return sum(e.event.type == "certificate.issued" for e in events)


def _proof(chain: tuple[bytes, ...]) -> object:
    return {"attObj": encoding.encode(attestation_object(chain))}


def csr(key: ec.EllipticCurvePrivateKey, name: str = "x") -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
def device(office: Office, apple: AttestationServer) -> Applicant:
    return Applicant(office, apple, Attestation.REQUIRED)


@pytest.fixture
def lenient(office: Office, apple: AttestationServer) -> Applicant:
    return Applicant(office, apple, Attestation.WANTED)


async def test_an_attested_device_gets_a_certificate_and_connects(device: Applicant) -> None:
    key = new_key()
    der = await device.obtain(await device.identifier(), key)
    assert x509.load_der_x509_certificate(der).public_key() == key.public_key()
    kept = await device.office.store.grants.certificate(hashlib.sha256(der).digest())
    assert kept is not None
    assert kept.attested is not None
    assert (kept.attested.serial_number, kept.attested.udid) == (SERIAL, UDID)
    assert await device.connect(der) == 200
    issued = [e.event for e in await device.office.store.events.read(0, 99) if e.event.type == "certificate.issued"]
    assert issued[0].data["attested"]["serial_number"] == SERIAL


async def test_the_subject_is_the_grants_and_never_the_requests(device: Applicant) -> None:
    der = await device.obtain(await device.identifier(), new_key())
    kept = await device.office.store.grants.certificate(hashlib.sha256(der).digest())
    assert kept is not None
    subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    assert subject == f"CN=Device {kept.connection_id}"


async def test_who_was_attested_must_be_who_authenticates(device: Applicant) -> None:
    """A certificate for another device than the one that shows it."""
    der = await device.obtain(await device.identifier(), new_key())
    assert await device.connect(der, serial="ANOTHER") == 403
    assert await device.connect(der) == 200


@pytest.mark.parametrize("bound", [{"serial_number": "ANOTHER"}, {"device_id": "UDID-2"}], ids=str)
async def test_the_attestation_of_another_device_is_refused(device: Applicant, bound: dict[str, str]) -> None:
    order = await device.order(await device.identifier(**bound))
    proven = await device.prove(order, device.attest(order, new_key()))
    assert (proven.status, proven.refusal) == (
        OrderStatus.INVALID,
        "the attestation is of another device than the enrollment",
    )
    assert await device.refusals() == [proven.refusal]


@pytest.mark.parametrize("bound", [{"serial_number": SERIAL}, {"device_id": UDID}], ids=str)
async def test_a_grant_of_this_device_takes_its_attestation(device: Applicant, bound: dict[str, str]) -> None:
    assert await device.obtain(await device.identifier(**bound), new_key())


async def test_the_provisioning_udid_of_a_mac_is_not_compared_with_the_one_it_enrolls_by(device: Applicant) -> None:
    mac = "4D5E6F70-1111-2222-3333-444455556666"
    said = {attesting.UDID: b"00008103-000A1B2C3D4E5F60"}
    assert await device.obtain(await device.identifier(device_id=mac), new_key(), said)


@pytest.mark.parametrize("stale", [b"", freshness(b"the token of another order")], ids=["none", "another"])
async def test_a_stale_attestation_is_refused(lenient: Applicant, stale: bytes) -> None:
    order = await lenient.order(await lenient.identifier())
    proven = await lenient.prove(order, lenient.attest(order, new_key(), {attesting.FRESHNESS: stale}))
    assert proven.status is OrderStatus.INVALID
    assert "another challenge" in proven.refusal


async def test_another_root_is_refused(lenient: Applicant) -> None:
    order = await lenient.order(await lenient.identifier())
    other = attestation_server(to_datetime(NOW))
    said = {attesting.FRESHNESS: freshness(order.token.encode())}
    forged = other.attest(new_key().public_key(), said, to_datetime(NOW))
    assert (await lenient.prove(order, _proof(forged))).status is OrderStatus.INVALID


async def test_an_expired_attestation_is_refused(lenient: Applicant) -> None:
    order = await lenient.order(await lenient.identifier())
    said = {attesting.FRESHNESS: freshness(order.token.encode())}
    old = to_datetime(NOW) - timedelta(days=9)
    expired = lenient.apple.attest(new_key().public_key(), said, old, valid=timedelta(days=1))
    proven = await lenient.prove(order, _proof(expired))
    assert "expired" in proven.refusal


async def test_another_key_than_the_attested_one_is_refused_and_the_attested_one_still_gets_it(
    device: Applicant,
) -> None:
    key = new_key()
    order = await device.order(await device.identifier())
    await device.prove(order, device.attest(order, key))
    with pytest.raises(Problem, match="not the one that was attested") as caught:
        await device.finalize(order, new_key())
    assert caught.value.kind is Kind.BAD_CSR
    assert (await device.finalize(order, key)).status is OrderStatus.VALID


@pytest.mark.parametrize("proof", [{}, {"attObj": ""}, _proof(())], ids=["none", "empty", "empty statement"])
async def test_a_device_that_attests_nothing_is_let_in_unless_it_must(
    device: Applicant, lenient: Applicant, proof: object
) -> None:
    order = await lenient.order(await lenient.identifier())
    assert (await lenient.prove(order, proof)).status is OrderStatus.READY
    assert (await lenient.finalize(order, new_key())).status is OrderStatus.VALID
    order = await device.order(await device.identifier())
    refused = await device.prove(order, proof)
    assert (refused.status, refused.refusal) == (
        OrderStatus.INVALID,
        "this enrollment needs an attestation of the device",
    )


async def test_an_attestation_that_names_no_device_is_not_enough_where_one_is_required(device: Applicant) -> None:
    order = await device.order(await device.identifier())
    nameless = {attesting.SERIAL_NUMBER: b"", attesting.UDID: b""}
    assert "which device" in (await device.prove(order, device.attest(order, new_key(), nameless))).refusal


async def test_nobody_looks_at_attestations_where_they_are_off(office: Office, apple: AttestationServer) -> None:
    device = Applicant(office, apple, Attestation.OFF)
    order = await device.order(await device.identifier())
    assert (await device.prove(order, {"attObj": "!"})).status is OrderStatus.READY


@pytest.mark.parametrize("broken", ["!", "AA", encoding.encode(b"\xff" * 40)])
async def test_an_attestation_that_cannot_be_read_is_refused(lenient: Applicant, broken: str) -> None:
    order = await lenient.order(await lenient.identifier())
    assert (await lenient.prove(order, {"attObj": broken})).status is OrderStatus.INVALID


async def test_what_was_proven_or_refused_once_stays_so(device: Applicant) -> None:
    order = await device.order(await device.identifier())
    refused = await device.prove(order, {})
    assert await device.prove(order, device.attest(order, new_key())) == replace(refused, version=refused.version + 1)
    with pytest.raises(Problem) as caught:
        await device.finalize(order, new_key())
    assert caught.value.kind is Kind.ORDER_NOT_READY


async def test_before_the_proof_there_is_no_certificate(device: Applicant) -> None:
    order = await device.order(await device.identifier())
    with pytest.raises(Problem) as caught:
        await device.finalize(order, new_key())
    assert (caught.value.kind, caught.value.status) == (Kind.ORDER_NOT_READY, 403)
    with pytest.raises(Problem, match="no certificate yet"):
        await device.ordering.certificate(device.says(), order.id)


async def test_the_order_of_another_account_is_as_unknown_as_none(
    device: Applicant, office: Office, apple: AttestationServer
) -> None:
    order = await device.order(await device.identifier())
    thief = Applicant(office, apple, Attestation.REQUIRED, "A2")
    for verb in (thief.ordering.find, thief.ordering.prove, thief.ordering.finalize, thief.ordering.certificate):
        with pytest.raises(Problem) as caught:
            await verb(thief.says({}), order.id)
        assert caught.value.status == 404
        with pytest.raises(Problem) as unknown:
            await verb(thief.says({}), "nobody")
        assert str(caught.value) == str(unknown.value)


async def test_finalize_twice_gives_the_same_certificate(device: Applicant) -> None:
    key = new_key()
    order = await device.order(await device.identifier())
    await device.prove(order, device.attest(order, key))
    request = {"csr": encoding.encode(csr(key))}
    first = await device.ordering.finalize(device.says(request), order.id)
    again = await device.ordering.finalize(device.says(request), order.id)
    assert first.fingerprint == again.fingerprint != b""
    assert await device.certificates() == 1
    with pytest.raises(Problem) as caught:
        await device.finalize(order, key, "another request")
    assert caught.value.kind is Kind.ORDER_NOT_READY


async def test_finalize_at_once_gives_one_certificate(device: Applicant) -> None:
    key = new_key()
    order = await device.order(await device.identifier())
    await device.prove(order, device.attest(order, key))
    same = {"csr": encoding.encode(csr(key))}
    calls = [device.ordering.finalize(device.says(same), order.id) for _ in range(4)]
    calls += [device.finalize(order, key, f"another {n}") for n in range(4)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    orders = [each for each in outcomes if isinstance(each, AcmeOrder)]
    assert len({each.fingerprint for each in orders}) == 1
    assert all(isinstance(each, AcmeOrder | Problem) for each in outcomes)
    assert await device.certificates() == 1


async def test_an_order_that_a_crash_left_in_the_middle_is_finished_by_its_request(device: Applicant) -> None:
    key = new_key()
    order = await device.order(await device.identifier())
    ready = await device.prove(order, device.attest(order, key))
    store = device.office.store.acme
    read = await store.order(order.id)
    assert read is not None
    request = csr(key)
    digest = hashlib.sha256(request).digest()
    assert await store.put_order(replace(read, status=OrderStatus.PROCESSING, request_digest=digest))
    with pytest.raises(Problem, match="another request has it"):
        await device.finalize(ready, key)
    finished = await device.ordering.finalize(device.says({"csr": encoding.encode(request)}), order.id)
    assert finished.status is OrderStatus.VALID


async def test_an_order_under_a_grant_that_is_over_fails_for_good(device: Applicant) -> None:
    key = new_key()
    identifier = await device.identifier()
    order = await device.order(identifier)
    await device.prove(order, device.attest(order, key))
    await device.office.enrolling.revoke_link((await device.office.store.grants.links(1, None))[0].id, "me")
    finished = await device.finalize(order, key)
    assert (finished.status, finished.refusal) == (OrderStatus.INVALID, "This enrollment link was withdrawn.")


@pytest.mark.parametrize("identifier", ["", "guessed", "g.grant..MAC", "x" * 300])
async def test_without_an_identifier_of_ours_there_is_no_order(device: Applicant, identifier: str) -> None:
    with pytest.raises(Problem) as caught:
        await device.order(identifier)
    assert (caught.value.kind, caught.value.status) == (Kind.REJECTED_IDENTIFIER, 403)


async def test_an_order_is_for_one_identifier_of_the_kind_that_profiles_give(device: Applicant) -> None:
    one = {"type": "permanent-identifier", "value": await device.identifier()}
    for wrong, kind in (
        ([], Kind.MALFORMED),
        ([one, one], Kind.MALFORMED),
        ([{"type": "dns", "value": "example.org"}], Kind.UNSUPPORTED_IDENTIFIER),
        ("text", Kind.MALFORMED),
    ):
        with pytest.raises(Problem) as caught:
            await device.ordering.begin(device.says({"identifiers": wrong}))
        assert caught.value.kind is kind


async def test_an_account_has_a_bounded_number_of_orders(device: Applicant) -> None:
    identifier = await device.identifier()
    for _ in range(MOST_ORDERS):
        await device.order(identifier)
    with pytest.raises(Problem) as caught:
        await device.order(identifier)
    assert (caught.value.kind, caught.value.status) == (Kind.RATE_LIMITED, 429)


async def test_an_order_expires(device: Applicant) -> None:
    order = await device.order(await device.identifier())
    device.office.clock.now += DAY
    with pytest.raises(Problem) as caught:
        await device.ordering.find(device.says(), order.id)
    assert caught.value.status == 404
    await device.office.store.acme.forget_expired(device.office.clock.now, 10)
    assert await device.office.store.acme.order(order.id) is None


async def renew(device: Applicant, connection: str) -> str:
    """The ClientIdentifier of a renewal that this service asks for."""
    grant = Grant(
        id="renewal", purpose=Purpose.RENEW, connection_id=connection, created_at=NOW, expires_at=NOW + 7 * DAY
    )
    await device.office.transitions.operate(
        connection, lambda seen, moment: operating.begin_renewal(seen, grant, b"<plist/>", "me", moment)
    )
    return device.office.challenges.for_grant("renewal")


async def test_a_life_is_renewed_by_a_new_key_that_the_same_device_attests(device: Applicant) -> None:
    first = await device.obtain(await device.identifier(), new_key())
    assert await device.connect(first) == 200
    kept = await device.office.store.grants.certificate(hashlib.sha256(first).digest())
    assert kept is not None
    device.office.clock.now += HOUR
    second = await device.obtain(await renew(device, kept.connection_id), new_key())
    renewed = await device.office.store.grants.certificate(hashlib.sha256(second).digest())
    assert renewed is not None
    assert (renewed.connection_id, renewed.status, renewed.purpose) == (
        kept.connection_id,
        CertificateStatus.BOUND,
        Purpose.RENEW,
    )


async def test_another_device_does_not_renew_a_life(device: Applicant) -> None:
    """A stolen renewal, shown with a true attestation of the thief's own device."""
    first = await device.obtain(await device.identifier(), new_key())
    assert await device.connect(first) == 200
    kept = await device.office.store.grants.certificate(hashlib.sha256(first).digest())
    assert kept is not None
    order = await device.order(await renew(device, kept.connection_id))
    for said in ({attesting.SERIAL_NUMBER: b"THIEF"}, {attesting.SERIAL_NUMBER: b"", attesting.UDID: b"UDID-2"}):
        order = await device.order(device.office.challenges.for_grant("renewal"))
        refused = await device.prove(order, device.attest(order, new_key(), said))
        assert (refused.status, refused.refusal) == (
            OrderStatus.INVALID,
            "the attestation is of another device than the enrollment",
        )

"""Only what a device of Apple's has signed is believed; how old its certificates are does not matter."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from corral.apple.machine_info import MAX_MESSAGE
from corral.pki import ber, cms
from corral.pki.device_roots import APPLE_DEVICE_AUTHORITY
from corral.pki.device_signature import DeviceSignatureError, DeviceTrust
from corral.simulator.factory import Factory
from corral.simulator.push_certificates import StandInApple

NOW = datetime(2026, 6, 1, tzinfo=UTC)
APPLE = StandInApple.create(NOW)
DEVICE = Factory.make(APPLE.devices, "UDID-1", NOW - timedelta(days=3000))
TRUST = DeviceTrust([APPLE.certificate])
CONTENT = b"<plist/>"


def test_what_a_device_signed_is_read_though_all_its_certificates_have_expired() -> None:
    signed = TRUST.read(DEVICE.sign(CONTENT))
    assert signed.content == CONTENT
    assert signed.signer == DEVICE.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("attributes", [True, False])
def test_every_form_that_devices_use_is_taken(digest: str, attributes: bool) -> None:
    message = cms.sign(
        CONTENT, DEVICE.certificate, DEVICE.key, chain=DEVICE.chain, digest=digest, with_attributes=attributes
    )
    assert TRUST.read(message).content == CONTENT


def test_a_chain_of_sha1_and_short_keys_as_old_devices_have_it_is_believed() -> None:
    key = rsa.generate_private_key(65537, 2048)
    root = _sha1_certificate("Root", key, "Root", key, ca=True)
    device_key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what they have
    device = _sha1_certificate("iPhone", device_key, "Root", key, ca=False)
    message = cms.sign(CONTENT, device, device_key, digest="sha1")
    assert DeviceTrust([root]).read(message).content == CONTENT
    other = _sha1_certificate("Root", rsa.generate_private_key(65537, 2048), "Root", key, ca=True)
    with pytest.raises(DeviceSignatureError, match="did not sign it"):
        DeviceTrust([other]).read(message)


def test_apples_own_authority_of_devices_is_there() -> None:
    (authority,) = x509.load_pem_x509_certificates(APPLE_DEVICE_AUTHORITY)
    assert authority.subject.rfc4514_string() == "CN=Apple iPhone Device CA,OU=Apple iPhone,O=Apple Inc.,C=US"
    DeviceTrust([authority])


def test_a_device_need_not_send_what_is_above_it() -> None:
    """A Mac sends its own certificate alone over the air, and one more in Setup Assistant."""
    message = cms.sign(CONTENT, DEVICE.certificate, DEVICE.key)
    assert DeviceTrust([APPLE.devices.certificate]).read(message).content == CONTENT


def test_what_else_apples_root_vouches_for_is_no_device() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pushing = x509.load_pem_x509_certificate(APPLE.push_certificate("com.apple.mgmt.x", key.public_key(), NOW))
    message = cms.sign(CONTENT, pushing, key, chain=[APPLE.devices.certificate, APPLE.certificate])
    with pytest.raises(DeviceSignatureError, match="no trusted authority"):
        DeviceTrust([APPLE.devices.certificate]).read(message)


def test_without_a_root_nobody_is_believed() -> None:
    with pytest.raises(DeviceSignatureError, match="no trusted authority"):
        DeviceTrust([]).read(DEVICE.sign(CONTENT))


def test_a_device_of_another_maker_is_not_believed() -> None:
    other = Factory.make(StandInApple.create(NOW).devices, "UDID-1", NOW)
    with pytest.raises(DeviceSignatureError, match="not signed by a device"):
        TRUST.read(other.sign(CONTENT))


def test_a_device_does_not_make_devices() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")])
    forged = (
        x509.CertificateBuilder(DEVICE.certificate.subject, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(DEVICE.key, hashes.SHA256())
    )
    chain = (DEVICE.certificate, *DEVICE.chain)
    with pytest.raises(DeviceSignatureError, match="authority"):
        TRUST.read(cms.sign(CONTENT, forged, key, chain=chain))


def test_what_is_not_signed_or_was_changed_is_refused() -> None:
    message = bytearray(DEVICE.sign(CONTENT))
    place = message.index(CONTENT)
    message[place] ^= 1
    for data in (b"", CONTENT, bytes(message), DEVICE.sign(CONTENT)[:-1]):
        with pytest.raises(DeviceSignatureError):
            TRUST.read(data)


def test_a_signature_without_its_content_is_refused() -> None:
    detached = cms.sign(CONTENT, DEVICE.certificate, DEVICE.key, chain=DEVICE.chain, detached=True)
    with pytest.raises(DeviceSignatureError, match="no content"):
        TRUST.read(detached)


def test_two_signers_are_refused() -> None:
    message = cms.sign(CONTENT, DEVICE.certificate, DEVICE.key, chain=DEVICE.chain)
    with pytest.raises(DeviceSignatureError):
        TRUST.read(with_two_signers(message))


def test_a_message_that_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(DeviceSignatureError, match="more than"):
        TRUST.read(DEVICE.sign(b"x" * MAX_MESSAGE))


def with_two_signers(message: bytes) -> bytes:
    """The same message with its one signer said twice."""
    reader = ber.Reader(message)
    info = reader.children(reader.root())
    fields = reader.children(reader.only(info[1], ber.SEQUENCE))
    (signer,) = reader.children(fields[-1])
    twice = ber.encode(ber.SET, reader.raw(signer), reader.raw(signer))
    signed = ber.sequence(*(reader.raw(field) for field in fields[:-1]), twice)
    return ber.sequence(reader.raw(info[0]), ber.encode(0xA0, signed))


def _sha1_certificate(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, ca: bool
) -> x509.Certificate:
    """The library makes none with SHA-1 any more, so its signature is put in by hand."""
    plain = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2007, 4, 16, tzinfo=UTC))
        .not_valid_after(datetime(2014, 4, 16, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    algorithm = ber.sequence(ber.oid("1.2.840.113549.1.1.5"), ber.null())
    was = ber.sequence(ber.oid("1.2.840.113549.1.1.11"), ber.null())
    tbs = plain.tbs_certificate_bytes.replace(was, algorithm)
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    signature = issuer_key.sign(tbs, PKCS1v15(), hashes.SHA1())  # noqa: S303 - what they have
    der = ber.sequence(tbs, algorithm, ber.encode(ber.BIT_STRING, b"\0" + signature))
    return x509.load_der_x509_certificate(der)

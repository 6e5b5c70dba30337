from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.pki import ber, cms
from corral.pki.authority import Authority
from corral.pki.cms import CmsError
from corral.pki.cms.algorithms import PKCS1

OpenSsl = Callable[..., bytes]
CIPHERS = {
    "des-cbc": "-des",
    "des-ede3-cbc": "-des3",
    "aes-128-cbc": "-aes128",
    "aes-192-cbc": "-aes192",
    "aes-256-cbc": "-aes256",
}
LEGACY = ("-provider", "default", "-provider", "legacy")


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("options", [[], ["-keyid"], ["-stream"]])
def test_what_openssl_encloses_opens(
    rsa_certificate: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
    openssl: OpenSsl,
    cipher: str,
    options: list[str],
) -> None:
    content = b"a request" * 3000
    enclosed = openssl(
        *("cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER", CIPHERS[cipher], *LEGACY),
        *(*options, "-recip", "rsa.pem"),
        content=content,
    )
    assert cms.decrypt(enclosed, rsa_certificate, rsa_key) == cms.Envelope(content, cipher)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_oaep_opens(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, openssl: OpenSsl, digest: str
) -> None:
    enclosed = openssl(
        *("cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER", "-recip", "rsa.pem"),
        *("-keyopt", "rsa_padding_mode:oaep", "-keyopt", f"rsa_oaep_md:{digest}", "-aes128"),
        content=b"a request",
    )
    assert cms.decrypt(enclosed, rsa_certificate, rsa_key).content == b"a request"


@pytest.mark.parametrize("cipher", CIPHERS)
def test_openssl_and_we_open_what_we_enclose(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, openssl: OpenSsl, cipher: str
) -> None:
    enclosed = cms.encrypt(b"a certificate", rsa_certificate, cipher)
    opened = openssl(
        *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "enclosed", *LEGACY),
        *("-recip", "rsa.pem", "-inkey", "rsa.key"),
        enclosed=enclosed,
    )
    assert opened == b"a certificate"
    assert cms.decrypt(enclosed, rsa_certificate, rsa_key) == cms.Envelope(b"a certificate", cipher)


def test_key_transport_without_null_is_read(rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey) -> None:
    enclosed = cms.encrypt(b"content", rsa_certificate)
    reader = ber.Reader(enclosed)
    with_null = ber.sequence(ber.oid("1.2.840.113549.1.1.1"), ber.null())
    info = reader.children(reader.only(reader.children(reader.root())[1]))
    recipient = reader.only(info[1])
    _, named, _, key = reader.children(recipient)
    bare = ber.sequence(ber.oid("1.2.840.113549.1.1.1"))
    changed = ber.set_of([ber.sequence(ber.integer(0), reader.raw(named), bare, reader.raw(key))])
    assert with_null in enclosed
    message = ber.sequence(
        ber.oid("1.2.840.113549.1.7.3"),
        ber.encode(0xA0, ber.sequence(ber.integer(0), changed, reader.raw(info[2]))),
    )
    assert cms.decrypt(message, rsa_certificate, rsa_key).content == b"content"


def test_what_is_enclosed_for_another_is_refused(
    rsa_certificate: x509.Certificate, other_rsa_key: rsa.RSAPrivateKey, authority: Authority
) -> None:
    enclosed = cms.encrypt(b"content", rsa_certificate)
    with pytest.raises(CmsError, match="another certificate"):
        cms.decrypt(enclosed, authority.certificate, authority.key)
    with pytest.raises(CmsError, match="cannot be opened"):
        cms.decrypt(enclosed, rsa_certificate, other_rsa_key, random=lambda size: bytes(size))


def test_nothing_is_enclosed_for_a_key_that_cannot_open_it(ec_certificate: x509.Certificate) -> None:
    with pytest.raises(CmsError, match="RSA"):
        cms.encrypt(b"content", ec_certificate)


def test_a_bad_key_transport_and_bad_content_are_told_apart_by_nothing(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey
) -> None:
    """Padding oracle: a wrapped key of wrong padding, of wrong length, and content of wrong padding."""
    key = rsa_key.public_key()
    secret = b"k" * 32
    enclosed = cms.encrypt(b"content", rsa_certificate, random=lambda size: b"k" * size)
    reader = ber.Reader(enclosed)
    info = reader.children(reader.only(reader.children(reader.root())[1]))
    wrapped = reader.string(reader.children(reader.only(info[1]))[3])
    errors: set[str] = set()
    for other in (bytes(len(wrapped)), b"\x01" * len(wrapped), key.encrypt(secret[:16], PKCS1)):
        with pytest.raises(CmsError) as caught:
            # A random key opens one message in 256 to something; a fixed one makes the test repeatable.
            cms.decrypt(enclosed.replace(wrapped, other), rsa_certificate, rsa_key, random=lambda size: b"x" * size)
        errors.add(str(caught.value))
    with pytest.raises(CmsError) as caught:
        cms.decrypt(enclosed[:-1] + bytes([enclosed[-1] ^ 1]), rsa_certificate, rsa_key)
    errors.add(str(caught.value))
    assert errors == {"the enclosed content cannot be opened with this key"}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_an_altered_envelope_opens_or_is_refused(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, at: int, piece: bytes
) -> None:
    enclosed = cms.encrypt(b"content", rsa_certificate)
    at %= len(enclosed)
    try:
        cms.decrypt(enclosed[:at] + piece + enclosed[at + len(piece) :], rsa_certificate, rsa_key)
    except CmsError:
        return

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.pki import ber, cms
from corral.pki.cms import CmsError
from corral.pki.cms.certificate import public_key

OpenSsl = Callable[..., bytes]
BODY = b"<?xml version='1.0'?><plist><dict/></plist>"
# asn1crypto has no types.
oracle: Any = import_module("asn1crypto.cms")
core: Any = import_module("asn1crypto.core")
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@pytest.fixture(scope="session", params=["rsa", "ec"])
def signer(request: pytest.FixtureRequest) -> tuple[str, x509.Certificate, Key]:
    kind: str = request.param
    return kind, request.getfixturevalue(f"{kind}_certificate"), request.getfixturevalue(f"{kind}_key")


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("options", [[], ["-noattr"], ["-keyid"], ["-stream"], ["-stream", "-noattr"]])
def test_what_openssl_signs_holds(
    signer: tuple[str, x509.Certificate, Key], openssl: OpenSsl, digest: str, options: list[str]
) -> None:
    kind, certificate, _ = signer
    signed = openssl(
        *("cms", "-sign", "-binary", "-in", "body", "-signer", f"{kind}.pem", "-inkey", f"{kind}.key"),
        *("-outform", "DER", "-md", digest, *options),
        body=BODY,
    )
    signature = cms.verify_detached(signed, BODY)
    assert signature.certificate == der(certificate)
    assert signature.digest == digest
    assert (signature.signing_time is None) == ("-noattr" in options)
    with pytest.raises(CmsError):
        cms.verify_detached(signed, BODY + b" ")
    if "-stream" not in options:  # with it, openssl sends the content along
        with pytest.raises(CmsError, match="no content"):
            cms.verify_attached(signed)


@pytest.mark.parametrize("options", [[], ["-noattr"], ["-stream"]])
def test_content_that_openssl_encloses_comes_out(openssl: OpenSsl, options: list[str]) -> None:
    big = BODY * 2000  # several pieces of a string of indefinite length
    signed = openssl(
        *("cms", "-sign", "-binary", "-in", "body", "-signer", "rsa.pem", "-inkey", "rsa.key"),
        *("-outform", "DER", "-nodetach", *options),
        body=big,
    )
    assert cms.verify_attached(signed)[0] == big


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_pss_holds_with_one_digest_for_message_and_mask(openssl: OpenSsl, digest: str) -> None:
    signed = openssl(
        *("cms", "-sign", "-binary", "-in", "body", "-signer", "rsa.pem", "-inkey", "rsa.key", "-md", digest),
        *("-keyopt", "rsa_padding_mode:pss", "-outform", "DER"),
        body=BODY,
    )
    assert cms.verify_detached(signed, BODY).digest == digest


@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("with_attributes", [False, True])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_openssl_and_we_verify_what_we_sign(
    signer: tuple[str, x509.Certificate, Key],
    openssl: OpenSsl,
    now: datetime,
    digest: str,
    with_attributes: bool,
    detached: bool,
    indefinite: bool,
) -> None:
    _, certificate, key = signer
    signed = cms.sign(
        BODY,
        certificate,
        key,
        detached=detached,
        digest=digest,
        with_attributes=with_attributes,
        signing_time=now if with_attributes else None,
        indefinite=indefinite,
    )
    verified = openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-noverify"),
        *(["-content", "body"] if detached else []),
        signed=signed,
        body=BODY,
    )
    assert verified == BODY
    signature = cms.verify_detached(signed, BODY) if detached else cms.verify_attached(signed)[1]
    assert signature.signing_time == (now if with_attributes else None)


def test_another_library_reads_the_attributes_as_they_were_given(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    name = "2.16.840.1.113733.1.9.7"
    signed = cms.sign(BODY, rsa_certificate, rsa_key, attributes=[(name, ber.text("42"))], signing_time=now)
    info = oracle.ContentInfo.load(signed, strict=True)["content"]
    found = {one["type"].dotted: one["values"][0] for one in info["signer_infos"][0]["signed_attrs"]}
    assert found["1.2.840.113549.1.9.5"].native == now
    assert core.PrintableString.load(found[name].dump()).native == "42"
    assert [one.chosen.dump() for one in info["certificates"]] == [der(rsa_certificate)]


def loosen(reader: ber.Reader, element: ber.Element) -> bytes:
    """Every length indefinite that may be, but in certificates, which are DER everywhere."""
    if not element.tag & ber.CONSTRUCTED:
        return reader.raw(element)
    children = reader.children(element)
    if element.tag == 0xA0 and len(reader.raw(children[0])) > 300 and children[0].tag == ber.SEQUENCE:
        first = reader.children(children[0])[0]
        if first.tag == ber.SEQUENCE:
            return reader.raw(element)
    return ber.encode_indefinite(element.tag, *(loosen(reader, one) for one in children))


def test_indefinite_lengths_down_to_the_attributes_hold(
    signer: tuple[str, x509.Certificate, Key], now: datetime, openssl: OpenSsl
) -> None:
    _, certificate, key = signer
    reader = ber.Reader(cms.sign(BODY, certificate, key, detached=True, signing_time=now))
    loose = loosen(reader, reader.root())
    assert loose.count(b"\x80") > 10
    assert cms.verify_detached(loose, BODY).signing_time == now
    openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", "loose", "-noverify", "-content", "body"),
        loose=loose,
        body=BODY,
    )


def test_the_signers_certificate_is_found_among_others(
    rsa_certificate: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
    ec_certificate: x509.Certificate,
) -> None:
    signed = cms.sign(BODY, rsa_certificate, rsa_key, chain=[ec_certificate], detached=True)
    signature = cms.verify_detached(signed, BODY)
    assert signature.certificates == (der(rsa_certificate), der(ec_certificate))
    first, second = signature.certificates
    swapped = signed.replace(first + second, second + first)
    assert cms.verify_detached(swapped, BODY).certificate == first


def test_a_signature_without_its_certificate_is_refused(openssl: OpenSsl) -> None:
    signed = openssl(
        *("cms", "-sign", "-binary", "-in", "body", "-signer", "rsa.pem", "-inkey", "rsa.key"),
        *("-outform", "DER", "-nocerts"),
        body=BODY,
    )
    with pytest.raises(CmsError, match="did not come along"):
        cms.verify_detached(signed, BODY)


def test_two_signers_are_refused(openssl: OpenSsl) -> None:
    signed = openssl(
        *("cms", "-sign", "-binary", "-in", "body", "-outform", "DER"),
        *("-signer", "rsa.pem", "-inkey", "rsa.key", "-signer", "ec.pem", "-inkey", "ec.key"),
        body=BODY,
    )
    with pytest.raises(CmsError, match="2 signers"):
        cms.verify_detached(signed, BODY)


def test_md5_is_refused(openssl: OpenSsl) -> None:
    signed = openssl(
        *("cms", "-sign", "-binary", "-in", "body", "-signer", "rsa.pem", "-inkey", "rsa.key", "-md", "md5"),
        *("-outform", "DER"),
        body=BODY,
    )
    with pytest.raises(CmsError, match="digest"):
        cms.verify_detached(signed, BODY)


def test_a_key_that_did_not_sign_is_found_out(
    rsa_certificate: x509.Certificate, other_rsa_key: rsa.RSAPrivateKey
) -> None:
    signed = cms.sign(BODY, rsa_certificate, other_rsa_key, detached=True)
    with pytest.raises(CmsError, match="does not fit"):
        cms.verify_detached(signed, BODY)


def test_other_content_inside_a_detached_signature_is_refused(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey
) -> None:
    signed = cms.sign(BODY, rsa_certificate, rsa_key)
    assert cms.verify_detached(signed, BODY)
    with pytest.raises(CmsError, match="other content"):
        cms.verify_detached(signed, BODY + b"!")


def test_the_attributes_of_a_signature_are_no_content_of_a_message(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey
) -> None:
    """Signed attributes sent as a content that was never signed, which their signature would fit."""
    signed = cms.sign(BODY, rsa_certificate, rsa_key, detached=True)
    info = oracle.ContentInfo.load(signed)
    attributes = info["content"]["signer_infos"][0]["signed_attrs"].untag().dump()
    info["content"]["signer_infos"][0]["signed_attrs"] = None
    with pytest.raises(CmsError):
        cms.verify_detached(info.dump(force=True), attributes)


def test_a_strange_signing_time_is_passed_over(rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey) -> None:
    strange = ber.encode(ber.UTC_TIME, b"990230000000Z")
    signed = cms.sign(BODY, rsa_certificate, rsa_key, detached=True, attributes=[("1.2.840.113549.1.9.5", strange)])
    assert cms.verify_detached(signed, BODY).signing_time is None


def test_a_device_clock_before_the_certificate_is_no_matter_of_the_signature(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    early = now - timedelta(days=900)
    signed = cms.sign(BODY, rsa_certificate, rsa_key, detached=True, signing_time=early)
    assert cms.verify_detached(signed, BODY).signing_time == early


mutation = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["set", "cut", "insert"]), st.binary(max_size=4)),
    min_size=1,
    max_size=3,
)


def mutate(data: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    for where, how, piece in changes:
        at = int(where * len(data))
        rest = data[at:] if how == "insert" else data[at + max(len(piece), 1) :]
        data = data[:at] + (b"" if how == "cut" else piece) + rest
    return data


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation, st.booleans(), st.booleans())
def test_an_altered_message_is_refused_or_means_the_same(
    rsa_certificate: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
    changes: list[tuple[float, str, bytes]],
    attributes: bool,
    indefinite: bool,
) -> None:
    signed = cms.sign(BODY, rsa_certificate, rsa_key, with_attributes=attributes, indefinite=indefinite)
    try:
        content, signature = cms.verify_attached(mutate(signed, changes))
    except CmsError:
        return
    assert content == BODY
    assert public_key(signature.certificate) == rsa_key.public_key()


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_a_cms_error_comes_of_them(data: bytes) -> None:
    with pytest.raises(CmsError):
        cms.verify_attached(data)
    with pytest.raises(CmsError):
        cms.verify_detached(data, b"")
    with pytest.raises(CmsError):
        cms.read_certificates_only(data)


def test_a_message_is_bounded() -> None:
    with pytest.raises(CmsError, match="at most"):
        cms.verify_attached(bytes(200), limit=100)


def test_certificates_go_out_in_the_order_given_and_openssl_reads_them(
    rsa_certificate: x509.Certificate, ec_certificate: x509.Certificate, openssl: OpenSsl
) -> None:
    certificates = (der(rsa_certificate), der(ec_certificate))
    message = cms.certificates_only(certificates)
    assert cms.read_certificates_only(message) == certificates
    shown = openssl("pkcs7", "-inform", "DER", "-in", "message", "-print_certs", message=message)
    found = x509.load_pem_x509_certificates(shown)
    assert [der(one) for one in found] == list(certificates)
    made = openssl("crl2pkcs7", "-nocrl", "-certfile", "ec.pem", "-outform", "DER")
    assert cms.read_certificates_only(made) == (der(ec_certificate),)

import base64
from datetime import datetime
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from corral.pki import cms
from corral.pki.identity import (
    MAX_HEADER,
    IdentityError,
    certificate_from_header,
    certificate_from_signature,
    signature_from_header,
)

BODY = b"<plist/>"


def test_a_proxy_may_write_rfc_9440_or_escaped_pem(rsa_certificate: x509.Certificate) -> None:
    der = rsa_certificate.public_bytes(Encoding.DER)
    pem = rsa_certificate.public_bytes(Encoding.PEM)
    assert certificate_from_header(b":" + base64.b64encode(der) + b":") == der
    assert certificate_from_header(b" :" + base64.b64encode(der) + b": ") == der
    assert certificate_from_header(quote(pem).encode()) == der
    assert certificate_from_header(quote(pem, safe="").encode()) == der
    assert certificate_from_header(pem.replace(b"\n", b"\r\n")) == der


def test_a_header_that_is_cut_off_or_holds_something_else_is_refused(rsa_certificate: x509.Certificate) -> None:
    der = rsa_certificate.public_bytes(Encoding.DER)
    pem = quote(rsa_certificate.public_bytes(Encoding.PEM)).encode()
    text = base64.b64encode(der)
    for wrong in (
        b"",
        b":",
        b"::",
        b":" + text,
        b":" + text[:-8] + b":",
        b":" + text + b":, :" + text + b":",
        b":" + base64.b64encode(der + b"\0") + b":",
        b":" + base64.b64encode(b"\x04\x01a") + b":",
        text,
        pem[:-10],
        pem + pem,
        pem.replace(b"CERTIFICATE", b"RSA PRIVATE KEY"),
        b"(null)",
    ):
        with pytest.raises(IdentityError):
            certificate_from_header(wrong)


def test_headers_are_bounded() -> None:
    with pytest.raises(IdentityError, match=str(MAX_HEADER)):
        certificate_from_header(b":" * (MAX_HEADER + 1))
    with pytest.raises(IdentityError, match=str(MAX_HEADER)):
        certificate_from_signature(b"A" * (MAX_HEADER + 1), BODY)


@pytest.mark.parametrize("indefinite", [False, True])
def test_a_signature_tells_its_certificate_and_time(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, now: datetime, indefinite: bool
) -> None:
    signed = cms.sign(BODY, rsa_certificate, rsa_key, detached=True, signing_time=now, indefinite=indefinite)
    header = base64.b64encode(signed)
    der = rsa_certificate.public_bytes(Encoding.DER)
    assert certificate_from_signature(header, BODY) == (der, now)
    folded = b"\n ".join(header[at : at + 76] for at in range(0, len(header), 76))
    assert certificate_from_signature(folded, BODY) == (der, now)
    assert signature_from_header(header, BODY).certificates == (der,)
    with pytest.raises(IdentityError, match="digest differs"):
        certificate_from_signature(header, BODY + b"\n")


@given(st.binary(max_size=300))
def test_whatever_the_header_only_an_identity_error_comes_of_it(value: bytes) -> None:
    for header in (value, b":" + base64.b64encode(value) + b":", base64.b64encode(value)):
        with pytest.raises(IdentityError):
            certificate_from_signature(header, BODY)
        try:
            certificate_from_header(header)
        except IdentityError:
            continue

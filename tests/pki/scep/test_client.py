from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.pki import ber, cms, scep
from corral.pki.authority import Authority, create_authority, issue_identity
from corral.pki.scep import FailInfo, Refusal, ScepError, messages

OpenSsl = Callable[..., bytes]
NONCE = bytes(16)


def answer(authority: Authority, status: str, *more: tuple[str, bytes], content: bytes = b"") -> bytes:
    attributes = [
        (messages.MESSAGE_TYPE, ber.text("3")),
        (messages.PKI_STATUS, ber.text(status)),
        (messages.TRANSACTION_ID, ber.text("7")),
        (messages.RECIPIENT_NONCE, ber.octet_string(NONCE)),
        *more,
    ]
    return cms.sign(content, authority.certificate, authority.key, attributes=attributes, detached=not content)


def test_a_csr_is_one_that_openssl_accepts(rsa_key: rsa.RSAPrivateKey, openssl: OpenSsl) -> None:
    csr = scep.build_csr(rsa_key, "device", "open sesame")
    shown = openssl("req", "-inform", "DER", "-in", "csr", "-noout", "-verify", "-text", csr=csr)
    assert b"CN = device" in shown
    assert b"open sesame" in shown


def test_the_transaction_is_the_keys(rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey) -> None:
    assert scep.transaction_id(rsa_key) == scep.transaction_id(rsa_key)
    assert scep.transaction_id(rsa_key) != scep.transaction_id(other_rsa_key)


def test_an_answer_that_is_not_ours_is_an_error(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    signer = scep.build_signer(rsa_key, "device", now)
    reply = scep.reply_refused(Refusal("7", NONCE, FailInfo.BAD_TIME, "x"), authority)
    stranger = create_authority("Test CA", now, key=rsa_key)
    for transaction, nonce, ca, words in (
        ("8", NONCE, authority.certificate, "another transaction"),
        ("7", bytes(15) + b"1", authority.certificate, "another request"),
        ("7", NONCE, stranger.certificate, "another than the authority"),
    ):
        with pytest.raises(ScepError, match=words):
            scep.read_reply(reply, rsa_key, signer, ca, transaction_id=transaction, sender_nonce=nonce)
    with pytest.raises(ScepError):
        scep.read_reply(b"", rsa_key, signer, authority.certificate, transaction_id="7", sender_nonce=NONCE)


def test_an_answer_may_be_to_wait_or_none_that_is_known(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    signer = scep.build_signer(rsa_key, "device", now)

    def read(reply: bytes) -> scep.Issued | scep.Refused | scep.Pending:
        return scep.read_reply(*(reply, rsa_key, signer, authority.certificate), transaction_id="7", sender_nonce=NONCE)

    assert read(answer(authority, "3")) == scep.Pending()
    for status, more in (("0", ()), ("9", ()), ("2", ()), ("2", [(messages.FAIL_INFO, ber.text("99"))])):
        with pytest.raises(ScepError):
            read(answer(authority, status, *more))
    empty = cms.encrypt(cms.certificates_only([authority.der]), signer)
    with pytest.raises(ScepError, match="without a certificate for the key"):
        read(answer(authority, "0", content=empty))


def test_the_certificate_for_a_renewed_key_is_found(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, now: datetime
) -> None:
    later = now + timedelta(days=1)

    def issue(key: rsa.RSAPrivateKey) -> bytes:
        return issue_identity(
            authority, key.public_key(), common_name="x", connection="7", not_before=now, not_after=later
        )

    old, new = issue(rsa_key), issue(other_rsa_key)
    own = x509.load_der_x509_certificate(old)
    content = cms.encrypt(cms.certificates_only([authority.der, old, new]), own)
    reply = answer(authority, "0", content=content)
    got = scep.read_reply(
        *(reply, rsa_key, own, authority.certificate),
        transaction_id="7",
        sender_nonce=NONCE,
        csr=scep.build_csr(other_rsa_key, "x"),
    )
    assert isinstance(got, scep.Issued)
    assert got.certificate == new


def test_the_authority_comes_alone_or_with_others(authority: Authority, rsa_certificate: x509.Certificate) -> None:
    other = rsa_certificate.public_bytes(Encoding.DER)
    assert scep.read_ca_certificates(authority.der) == (authority.der,)
    assert scep.read_ca_certificates(cms.certificates_only([authority.der, other])) == (authority.der, other)
    with pytest.raises(ScepError):
        scep.read_ca_certificates(b"<html>")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_an_altered_answer_is_an_error_or_means_the_same(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime, at: int, piece: bytes
) -> None:
    signer = scep.build_signer(rsa_key, "device", now)
    reply = scep.reply_refused(Refusal("7", NONCE, FailInfo.BAD_TIME, "x"), authority)
    at %= len(reply)
    altered = reply[:at] + piece + reply[at + len(piece) :]
    try:
        got = scep.read_reply(
            *(altered, rsa_key, signer, authority.certificate), transaction_id="7", sender_nonce=NONCE
        )
    except ScepError:
        return
    assert got == scep.Refused(FailInfo.BAD_TIME)

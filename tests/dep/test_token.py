"""Server tokens as Apple's portal enveloped them, and what is no token."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.dep.token import KeyPair, ServerToken, TokenError, make_key_pair, open_token, read_token
from corral.pki.cms.enveloped import encrypt

TOKEN = ServerToken(
    consumer_key="CK_1",
    consumer_secret="CS_1",
    access_token="AT_1",
    access_secret="AS_1",
    expires_at=datetime(2027, 11, 24, 12, 0, tzinfo=UTC),
)
INNER = (
    b"Content-Type: text/plain;charset=UTF-8\n\n-----BEGIN MESSAGE-----\n"
    + TOKEN.to_json()
    + b"\n-----END MESSAGE-----\n"
)


def enveloped(pair: KeyPair, inner: bytes, cipher: str = "aes-256-cbc") -> bytes:
    return encrypt(inner, x509.load_pem_x509_certificate(pair.certificate_pem), cipher)


def mailed(der: bytes) -> bytes:
    head = (
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head + base64.encodebytes(der)


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "des-ede3-cbc"])
def test_a_mail_of_s_mime_is_opened(pair: KeyPair, cipher: str) -> None:
    assert open_token(mailed(enveloped(pair, INNER, cipher)), pair) == TOKEN


def test_base64_and_der_are_taken_as_well(pair: KeyPair) -> None:
    der = enveloped(pair, INNER)
    assert open_token(der, pair) == TOKEN
    assert open_token(base64.b64encode(der), pair) == TOKEN


def test_what_is_kept_is_read_again() -> None:
    assert read_token(TOKEN.to_json()) == TOKEN


def test_a_time_without_a_zone_is_utc() -> None:
    text = TOKEN.to_json().replace(b"12:00:00Z", b"12:00:00")
    assert read_token(text) == TOKEN


def test_a_token_for_another_key_is_refused(pair: KeyPair) -> None:
    other = make_key_pair("other", datetime.now(UTC))
    with pytest.raises(TokenError, match="cannot be opened with this server's key"):
        open_token(mailed(enveloped(other, INNER)), pair)


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        (b"-----BEGIN MESSAGE-----\n{}", "no end"),
        (b"-----BEGIN MESSAGE-----\n{}\n-----END MESSAGE-----", "no document"),
        (b'{"consumer_key": 1}', "no document"),
        (b"", "no document"),
        (b"[" * 5000, "no document"),
    ],
)
def test_what_is_inside_has_to_be_a_token(pair: KeyPair, inner: bytes, told: str) -> None:
    with pytest.raises(TokenError, match=told):
        open_token(mailed(enveloped(pair, inner or b" ")), pair)


def test_a_large_file_is_not_looked_into(pair: KeyPair) -> None:
    with pytest.raises(TokenError, match="no server token"):
        open_token(b"A" * 70_000, pair)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_any_other_file_is_an_error_of_one_kind(data: bytes) -> None:
    pair = _PAIR
    for file in (data, b"Content-Type: multipart/mixed; boundary=x\n\n" + data, b"Content-Type: a/b\n\n" + data):
        with pytest.raises(TokenError):
            open_token(file, pair)


def test_secrets_are_not_shown() -> None:
    text = repr(TOKEN)
    assert not any(secret in text for secret in ("CS_1", "AT_1", "AS_1"))


_PAIR = make_key_pair("any", datetime.now(UTC))

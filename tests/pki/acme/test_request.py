"""A request is believed only if its account's key signed it for this URL; everything else is one kind of error.

The signatures here are made with `cryptography` alone, without the library that the reader checks them with.
"""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from corral.pki.acme.account_key import AccountKey, read_key
from corral.pki.acme.problem import Kind, Problem
from corral.pki.acme.request import MAX_REQUEST, SignedRequest, read_request

URL = "https://mdm.example.org/acme/new-order"
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    return b64(value.to_bytes(size))


def jwk_of(key: Private) -> dict[str, str]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = key.curve.key_size // 8
        point = key.public_key().public_numbers()
        return {"kty": "EC", "crv": f"P-{size * 8}", "x": number(point.x, size), "y": number(point.y, size)}
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(numbers.n, (key.key_size + 7) // 8), "e": number(numbers.e, 3)}


def signed(
    key: Private, header: dict[str, Any], payload: bytes | None = b"{}", *, alter: dict[str, Any] | None = None
) -> bytes:
    protected = b64(json.dumps(header).encode())
    content = b64(payload or b"")
    data = f"{protected}.{content}".encode()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    else:
        size = key.curve.key_size // 8
        digest = hashes.SHA256() if size == 32 else hashes.SHA384()
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        signature = r.to_bytes(size) + s.to_bytes(size)
    return json.dumps(
        {"protected": protected, "payload": content, "signature": b64(signature)} | (alter or {})
    ).encode()


def header(key: Private, **more: Any) -> dict[str, Any]:
    names = {"P-256": "ES256", "P-384": "ES384"}
    jwk = jwk_of(key)
    return {"alg": names.get(jwk.get("crv", ""), "RS256"), "nonce": "bm9uY2U", "url": URL, "jwk": jwk, **more}


def refused(body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        read_request(body, URL)
    return caught.value


def trusted(body: bytes) -> SignedRequest:
    request = read_request(body, URL)
    assert request.key is not None
    request.check(request.key)
    return request


@pytest.fixture(scope="module")
def p384() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def test_each_kind_of_key_signs_by_its_algorithm(
    ec_key: ec.EllipticCurvePrivateKey, p384: ec.EllipticCurvePrivateKey, rsa_key: rsa.RSAPrivateKey
) -> None:
    for key in (ec_key, p384, rsa_key):
        request = trusted(signed(key, header(key), b'{"a":1}'))
        assert (request.payload, request.url, request.nonce, request.kid) == (b'{"a":1}', URL, "bm9uY2U", None)


def test_post_as_get_has_an_empty_payload(ec_key: ec.EllipticCurvePrivateKey) -> None:
    assert trusted(signed(ec_key, header(ec_key), None)).payload == b""


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """The example of RFC 7638 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    key = read_key({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert b64(key.thumbprint) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_request_of_another_key_does_not_hold(
    ec_key: ec.EllipticCurvePrivateKey, p384: ec.EllipticCurvePrivateKey
) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    request = read_request(signed(other, header(ec_key)), URL)
    assert request.key is not None
    with pytest.raises(Problem, match="does not hold"):
        request.check(request.key)
    with pytest.raises(Problem, match="signs by ES384") as caught:
        request.check(read_key(jwk_of(p384)))
    assert caught.value.kind is Kind.BAD_SIGNATURE_ALGORITHM


@pytest.mark.parametrize("part", ["payload", "signature"])
def test_what_was_altered_afterwards_does_not_hold(ec_key: ec.EllipticCurvePrivateKey, part: str) -> None:
    request = read_request(signed(ec_key, header(ec_key), alter={part: b64(b'{"x":1}' * 8)}), URL)
    assert request.key is not None
    with pytest.raises(Problem, match="does not hold"):
        request.check(request.key)


def test_a_public_key_is_no_secret_to_sign_with(ec_key: ec.EllipticCurvePrivateKey) -> None:
    """The old confusion: HMAC with the public key as its secret."""
    head = header(ec_key, alg="HS256")
    protected, content = b64(json.dumps(head).encode()), b64(b"{}")
    mac = hmac.HMAC(json.dumps(head["jwk"]).encode(), hashes.SHA256())
    mac.update(f"{protected}.{content}".encode())
    body = json.dumps({"protected": protected, "payload": content, "signature": b64(mac.finalize())}).encode()
    assert refused(body).kind is Kind.BAD_SIGNATURE_ALGORITHM


@pytest.mark.parametrize("algorithm", ["", "EdDSA", "ES256K", "ES512", "HS256", "PS256", "RS1", "none"])
def test_other_algorithms_are_refused(ec_key: ec.EllipticCurvePrivateKey, algorithm: str) -> None:
    problem = refused(signed(ec_key, header(ec_key, alg=algorithm)))
    assert (problem.kind, problem.status) == (Kind.BAD_SIGNATURE_ALGORITHM, 400)


def test_a_request_for_another_url_is_refused(ec_key: ec.EllipticCurvePrivateKey) -> None:
    for url in ("https://mdm.example.org/acme/new-account", URL + "/", URL.replace("https", "http"), ""):
        problem = refused(signed(ec_key, header(ec_key, url=url)))
        assert (problem.kind, problem.status) == (Kind.UNAUTHORIZED, 403)


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"b64": True},
        {"b64": None},
        {"kid": "https://x/1"},
        {"jwk": None},
        {"nonce": 7},
    ],
    ids=str,
)
def test_a_header_with_what_no_request_has_is_refused(ec_key: ec.EllipticCurvePrivateKey, more: dict[str, Any]) -> None:
    assert refused(signed(ec_key, header(ec_key, **more))).kind is Kind.MALFORMED


@pytest.mark.parametrize("name", ["alg", "jwk", "nonce", "url"])
def test_a_header_without_what_every_request_has_is_refused(ec_key: ec.EllipticCurvePrivateKey, name: str) -> None:
    head = header(ec_key)
    del head[name]
    assert refused(signed(ec_key, head)).kind is Kind.MALFORMED


@pytest.mark.parametrize(
    "alter",
    [
        {"header": {"kid": "x"}},
        {"signatures": []},
        {"payload": "e30="},
        {"payload": "e3!"},
        {"payload": "e"},
        {"payload": "e31"},
        {"signature": ""},
        {"protected": b64(b"[]")},
        {"protected": b64(b'{"alg":"ES256"')},
        {"protected": "A" * 10_000},
    ],
    ids=lambda alter: str(alter)[:40],
)
def test_another_form_of_jws_is_refused(ec_key: ec.EllipticCurvePrivateKey, alter: dict[str, Any]) -> None:
    body = signed(ec_key, header(ec_key), alter=alter)
    with pytest.raises(Problem) as caught:
        trusted(body)
    assert caught.value.kind is Kind.MALFORMED


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b"a.b.c"], ids=lambda body: body[:9])
def test_what_is_no_jws_is_refused(body: bytes) -> None:
    assert refused(body).kind is Kind.MALFORMED


def test_a_request_is_bounded() -> None:
    problem = refused(b" " * (MAX_REQUEST + 1))
    assert (problem.kind, problem.status) == (Kind.MALFORMED, 413)


def weak(key: dict[str, Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        read_key(key)
    assert caught.value.kind is Kind.BAD_PUBLIC_KEY
    return caught.value


def test_a_key_must_be_one_that_signs_soundly(ec_key: ec.EllipticCurvePrivateKey, rsa_key: rsa.RSAPrivateKey) -> None:
    good, numbers = jwk_of(ec_key), jwk_of(rsa_key)
    assert isinstance(read_key(good), AccountKey)
    weak({})
    weak({"kty": "oct", "k": "AAAA"})
    weak({"kty": ["EC"]})
    weak(good | {"crv": "P-521"})
    weak(good | {"x": good["y"]})  # a point that is not on the curve
    weak(good | {"y": good["y"] + "="})
    weak(good | {"x": 7})
    weak({name: good[name] for name in ("kty", "crv", "x")})
    weak(numbers | {"n": b64(b"\x80" + bytes(126) + b"\1")})
    weak(numbers | {"e": b64(b"\1" + bytes(8) + b"\1")})
    weak(numbers | {"n": b64(b"\xff" * 600)})
    assert "private part" in weak(good | {"d": "AAAA"}).detail


def test_a_key_is_kept_in_one_form(ec_key: ec.EllipticCurvePrivateKey) -> None:
    good = jwk_of(ec_key)
    one = read_key(good | {"kid": "1", "use": "sig"})
    assert one == read_key(dict(reversed(good.items())))
    assert list(json.loads(one.text)) == ["crv", "kty", "x", "y"]

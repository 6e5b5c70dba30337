"""Whatever comes instead of a signed request: one kind of error, and nothing that its key did not sign.

That what is made here comes as far as each check is a part of the test; else it might all end at the first.
"""

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from corral.pki.acme.problem import Problem
from corral.pki.acme.request import read_request

URL = "https://mdm.example.org/acme/new-order"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def jwk() -> dict[str, str]:
    point = key().public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64(point.x.to_bytes(32)), "y": b64(point.y.to_bytes(32))}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def exchanged(true: dict[str, Any], parts: dict[str, tuple[Any, ...]]) -> st.SearchStrategy[dict[str, Any]]:
    """The true one, with up to two members exchanged for one that matters, or for anything, or left out."""

    @st.composite
    def make(draw: st.DrawFn) -> dict[str, Any]:
        made = dict(true)
        for name in draw(st.lists(st.sampled_from(sorted(parts)), max_size=2, unique=True)):
            match draw(st.integers(0, 5)):
                case 0:
                    made.pop(name, None)
                case 1:
                    made[name] = draw(anything)
                case _:
                    made[name] = draw(st.sampled_from(parts[name]))
        return made

    return make()


KEY_PARTS: dict[str, tuple[Any, ...]] = {
    "crv": ("P-384", "P-521", "secp256k1"),
    "kty": ("RSA", "oct", "OKP"),
    "x": (b64(bytes(32)), "=", ""),
    "n": (b64(b"\xff" * 256), b64(b"\xff" * 64), b64(b"\xff" * 700)),
    "e": ("AQAB", b64(b"\xff" * 8)),
    "d": ("AQAB",),
    "k": ("AQAB",),
}
KEYS = st.deferred(lambda: exchanged(jwk(), KEY_PARTS))
RSA = {"kty": "RSA", "n": b64(b"\xff" * 64), "e": "AQAB"}
HEADER_PARTS: dict[str, tuple[Any, ...]] = {
    "alg": ("ES384", "RS256", "HS256", "none"),
    "nonce": ("", "="),
    "url": (f"{URL}/", URL.upper(), ""),
    "kid": ("https://mdm.example.org/acme/account/1",),
    "crit": (["b64"], []),
    "b64": (True, False),
    "zip": ("DEF",),
}


@st.composite
def headers(draw: st.DrawFn) -> dict[str, Any]:
    made = draw(exchanged({"alg": "ES256", "nonce": "bm9uY2U", "url": URL, "jwk": jwk()}, HEADER_PARTS))
    match draw(st.integers(0, 5)):
        case 0 | 3:
            made["jwk"] = draw(KEYS)
        case 1:
            made["jwk"] = draw(anything | st.sampled_from([RSA, RSA | {"kty": "EC"}, jwk() | {"crv": "P-521"}]))
        case 2:
            del made["jwk"]
            made["kid"] = "https://mdm.example.org/acme/account/1"
        case _:
            pass
    return made


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A request, and the payload that it was signed for."""
    payload = draw(st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
    protected = b64(json.dumps(draw(headers())).encode())
    r, s = decode_dss_signature(key().sign(f"{protected}.{b64(payload)}".encode(), ec.ECDSA(hashes.SHA256())))
    whole: dict[str, Any] = {
        "protected": protected,
        "payload": b64(payload),
        "signature": b64(r.to_bytes(32) + s.to_bytes(32)),
    }
    if draw(st.integers(0, 3)) == 0:
        whole |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "payload": st.binary(max_size=40).map(b64) | anything,
                    "signature": st.binary(min_size=60, max_size=70).map(b64) | anything,
                    "protected": headers().map(lambda made: b64(json.dumps(made).encode())) | anything,
                    "header": anything,
                },
            )
        )
    return json.dumps(whole).encode(), payload


def outcome(body: bytes, payload: bytes) -> str:
    """Why it is refused; `signed` where it holds, `named` where its key is yet to be found."""
    try:
        request = read_request(body, URL)
        if request.key is None:
            return "named"
        request.check(request.key)
    except Problem as problem:
        return problem.detail
    assert (request.payload, request.url) == (payload, URL)
    assert json.loads(request.key.text) == jwk(), "the key that signed it"
    return "signed"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert outcome(body, b"") not in ("signed", "named")


DEEP = (
    "no flattened JWS",
    "Sign by one of",
    "crit or b64",
    "another URL",
    "either jwk or kid",
    "kind EC or RSA",
    "private part",
    "or one that is no text",
    "must be P-256 or P-384",
    "2048 to 4096 bits",
    "cannot be read",
    "This key signs by",
    "signature does not hold",
    "signed",
    "named",
)


def test_nothing_is_believed_but_what_was_signed_and_every_check_is_reached() -> None:
    reached: set[str] = set()

    @settings(max_examples=1500, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(requests())
    def look(made: tuple[bytes, bytes]) -> None:
        reached.add(outcome(*made))

    look()
    assert [deep for deep in DEEP if not any(deep in each for each in reached)] == []

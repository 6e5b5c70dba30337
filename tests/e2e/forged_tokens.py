"""ID tokens as whoever would like to be somebody else makes them."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from corral.simulator.identity_provider import IdentityProvider
from e2e.account_place import BOB

Forgery = Callable[[IdentityProvider, dict[str, Any]], str]


def _unsigned(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    del provider
    return f"{_base64url(json.dumps({'alg': 'none'}).encode())}.{_base64url(json.dumps(claims).encode())}."


def _by_stranger(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256", {"kid": str(provider.key.kid)})
    return jwt.encode({"alg": "ES256", "kid": provider.key.kid}, claims, key)


def _by_public_key(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    """By hand: the library makes no such token."""
    head = {"alg": "HS256", "kid": provider.key.kid}
    signed = ".".join(_base64url(json.dumps(each).encode()) for each in (head, claims))
    mac = hmac.digest(provider.key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{_base64url(mac)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _with(**changes: Any) -> Forgery:
    return lambda provider, claims: provider.sign(
        {name: value for name, value in (claims | changes).items() if value is not None}
    )


FORGERIES: dict[str, Forgery] = {
    "alg-none": _unsigned,
    "another-key": _by_stranger,
    "public-key-as-secret": _by_public_key,
    "another-audience": _with(aud="another"),
    "given-to-another": _with(aud=["corral", "another"]),
    "another-issuer": _with(iss="https://evil.example"),
    "expired": _with(exp=1_700_000_000),
    "of-the-future": _with(iat=4_000_000_000),
    "another-nonce": _with(nonce="n"),
    "no-nonce": _with(nonce=None),
    "another-person": _with(sub=BOB),
    "no-expiry": _with(exp=None),
    "no-token": lambda provider, claims: "x.y.z",
}
